//! Where the database is.

use crate::postgres::PostgresServer;
use std::fmt;
use std::path::{Path, PathBuf};

/// Where the database is. Its text form names no password.
#[derive(Clone)]
pub enum Database {
    /// A file of SQLite, on this machine.
    Sqlite(PathBuf),
    /// A server of PostgreSQL, which several machines may share.
    Postgres(Box<PostgresServer>),
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
        Ok(Self::Postgres(Box::new(PostgresServer::parse(url, ca)?)))
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

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
