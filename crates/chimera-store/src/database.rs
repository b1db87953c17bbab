//! Where the database is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where the database is. Its text form names no password.
#[derive(Clone)]
pub enum Database {
    /// A file of SQLite, on this machine.
    Sqlite(PathBuf),
    /// A server of PostgreSQL, which several machines may share.
    Postgres(Box<PostgresServer>),
}

/// How to reach a PostgreSQL server.
#[derive(Clone)]
pub struct PostgresServer {
    pub(crate) config: tokio_postgres::Config,
    /// A file of certificates to trust beside those of the system, in PEM.
    pub(crate) ca: Option<PathBuf>,
}

impl Database {
    /// Reads `sqlite:PATH` (relative paths start at `base`), `postgres://...` or `postgresql://...`.
    ///
    /// # Errors
    /// What is wrong with the text, without any password in it.
    pub fn parse(url: &str, base: &Path, ca: Option<PathBuf>) -> Result<Self, String> {
        if let Some(path) = url.strip_prefix("sqlite:").filter(|path| !path.is_empty()) {
            return Ok(Self::Sqlite(base.join(path.strip_prefix("//").unwrap_or(path))));
        }
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err("give `sqlite:PATH` or `postgres://USER:PASSWORD@HOST:PORT/NAME`".to_owned());
        }
        let mut config = tokio_postgres::Config::from_str(url).map_err(|_| {
            "this is no PostgreSQL URL: give `postgres://USER:PASSWORD@HOST:PORT/NAME`".to_owned()
        })?;
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(crate::postgres::CONNECT_TIMEOUT);
        }
        config.application_name("chimera-daemon");
        Ok(Self::Postgres(Box::new(PostgresServer { config, ca })))
    }
}

impl From<&Path> for Database {
    fn from(path: &Path) -> Self {
        Self::Sqlite(path.to_owned())
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => path.display().fmt(f),
            Self::Postgres(server) => server.fmt(f),
        }
    }
}

impl fmt::Display for PostgresServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use tokio_postgres::config::Host;
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(name)) => name.clone(),
            Some(Host::Unix(path)) => path.display().to_string(),
            None => "localhost".to_owned(),
        };
        let port = self.config.get_ports().first().copied().unwrap_or(5432);
        write!(f, "postgres://{host}:{port}/{}", self.config.get_dbname().unwrap_or_default())
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
