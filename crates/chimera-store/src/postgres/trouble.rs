//! What can go wrong on a connection, and what it means.

use crate::StoreError;
use std::error::Error as _;
use std::time::Duration;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

/// What the triggers of a closed queue raise.
const MOVED: &str = "CH001";

/// The keys that two callers may give at the same time: on the second try, the row of the first is found. Any other row
/// that is there already is a fault.
const RACES: [&str; 1] = ["idempotency_pkey"];

/// What is said of a pooler that gives a session to somebody else after each transaction.
pub(super) const POOLED: &str = "a pooler in transaction mode is between this daemon and the server, and gives its \
    sessions to others: set `pool_mode = session` for this database in the pooler, or name the server itself in \
    `database.url`";

/// What is said where the daemon may not make its tables.
const OWN: &str = "make a schema that belongs to the daemon's role (`CREATE SCHEMA NAME AUTHORIZATION ROLE`) and name it \
    in `database.url` by `options=-csearch_path%3DNAME`, or `GRANT CREATE, USAGE` on the present one";

/// What kept a call from its answer.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The server or the system said so.
    Told(Error),
    /// There was no answer within that time.
    Silence(Duration),
    /// Somebody ended the wait for a standby: the commit is kept by the primary, which may be replaced by one without it.
    Unreplicated,
}

impl From<Error> for Trouble {
    fn from(err: Error) -> Self {
        Self::Told(err)
    }
}

impl Trouble {
    /// The connection is gone, or the server is about to end it.
    pub(super) fn is_lost(&self) -> bool {
        let Self::Told(err) = self else { return true };
        let Some(code) = err.code() else { return err.is_closed() || is_of_the_line(err) };
        // Class 08: connection exceptions; the others: shutdowns by an operator or a crash, and sessions that idled.
        code.code().starts_with("08")
            || ["25P03", "57P01", "57P02", "57P03", "57P04", "57P05"].contains(&code.code())
    }

    /// The connection broke by itself: whatever had not been sent before may be sent on another one.
    pub(super) fn is_broken_line(&self) -> bool {
        matches!(self, Self::Told(_)) && self.is_lost()
    }

    /// The server takes no changes any more: another one may.
    pub(super) fn is_read_only(&self) -> bool {
        matches!(self, Self::Told(err) if err.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION))
    }

    /// What the caller does next.
    pub(super) fn classify(&self) -> StoreError {
        let err = match self {
            Self::Told(err) => err,
            Self::Silence(limit) => {
                return StoreError::Unreachable(format!("no answer within {} s", limit.as_secs()));
            }
            Self::Unreplicated => {
                let ended = "the wait for a standby was ended on the server, so the commit may be lost with the primary";
                return StoreError::Unreachable(ended.to_owned());
            }
        };
        if self.is_lost() {
            return StoreError::Unreachable(describe(err));
        }
        let Some(code) = err.code().map(SqlState::code) else {
            // Values that do not fit their columns never left this process.
            return StoreError::Database(describe(err));
        };
        match code {
            MOVED => StoreError::Moved,
            "23505"
                if err
                    .as_db_error()
                    .and_then(|db| db.constraint())
                    .is_some_and(|key| RACES.contains(&key)) =>
            {
                StoreError::Busy
            }
            // Locks that were not to be had; a statement that was ended because it took too long.
            "55P03" | "57014" => StoreError::Busy,
            "53100" => StoreError::Full,
            "25006" | "58000" | "58030" => StoreError::Unreachable(describe(err)),
            // A page of many: what does not need it goes on.
            "XX001" | "XX002" => StoreError::Corrupt(describe(err)),
            // A prepared statement that another session has, or has not.
            "26000" | "42P05" => StoreError::Database(format!("{}: {POOLED}", describe(err))),
            "42501" | "3F000" => StoreError::Database(format!("{}: {OWN}", describe(err))),
            // Class 40: deadlocks and the like; class 53: connections or memory that were not to be had.
            _ if code.starts_with("40") || code.starts_with("53") => StoreError::Busy,
            _ => StoreError::Database(describe(err)),
        }
    }
}

/// The system said so, not the driver, which refuses values that do not fit.
fn is_of_the_line(err: &Error) -> bool {
    let io = err.source().and_then(|source| source.downcast_ref::<std::io::Error>());
    io.is_some_and(|io| io.kind() != std::io::ErrorKind::InvalidInput)
}

/// The server's words, or the system's.
pub(super) fn describe(err: &Error) -> String {
    if let Some(db) = err.as_db_error() {
        return format!("{} ({})", db.message(), db.code().code());
    }
    match err.source() {
        Some(source) => format!("{err}: {source}"),
        None => err.to_string(),
    }
}
