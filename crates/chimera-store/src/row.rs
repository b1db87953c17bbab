//! Values and rows that cross the seam between the SQL and the driver.

use crate::StoreError;
use std::borrow::Cow;

/// A value of the common subset of both databases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// SQL NULL.
    Null,
    /// BIGINT.
    Int(i64),
    /// TEXT. A database keeps U+FFFD in the place of each NUL.
    Text(String),
}

/// A text as both databases keep it: PostgreSQL refuses the character NUL, which then stands as U+FFFD.
pub(crate) fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Int(i64::from(value))
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A row of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row(pub(crate) Vec<Value>);

impl Row {
    /// The integer in a column.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if the column holds something else.
    pub fn int(&self, column: usize) -> Result<i64, StoreError> {
        match self.0.get(column) {
            Some(Value::Int(value)) => Ok(*value),
            other => {
                Err(StoreError::Corrupt(format!("column {column} holds {other:?} instead of an integer")))
            }
        }
    }

    /// The text in a column.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if the column holds something else.
    pub fn text(&self, column: usize) -> Result<&str, StoreError> {
        match self.0.get(column) {
            Some(Value::Text(value)) => Ok(value),
            other => Err(StoreError::Corrupt(format!("column {column} holds {other:?} instead of a text"))),
        }
    }

    /// The integer in a column, or nothing.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if the column holds something else.
    pub fn maybe_int(&self, column: usize) -> Result<Option<i64>, StoreError> {
        if self.0.get(column) == Some(&Value::Null) { Ok(None) } else { self.int(column).map(Some) }
    }

    /// The text in a column, or nothing.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if the column holds something else.
    pub fn maybe_text(&self, column: usize) -> Result<Option<&str>, StoreError> {
        if self.0.get(column) == Some(&Value::Null) { Ok(None) } else { self.text(column).map(Some) }
    }
}
