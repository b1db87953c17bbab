//! The SQLite backend: connections with the settings that durability rests on, and a watcher for other processes.

mod file_system;
mod files;
mod watch;

pub(crate) use files::Files;
pub(crate) use watch::Tell;

use crate::row::storable;
use crate::session::{Connect, Dialect, Session};
use crate::store::Watcher;
use crate::{Database, Row, StoreError, Value};
use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, OpenFlags, ToSql};
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long a statement waits for another process before it counts as busy.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Prepared statements kept per connection: more than there are in the crate, shared ones in every size.
const STATEMENTS: usize = 256;
/// Memory for pages, in KiB: the default of 2 MB reads the hot part of a large queue again and again.
const CACHE: i64 = 16 * 1024;
/// Pages after which the WAL is checkpointed: 16 MB. The hot pages are then written back a quarter as often as
/// by default.
const AUTOCHECKPOINT: i64 = 4000;

static DIALECT: Dialect = Dialect {
    // A deferred transaction that writes later fails as busy whatever the timeout is.
    begin_write: "BEGIN IMMEDIATE",
    begin_read: "BEGIN",
    statements_are_cheap: true,
    // One writer at a time: nobody else can hold a row.
    ascii_small: ["LOWER(", ")"],
    lock_free_rows: "",
    lock_rows: "",
    lock_rows_now: "",
    order_commits: None,
    order_claims: None,
    order_pauses: None,
    order_migrations: None,
    server_time: None,
    log_bytes: None,
    read_only: None,
    has_history: "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'schema_migrations'",
    disconnect: None,
    // It is never made smaller than it is.
    room: Some(["PRAGMA max_page_count = 1", "PRAGMA max_page_count = 1073741823"]),
    tables: "SELECT m.name, p.name, p.pk FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS p \
        WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite!_%' ESCAPE '!' AND m.name NOT IN ('schema_migrations', 'task_counts', 'vocabulary') ORDER BY m.name, p.cid",
    lock_tasks: None,
    close: &[
        "CREATE TRIGGER tasks_moved_1 BEFORE INSERT ON tasks BEGIN SELECT RAISE(ABORT, 'chimera: moved'); END",
        "CREATE TRIGGER tasks_moved_2 BEFORE UPDATE ON tasks BEGIN SELECT RAISE(ABORT, 'chimera: moved'); END",
        "CREATE TRIGGER tasks_moved_3 BEFORE DELETE ON tasks BEGIN SELECT RAISE(ABORT, 'chimera: moved'); END",
    ],
    is_closed: "SELECT COUNT(*) FROM sqlite_master WHERE type = 'trigger' AND name = 'tasks_moved_1'",
    reopen: &["DROP TRIGGER tasks_moved_1", "DROP TRIGGER tasks_moved_2", "DROP TRIGGER tasks_moved_3"],
    go_on_numbering: None,
    row_number: "INTEGER PRIMARY KEY",
    counting: include_str!("../migrations/counts_sqlite.sql"),
    fold: None,
    lanes: include_str!("../migrations/lanes_sqlite.sql"),
    tuning: &[],
};

/// Connections that write.
pub(crate) fn writing(path: PathBuf, max_pages: Option<u32>) -> Arc<Connect> {
    Arc::new(move || Ok(Box::new(for_writing(&path, max_pages)?)))
}

/// Connections that only read.
pub(crate) fn reading(path: PathBuf) -> Arc<Connect> {
    Arc::new(move || Ok(Box::new(for_reading(&path)?)))
}

/// Whether this process may write the file, and beside it, where its log of changes lies.
pub(crate) fn is_writable(path: &Path) -> bool {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    [path, dir].into_iter().all(|place| rustix::fs::access(place, rustix::fs::Access::WRITE_OK).is_ok())
}

/// Notices commits of other processes, ours are theirs to notice in the same way, and files that go.
pub(crate) fn watch(path: &Path, files: Arc<Files>, tell: Tell) -> Result<Watcher, StoreError> {
    Ok(Box::new(watch::Watcher::start(path, files, tell)?))
}

/// Copies a database that is in use, as one snapshot, and looks whether the copy is sound. Nobody is held up,
/// but the WAL grows while it lasts.
///
/// # Errors
/// If the database is no file, the target exists or cannot be written, or the copy is damaged.
pub fn copy_file(database: &Database, to: &Path) -> Result<(), StoreError> {
    let Database::Sqlite(path) = database else {
        return Err(StoreError::Transfer("a database of a server is exported, not copied".to_owned()));
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
    let source = Connection::open_with_flags(path, flags)?;
    source.busy_timeout(BUSY_TIMEOUT)?;
    source.execute("VACUUM INTO ?1", [to.to_string_lossy()])?;
    let copy = Connection::open_with_flags(to, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let sound: String = copy.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if sound == "ok" { Ok(()) } else { Err(StoreError::Fatal(format!("the copy is damaged: {sound}"))) }
}

fn for_writing(path: &Path, max_pages: Option<u32>) -> Result<Connection, StoreError> {
    fit(path)?;
    let open = || -> rusqlite::Result<Connection> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // FULL: a commit that was answered survives a power failure; NORMAL would not promise that.
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "wal_autocheckpoint", AUTOCHECKPOINT)?;
        connection.pragma_update(None, "cache_size", -CACHE)?;
        // Otherwise every new value of a LIMIT has the statement prepared anew.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        // What a savepoint may have to undo is kept in memory; by default it goes through a file.
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        if let Some(pages) = max_pages {
            connection.pragma_update(None, "max_page_count", pages)?;
        }
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(connection)
    };
    open().map_err(|err| match StoreError::from(err) {
        StoreError::Database(detail) | StoreError::Unreachable(detail) => {
            StoreError::Open { place: path.display().to_string(), detail }
        }
        other => other,
    })
}

/// A connection to a database of its own in memory, gone with it.
pub(crate) fn in_memory() -> Result<Connection, StoreError> {
    let connection = Connection::open_in_memory()?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// Refuses a place where SQLite loses data.
pub(crate) fn fit(path: &Path) -> Result<(), StoreError> {
    file_system::unfit(path)
        .map_or(Ok(()), |detail| Err(StoreError::Open { place: path.display().to_string(), detail }))
}

fn for_reading(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "query_only", true)?;
    // Opens the log of changes now: one that is opened after the other was deleted would be a new one.
    connection.query_row("SELECT COUNT(*) FROM sqlite_master", [], |_| Ok(()))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

impl Session for Connection {
    fn query(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, StoreError> {
        let mut statement = prepared(self, sql, params)?;
        let columns = statement.column_count();
        let mut rows = statement.raw_query();
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            let values = (0..columns).map(|column| value(row.get_ref(column)?)).collect::<Result<_, _>>()?;
            out.push(Row(values));
        }
        Ok(out)
    }

    fn execute(&self, sql: &str, params: &[Value]) -> Result<usize, StoreError> {
        let mut statement = prepared(self, sql, params)?;
        Ok(statement.raw_execute()?)
    }

    fn batch(&self, sql: &str) -> Result<(), StoreError> {
        if sql.contains(';') {
            return Ok(self.execute_batch(sql)?);
        }
        self.prepare_cached(sql)?.raw_query().next()?;
        Ok(())
    }

    fn in_transaction(&self) -> bool {
        !self.is_autocommit()
    }

    fn written(&self) -> u64 {
        self.total_changes()
    }

    fn version_of_others(&self) -> Option<i64> {
        version(self)
    }

    fn usable(&self) -> bool {
        true
    }

    fn dialect(&self) -> &'static Dialect {
        &DIALECT
    }
}

/// A number that changes when another connection has committed.
fn version(connection: &Connection) -> Option<i64> {
    let mut statement = connection.prepare_cached("PRAGMA data_version").ok()?;
    statement.query_row([], |row| row.get(0)).ok()
}

/// SQLite would take `$1` for a name, and finds names one by one; `?1` is a number. What is not given is NULL, as in the
/// plan of a statement that is asked for without its values.
fn prepared<'a>(
    connection: &'a Connection,
    sql: &str,
    params: &[Value],
) -> Result<CachedStatement<'a>, StoreError> {
    let mut statement = connection.prepare_cached(&sql.replace('$', "?"))?;
    let places = statement.parameter_count();
    for (number, param) in (1..=places).zip(params) {
        statement.raw_bind_parameter(number, param)?;
    }
    Ok(statement)
}

fn value(value: ValueRef<'_>) -> Result<Value, StoreError> {
    match value {
        ValueRef::Null => Ok(Value::Null),
        ValueRef::Integer(value) => Ok(Value::Int(value)),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Value::Text(text.to_owned())),
            Err(err) => Err(StoreError::Corrupt(err.to_string())),
        },
        ValueRef::Real(_) | ValueRef::Blob(_) => Err(StoreError::Corrupt(
            "a number with a fraction or a blob, which the schema does not have".to_owned(),
        )),
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Borrowed(ValueRef::Null),
            Self::Int(value) => ToSqlOutput::Borrowed(ValueRef::Integer(*value)),
            Self::Text(text) => match storable(text) {
                Cow::Borrowed(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
                Cow::Owned(text) => ToSqlOutput::Owned(text.into()),
            },
        })
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(err: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        /// The extended code for a `-wal` file that vanished under open connections.
        const IOERR_SHORT_READ: i32 = 522;
        match &err {
            rusqlite::Error::SqliteFailure(_, Some(text)) if text == crate::moved::RAISED => Self::Moved,
            rusqlite::Error::SqliteFailure(code, _) => match code.code {
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Self::Busy,
                ErrorCode::DiskFull => Self::Full,
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Self::Fatal(err.to_string()),
                _ if code.extended_code == IOERR_SHORT_READ => Self::Fatal(err.to_string()),
                // A disk that fails, or a file system that was made read-only: either may pass.
                ErrorCode::SystemIoFailure | ErrorCode::ReadOnly => Self::Unreachable(err.to_string()),
                _ => Self::Database(err.to_string()),
            },
            _ => Self::Database(err.to_string()),
        }
    }
}
