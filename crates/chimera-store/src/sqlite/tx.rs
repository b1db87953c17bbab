//! What closures see of a transaction.

use crate::{Row, StoreError, Value};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql};
use std::ops::Deref;

/// A transaction that can be read from.
pub struct ReadTx<'a> {
    connection: &'a Connection,
}

/// A transaction that can be written to.
pub struct Tx<'a> {
    read: ReadTx<'a>,
}

impl<'a> ReadTx<'a> {
    pub(super) fn new(connection: &'a Connection) -> Self {
        Self { connection }
    }

    /// The rows that a statement gives; `$1` stands for the first parameter.
    ///
    /// # Errors
    /// The database's.
    pub fn query(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        bind(&mut statement, params)?;
        let columns = statement.column_count();
        let mut rows = statement.raw_query();
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            let values = (0..columns).map(|column| value(row.get_ref(column)?)).collect::<Result<_, _>>()?;
            out.push(Row(values));
        }
        Ok(out)
    }

    /// The first row that a statement gives, if any.
    ///
    /// # Errors
    /// The database's.
    pub fn first(&self, sql: &str, params: &[Value]) -> Result<Option<Row>, StoreError> {
        Ok(self.query(sql, params)?.into_iter().next())
    }
}

impl<'a> Tx<'a> {
    pub(super) fn new(connection: &'a Connection) -> Self {
        Self { read: ReadTx::new(connection) }
    }

    /// Runs a statement and gives the number of rows that it changed.
    ///
    /// # Errors
    /// The database's.
    pub fn execute(&mut self, sql: &str, params: &[Value]) -> Result<usize, StoreError> {
        let mut statement = self.read.connection.prepare_cached(sql)?;
        bind(&mut statement, params)?;
        Ok(statement.raw_execute()?)
    }
}

impl<'a> Deref for Tx<'a> {
    type Target = ReadTx<'a>;
    fn deref(&self) -> &ReadTx<'a> {
        &self.read
    }
}

/// Binds by name: SQLite numbers `$n` by first appearance, PostgreSQL by the digit.
fn bind(statement: &mut rusqlite::Statement<'_>, params: &[Value]) -> Result<(), StoreError> {
    for (position, param) in params.iter().enumerate() {
        let name = format!("${}", position + 1);
        if let Some(index) = statement.parameter_index(&name)? {
            statement.raw_bind_parameter(index, param)?;
        }
    }
    Ok(())
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
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(value) => ValueRef::Integer(*value),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}
