//! How to reach a server: what a PostgreSQL URL says.

use super::hosts::{limit, one_by_one, place, shown};
use super::tls::Proof;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use tokio_postgres::Config;
use tokio_postgres::config::{SslMode, TargetSessionAttrs};

/// What is said of a password that would be cut in two.
const ENCODE: &str = "the database URL cannot be split into its parts: write `@`, `/`, `?`, `#` and `%` in the user's \
    name, the password and parameters as `%40`, `%2F`, `%3F`, `%23` and `%25`";
/// Parameters of the URL beside those that this file reads itself.
const KNOWN: [&str; 15] = [
    "user",
    "password",
    "dbname",
    "options",
    "application_name",
    "sslnegotiation",
    "hostaddr",
    "port",
    "connect_timeout",
    "tcp_user_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "channel_binding",
];

/// How to reach a PostgreSQL server, or several of which one takes changes. Its text form names no password.
#[derive(Clone)]
pub struct PostgresServer {
    /// One host each; never empty.
    hosts: Vec<Config>,
    pub(super) encryption: Encryption,
    place: String,
    /// The host that was connected to last.
    recent: Arc<AtomicUsize>,
    /// Whether connections are known to have sessions of their own.
    pub(super) unpooled: Arc<OnceLock<()>>,
}

/// What the server has to prove, and what it is shown.
#[derive(Clone, Default)]
pub(super) struct Encryption {
    pub(super) proof: Proof,
    /// A file of certificates to trust, in PEM.
    pub(super) ca: Option<PathBuf>,
    /// Whether nothing else is trusted; otherwise what the system trusts is as well.
    pub(super) only_ca: bool,
    /// The certificate to show, and its key, in PEM.
    pub(super) own: Option<(PathBuf, PathBuf)>,
}

impl PostgresServer {
    /// Reads a URL; `ca` is a file of certificates to trust beside those of the system.
    ///
    /// # Errors
    /// What is wrong and what to write instead, without any part of a password.
    pub(crate) fn parse(url: &str, ca: Option<PathBuf>) -> Result<Self, String> {
        let (address, query) = split(url)?;
        let mut said = Said { encryption: Encryption { ca, ..Encryption::default() }, ..Said::default() };
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            said.take(parameter)?;
        }
        let encryption = said.encryption()?;
        let text = format!("{address}?{}", said.others.join("&"));
        let mut config = Config::from_str(&text).map_err(|_| ENCODE.to_owned())?;
        config.ssl_mode(said.mode).application_name("chimera-daemon");
        let several = config.get_hosts().len().max(config.get_hostaddrs().len()) > 1;
        // Of several, only the primary is of use.
        config.target_session_attrs(match said.target {
            None if several => TargetSessionAttrs::ReadWrite,
            said => said.unwrap_or(TargetSessionAttrs::Any),
        });
        limit(&mut config);
        let hosts = one_by_one(&config)?;
        let place = place(&hosts, config.get_dbname());
        Ok(Self { hosts, encryption, place, recent: Arc::default(), unpooled: Arc::default() })
    }

    /// The hosts and their numbers, beginning with the one that was connected to last.
    pub(super) fn hosts(&self) -> impl Iterator<Item = (usize, &Config)> {
        let from = self.recent.load(Ordering::Relaxed);
        (0..self.hosts.len()).map(move |n| (from + n) % self.hosts.len()).map(|n| (n, &self.hosts[n]))
    }

    /// A host by its number, as it is shown.
    pub(super) fn host(&self, number: usize) -> String {
        self.hosts.get(number).map(shown).unwrap_or_default()
    }

    /// Remembers that this host was connected to.
    pub(super) fn remember(&self, host: usize) {
        self.recent.store(host, Ordering::Relaxed);
    }

    /// Takes note that this host does not answer: it is asked last.
    pub(super) fn pass_over(&self, host: usize) {
        let next = (host + 1) % self.hosts.len().max(1);
        // Another connection may have found a better one already.
        let _ = self.recent.compare_exchange(host, next, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Whether the connections that were made last lead elsewhere. Two hosts may both say that they take changes, one of them
    /// because it was not told that it was replaced: what it knows is old.
    pub(super) fn has_left(&self, host: usize) -> bool {
        self.recent.load(Ordering::Relaxed) != host
    }
}

impl fmt::Display for PostgresServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)
    }
}

/// What the parameters say.
struct Said {
    mode: SslMode,
    target: Option<TargetSessionAttrs>,
    encryption: Encryption,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    /// As they stand, for the driver.
    others: Vec<String>,
}

impl Default for Said {
    fn default() -> Self {
        Self {
            mode: SslMode::Prefer,
            target: None,
            encryption: Encryption::default(),
            certificate: None,
            key: None,
            others: Vec::new(),
        }
    }
}

impl Said {
    fn take(&mut self, parameter: &str) -> Result<(), String> {
        let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let wrong = |give: &str| Err(format!("`{key}` in the database URL is not valid: give {give}"));
        match key {
            "sslmode" => {
                (self.mode, self.encryption.proof) = match value {
                    "disable" => (SslMode::Disable, Proof::None),
                    "allow" | "prefer" => (SslMode::Prefer, Proof::None),
                    "verify-ca" => (SslMode::Require, Proof::Authority),
                    "require" | "verify-full" => (SslMode::Require, Proof::Name),
                    _ => return wrong("disable, allow, prefer, require, verify-ca or verify-full"),
                }
            }
            "sslrootcert" if value == "system" => {
                (self.encryption.ca, self.encryption.only_ca) = (None, false);
            }
            "sslrootcert" => {
                (self.encryption.ca, self.encryption.only_ca) = (Some(decoded(value).into()), true);
            }
            "sslcert" => self.certificate = Some(decoded(value).into()),
            "sslkey" => self.key = Some(decoded(value).into()),
            "target_session_attrs" => {
                self.target = Some(match value {
                    "any" => TargetSessionAttrs::Any,
                    "read-write" | "primary" => TargetSessionAttrs::ReadWrite,
                    _ => return wrong("read-write or any: the daemon has to write"),
                });
            }
            // The driver takes several for one.
            "host" => self.others.extend(value.split(',').map(|host| format!("host={host}"))),
            // The only server of use is the primary: there is nothing to balance.
            "load_balance_hosts" => {}
            _ if !KNOWN.contains(&key) => return Err(unknown(key)),
            _ if Config::from_str(&format!("postgres://host/?{parameter}")).is_err() => {
                return wrong("a value that PostgreSQL's documentation of connection parameters allows");
            }
            _ => self.others.push(parameter.to_owned()),
        }
        Ok(())
    }

    fn encryption(&mut self) -> Result<Encryption, String> {
        let mut encryption = std::mem::take(&mut self.encryption);
        encryption.own = match (self.certificate.take(), self.key.take()) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => return Err("give `sslcert` and `sslkey` together in the database URL".to_owned()),
        };
        Ok(encryption)
    }
}

fn unknown(key: &str) -> String {
    let remedy = match key {
        "schema" | "search_path" | "currentSchema" => {
            "give the schema as `options=-csearch_path%3DNAME`".to_owned()
        }
        _ => format!(
            "remove it; known are host, sslmode, sslrootcert, sslcert, sslkey, target_session_attrs, {}",
            KNOWN.join(", ")
        ),
    };
    format!("`{key}` in the database URL is not a parameter that this daemon knows: {remedy}")
}

/// The URL up to its parameters, and those. What is not encoded as it has to be is found before any of it is named.
fn split(url: &str) -> Result<(&str, &str), String> {
    let after_scheme = url.find("://").map_or(0, |at| at + 3);
    let rest = &url[after_scheme..];
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let hosts = authority.split_once('@').map_or(authority, |(_, hosts)| hosts);
    let port = |host: &str| match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => {
            port.is_empty() || port.parse::<u16>().is_ok()
        }
        _ => true,
    };
    if tail.contains('@') || hosts.contains('@') || !hosts.split(',').all(port) {
        return Err(ENCODE.to_owned());
    }
    Ok(url.split_once('?').unwrap_or((url, "")))
}

/// What a parameter's value means.
fn decoded(value: &str) -> String {
    let config = Config::from_str(&format!("postgres://host/?application_name={value}"));
    config.ok().and_then(|config| config.get_application_name().map(str::to_owned)).unwrap_or_default()
}
