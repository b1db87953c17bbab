//! A connection with the shared SQL on it.

use super::DIALECT;
use crate::database::PostgresServer;
use crate::session::{Dialect, Session};
use crate::{Row, StoreError, Value};
use bytes::BytesMut;
use postgres::error::SqlState;
use postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use postgres::{Client, Statement};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::error::Error;

/// Prepared statements kept per connection; beyond it (filters of lists vary) all are prepared anew.
const STATEMENTS: usize = 256;

/// A daemon that freezes within a transaction holds its locks, the one of the journal among them: the server ends
/// it after a while. Whoever waits longer than that for a lock is told that the database is busy.
///
/// Every statement here has an index to walk. A plan made while the tables are small, which reads all of them, must
/// not stay in use when they are large. What is still read as a whole (a table of a few rows) has a forbidding cost on
/// paper, for which the server would compile the statement, at each call: that takes a hundred times as long as to run it.
const SETTINGS: &str = "SET idle_in_transaction_session_timeout = '5s'; SET lock_timeout = '8s'; SET jit = off; \
    SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off";

/// A connection to PostgreSQL.
pub(super) struct PostgresSession {
    client: RefCell<Client>,
    prepared: RefCell<HashMap<String, Statement>>,
    open: Cell<bool>,
    written: Cell<u64>,
}

impl PostgresSession {
    pub(super) fn open(server: &PostgresServer) -> Result<Self, StoreError> {
        let mut client = super::connect(server)?;
        client.batch_execute(SETTINGS).map_err(|err| classify(&err))?;
        Ok(Self {
            client: RefCell::new(client),
            prepared: RefCell::default(),
            open: Cell::new(false),
            written: Cell::new(0),
        })
    }

    fn prepare(&self, sql: &str) -> Result<Statement, StoreError> {
        let mut prepared = self.prepared.borrow_mut();
        if let Some(statement) = prepared.get(sql) {
            return Ok(statement.clone());
        }
        if prepared.len() >= STATEMENTS {
            prepared.clear();
        }
        let statement = self.checked(self.client.borrow_mut().prepare(sql))?;
        prepared.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// A lost connection takes its transaction with it.
    fn checked<T>(&self, result: Result<T, postgres::Error>) -> Result<T, StoreError> {
        result.map_err(|err| {
            if self.client.try_borrow().is_ok_and(|client| client.is_closed()) || is_lost(&err) {
                self.open.set(false);
            }
            classify(&err)
        })
    }

    fn count(&self, rows: usize) {
        self.written.set(self.written.get() + rows as u64);
    }
}

impl Session for PostgresSession {
    fn query(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, StoreError> {
        let statement = self.prepare(sql)?;
        let given: Vec<&(dyn ToSql + Sync)> = params.iter().map(|value| value as _).collect();
        let answer = self.client.borrow_mut().query(&statement, &given);
        let rows = self.checked(answer)?;
        if !sql.starts_with("SELECT") {
            self.count(rows.len());
        }
        rows.iter().map(row).collect()
    }

    fn execute(&self, sql: &str, params: &[Value]) -> Result<usize, StoreError> {
        let statement = self.prepare(sql)?;
        let given: Vec<&(dyn ToSql + Sync)> = params.iter().map(|value| value as _).collect();
        let answer = self.client.borrow_mut().execute(&statement, &given);
        let rows = usize::try_from(self.checked(answer)?).unwrap_or(usize::MAX);
        self.count(rows);
        Ok(rows)
    }

    fn batch(&self, sql: &str) -> Result<(), StoreError> {
        if sql == "COMMIT" || sql == "ROLLBACK" {
            // Whatever the server answers: there is no transaction afterwards.
            self.open.set(false);
        }
        let answer = self.client.borrow_mut().batch_execute(sql);
        self.checked(answer)?;
        if sql.starts_with("BEGIN") {
            self.open.set(true);
        }
        Ok(())
    }

    fn in_transaction(&self) -> bool {
        self.open.get()
    }

    fn written(&self) -> u64 {
        self.written.get()
    }

    fn usable(&self) -> bool {
        !self.client.borrow().is_closed()
    }

    fn dialect(&self) -> &'static Dialect {
        &DIALECT
    }
}

fn row(row: &postgres::Row) -> Result<Row, StoreError> {
    let value = |(position, column): (usize, &postgres::Column)| {
        let corrupt = |err: postgres::Error| StoreError::Corrupt(err.to_string());
        match *column.type_() {
            Type::INT8 => Ok(row.try_get::<_, Option<i64>>(position).map_err(corrupt)?.into()),
            Type::INT4 => Ok(row.try_get::<_, Option<i32>>(position).map_err(corrupt)?.map(i64::from).into()),
            Type::TEXT | Type::VARCHAR => {
                Ok(row.try_get::<_, Option<String>>(position).map_err(corrupt)?.into())
            }
            ref other => Err(StoreError::Corrupt(format!("a {other}, which the schema does not have"))),
        }
    };
    Ok(Row(row.columns().iter().enumerate().map(value).collect::<Result<_, _>>()?))
}

impl ToSql for Value {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(value) if *ty == Type::INT4 => i32::try_from(*value)?.to_sql(ty, out),
            Self::Int(value) => value.to_sql(ty, out),
            Self::Text(text) => text.as_str().to_sql(ty, out),
        }
    }

    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::INT4 | Type::INT8 | Type::TEXT | Type::VARCHAR)
    }

    to_sql_checked!();
}

/// The connection is gone, or the server is about to end it.
fn is_lost(err: &postgres::Error) -> bool {
    err.is_closed()
        || err.code().is_some_and(|code| {
            // Class 08: connection exceptions; class 57: shutdowns by an operator or a crash.
            code.code().starts_with("08")
                || [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::CANNOT_CONNECT_NOW]
                    .contains(code)
        })
}

/// What the triggers of a closed queue raise.
const MOVED: &str = "CH001";

/// What the caller does next.
fn classify(err: &postgres::Error) -> StoreError {
    let passing = [
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::LOCK_NOT_AVAILABLE,
        // Somebody else was quicker with the same key: on the second try it is found.
        SqlState::UNIQUE_VIOLATION,
        SqlState::TOO_MANY_CONNECTIONS,
    ];
    match err.code() {
        Some(code) if code.code() == MOVED => StoreError::Moved,
        _ if is_lost(err) => StoreError::Unreachable(describe(err)),
        Some(code) if passing.contains(code) => StoreError::Busy,
        Some(code) if *code == SqlState::DISK_FULL => StoreError::Full,
        Some(code) if *code == SqlState::DATA_CORRUPTED || *code == SqlState::INDEX_CORRUPTED => {
            StoreError::Fatal(describe(err))
        }
        Some(_) => StoreError::Database(describe(err)),
        None => StoreError::Unreachable(describe(err)),
    }
}

/// The server's words, or the system's.
pub(super) fn describe(err: &postgres::Error) -> String {
    if let Some(db) = err.as_db_error() {
        return format!("{} ({})", db.message(), db.code().code());
    }
    match err.source() {
        Some(source) => format!("{err}: {source}"),
        None => err.to_string(),
    }
}
