//! Looks at a database and changes nothing: for whoever asks whether it will do.

use crate::database::connector;
use crate::session::Session;
use crate::{Database, Options, StoreError, migrate, sqlite};
use chimera_core::UnixMillis;

/// What there is to see of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Looked {
    /// The version of its schema; 0 if there is none yet.
    pub schema: i64,
    /// The newest version known here.
    pub newest: i64,
    /// Whether it takes changes.
    pub writable: bool,
    /// The time of its server, if it is one.
    pub server_time: Option<UnixMillis>,
}

/// Looks at a database without creating it, migrating it or writing to it; nothing if there is no file yet.
///
/// # Errors
/// [`StoreError::Open`] if it cannot be reached or read, [`StoreError::Newer`] or [`StoreError::Checksum`] if its
/// schema does not fit.
pub fn look(database: &Database) -> Result<Option<Looked>, StoreError> {
    // A driver may bring a runtime of its own, which must not start within the caller's.
    std::thread::scope(|scope| {
        let looking = scope.spawn(|| look_here(database));
        looking.join().unwrap_or(Err(StoreError::Panicked))
    })
}

fn look_here(database: &Database) -> Result<Option<Looked>, StoreError> {
    if let Database::Sqlite(path) = database {
        sqlite::fit(path)?;
    }
    let session = match database {
        Database::Sqlite(path) if !path.exists() => return Ok(None),
        Database::Sqlite(path) => sqlite::reading(path.clone())().map_err(|err| opening(database, err))?,
        Database::Postgres(_) => connector(database, &Options::default())()?,
    };
    let place = database.to_string();
    let schema = migrate::version(&*session, &place)?;
    let writable = match database {
        Database::Sqlite(path) => sqlite::is_writable(path),
        Database::Postgres(_) => answer(&*session, session.dialect().read_only)? != Some(1),
    };
    let server_time = answer(&*session, session.dialect().server_time)?.map(UnixMillis);
    Ok(Some(Looked { schema, newest: migrate::newest(), writable, server_time }))
}

/// The number that a statement of the dialect gives, where the dialect has that statement.
fn answer(session: &dyn Session, sql: Option<&str>) -> Result<Option<i64>, StoreError> {
    let Some(sql) = sql else { return Ok(None) };
    session.query(sql, &[])?.first().map(|row| row.int(0)).transpose()
}

fn opening(database: &Database, err: StoreError) -> StoreError {
    match err {
        StoreError::Database(detail) | StoreError::Unreachable(detail) => {
            StoreError::Open { place: database.to_string(), detail }
        }
        other => other,
    }
}
