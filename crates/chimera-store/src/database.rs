//! Where the database is.

use crate::plant::Planted;
use crate::postgres::{self, PostgresServer};
use crate::session::Connect;
use crate::{Options, Plant, sqlite};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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

/// How the writer gets its connection.
pub(crate) fn connector(database: &Database, options: &Options) -> Arc<Connect> {
    let connect = match database {
        Database::Sqlite(path) => sqlite::writing(path.clone(), options.max_pages),
        Database::Postgres(server) => postgres::connector((**server).clone()),
    };
    planted(connect, options.plant)
}

/// The same with a bug, if there is to be one.
pub(crate) fn planted(connect: Arc<Connect>, plant: Option<Plant>) -> Arc<Connect> {
    match plant {
        None => connect,
        Some(plant) => Arc::new(move || Ok(Box::new(Planted::new(connect()?, plant)))),
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
