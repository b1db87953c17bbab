//! The hosts of a URL, each by itself, and how long each may take.

use std::time::Duration;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

/// How long one host may take to take a connection, unless the URL says `connect_timeout`.
const CONNECT: Duration = Duration::from_secs(5);
/// How long data may stay without an acknowledgement, and how soon a silent line is looked at, before the system ends
/// the connection: a machine that vanished is noticed as soon as one that is frozen.
const UNACKNOWLEDGED: Duration = Duration::from_secs(10);
const KEEPALIVE_IDLE: Duration = Duration::from_secs(5);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2);
const KEEPALIVE_RETRIES: u32 = 3;

/// No wait without a limit, whatever the network does.
pub(super) fn limit(config: &mut Config) {
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(UNACKNOWLEDGED);
    }
    // The driver's own: two hours, which nobody asks for.
    if config.get_keepalives_idle() >= Duration::from_secs(2 * 60 * 60) {
        config.keepalives_idle(KEEPALIVE_IDLE);
    }
    if config.get_keepalives_interval().is_none() {
        config.keepalives_interval(KEEPALIVE_INTERVAL);
    }
    if config.get_keepalives_retries().is_none() {
        config.keepalives_retries(KEEPALIVE_RETRIES);
    }
}

/// One of each host: the driver would wait for a silent one as long as for all of them.
pub(super) fn one_by_one(config: &Config) -> Result<Vec<Config>, String> {
    let (names, addresses, ports) = (config.get_hosts(), config.get_hostaddrs(), config.get_ports());
    let number = names.len().max(addresses.len());
    if !names.is_empty() && !addresses.is_empty() && names.len() != addresses.len() {
        return Err("the database URL has another number of `host` than of `hostaddr`".to_owned());
    }
    if ports.len() > 1 && ports.len() != number {
        return Err("the database URL has another number of ports than of hosts".to_owned());
    }
    if number == 0 {
        return Err(
            "the database URL names no host: give `postgres://USER:PASSWORD@HOST:PORT/NAME`".to_owned()
        );
    }
    let one = |n: usize| {
        let mut one = without_hosts(config);
        match names.get(n) {
            Some(Host::Tcp(name)) => one.host(name),
            Some(Host::Unix(path)) => one.host_path(path),
            None => &mut one,
        };
        if let Some(address) = addresses.get(n) {
            one.hostaddr(*address);
        }
        one.port(ports.get(n).or(ports.first()).copied().unwrap_or(5432));
        one
    };
    Ok((0..number).map(one).collect())
}

/// All that a configuration says but where the server is.
fn without_hosts(config: &Config) -> Config {
    let mut one = Config::new();
    if let Some(user) = config.get_user() {
        one.user(user);
    }
    if let Some(password) = config.get_password() {
        one.password(password);
    }
    if let Some(name) = config.get_dbname() {
        one.dbname(name);
    }
    if let Some(options) = config.get_options() {
        one.options(options);
    }
    if let Some(name) = config.get_application_name() {
        one.application_name(name);
    }
    if let Some(limit) = config.get_connect_timeout() {
        one.connect_timeout(*limit);
    }
    if let Some(limit) = config.get_tcp_user_timeout() {
        one.tcp_user_timeout(*limit);
    }
    if let Some(pause) = config.get_keepalives_interval() {
        one.keepalives_interval(pause);
    }
    if let Some(number) = config.get_keepalives_retries() {
        one.keepalives_retries(number);
    }
    one.ssl_mode(config.get_ssl_mode())
        .ssl_negotiation(config.get_ssl_negotiation())
        .keepalives(config.get_keepalives())
        .keepalives_idle(config.get_keepalives_idle())
        .target_session_attrs(config.get_target_session_attrs())
        .channel_binding(config.get_channel_binding());
    one
}

/// Where they are, without any password.
pub(super) fn place(hosts: &[Config], name: Option<&str>) -> String {
    let hosts: Vec<String> = hosts.iter().map(shown).collect();
    format!("postgres://{}/{}", hosts.join(","), name.unwrap_or_default())
}

/// A host, as it is shown.
pub(super) fn shown(host: &Config) -> String {
    let named = match host.get_hosts().first() {
        Some(Host::Tcp(name)) => name.clone(),
        Some(Host::Unix(path)) => path.display().to_string(),
        None => host.get_hostaddrs().first().map(ToString::to_string).unwrap_or_default(),
    };
    format!("{named}:{}", host.get_ports().first().copied().unwrap_or(5432))
}
