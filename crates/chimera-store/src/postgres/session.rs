//! A connection with the shared SQL on it.

use super::DIALECT;
use super::wire::{Answer, Call, Wire};
use crate::database::PostgresServer;
use crate::session::{Dialect, Session};
use crate::{Row, StoreError, Value};
use bytes::BytesMut;
use postgres::Statement;
use postgres::error::SqlState;
use postgres::types::{IsNull, ToSql, Type, to_sql_checked};
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

/// A connection to PostgreSQL. What is run later travels with the next statement whose answer is waited for.
pub(super) struct PostgresSession {
    wire: Wire,
    prepared: RefCell<HashMap<String, Statement>>,
    later: RefCell<Vec<Call>>,
    open: Cell<bool>,
    written: Cell<u64>,
}

impl PostgresSession {
    pub(super) fn open(server: &PostgresServer) -> Result<Self, StoreError> {
        let wire = Wire::open(server)?;
        wire.call(&[Call::Batch(SETTINGS.to_owned())]).map_err(|err| classify(&err))?;
        Ok(Self {
            wire,
            prepared: RefCell::default(),
            later: RefCell::default(),
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
        let statement = self.checked(self.wire.prepare(sql))?;
        prepared.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// Makes a call after those that wait.
    fn call(&self, call: Call) -> Result<Answer, StoreError> {
        let mut calls = self.later.take();
        calls.push(call);
        let (answer, changed) = self.checked(self.wire.call(&calls))?;
        self.count(changed);
        Ok(answer)
    }

    /// A lost connection takes its transaction with it.
    fn checked<T>(&self, result: Result<T, postgres::Error>) -> Result<T, StoreError> {
        result.map_err(|err| {
            if is_lost(&err) || self.wire.is_closed() {
                self.open.set(false);
                self.later.take();
            }
            classify(&err)
        })
    }

    fn count(&self, rows: u64) {
        self.written.set(self.written.get() + rows);
    }

    /// Whether nothing of the transaction has been sent so far.
    fn is_untouched(&self) -> bool {
        let later = self.later.borrow();
        later.first().is_some_and(|call| matches!(call, Call::Batch(sql) if sql.starts_with("BEGIN")))
    }
}

impl Session for PostgresSession {
    fn query(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, StoreError> {
        let statement = self.prepare(sql)?;
        let rows = self.call(Call::Query(statement, params.to_vec()))?.rows;
        if !sql.starts_with("SELECT") {
            self.count(rows.len() as u64);
        }
        rows.iter().map(row).collect()
    }

    fn execute(&self, sql: &str, params: &[Value]) -> Result<usize, StoreError> {
        let statement = self.prepare(sql)?;
        let changed = self.call(Call::Execute(statement, params.to_vec()))?.changed;
        Ok(usize::try_from(changed).unwrap_or(usize::MAX))
    }

    fn batch(&self, sql: &str) -> Result<(), StoreError> {
        let ends = sql == "COMMIT" || sql == "ROLLBACK";
        if ends {
            // Whatever the server answers: there is no transaction afterwards.
            self.open.set(false);
        }
        if sql == "ROLLBACK" {
            let nothing_to_undo = self.is_untouched();
            self.later.take();
            if nothing_to_undo {
                return Ok(());
            }
        }
        self.call(Call::Batch(sql.to_owned()))?;
        if sql.starts_with("BEGIN") {
            self.open.set(true);
        }
        Ok(())
    }

    fn later(&self, sql: &str, params: &[Value]) -> Result<(), StoreError> {
        let call = if params.is_empty() {
            Call::Batch(sql.to_owned())
        } else {
            Call::Execute(self.prepare(sql)?, params.to_vec())
        };
        if sql.starts_with("BEGIN") {
            self.open.set(true);
        }
        self.later.borrow_mut().push(call);
        Ok(())
    }

    fn in_transaction(&self) -> bool {
        self.open.get()
    }

    fn written(&self) -> u64 {
        self.written.get()
    }

    fn usable(&self) -> bool {
        !self.wire.is_closed()
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
            // A page of many: what does not need it goes on.
            StoreError::Corrupt(describe(err))
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
