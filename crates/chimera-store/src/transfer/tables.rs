//! What tables a database has, in its own words: nothing that a later migration adds can be forgotten.

use crate::change::marks;
use crate::read::Reading;
use crate::{Row, StoreError, Value};

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<String>,
    /// The places of the columns of its primary key.
    key: Vec<usize>,
}

/// All tables but that of the migrations; `tasks`, which the others refer to, is the first.
pub(super) fn all(tx: &Reading<'_>) -> Result<Vec<Table>, StoreError> {
    let mut tables: Vec<Table> = Vec::new();
    let mut keys: Vec<(i64, usize)> = Vec::new();
    for row in tx.query(tx.dialect().tables, &[])? {
        let (name, column, key) = (row.text(0)?, row.text(1)?, row.int(2)?);
        if tables.last().is_none_or(|table| table.name != name) {
            keys.clear();
            tables.push(Table { name: name.to_owned(), columns: Vec::new(), key: Vec::new() });
        }
        let Some(table) = tables.last_mut() else { continue };
        if key > 0 {
            keys.push((key, table.columns.len()));
            keys.sort_unstable();
            table.key = keys.iter().map(|(_, place)| *place).collect();
        }
        table.columns.push(column.to_owned());
    }
    tables.sort_by_key(|table| (table.name != "tasks", table.name.clone()));
    Ok(tables)
}

impl Table {
    /// Up to `limit` rows after one, in the order of the primary key.
    pub(super) fn page(
        &self,
        tx: &Reading<'_>,
        after: Option<&Row>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let key: Vec<&str> = self.key.iter().map(|place| self.columns[*place].as_str()).collect();
        let key = key.join(", ");
        let mut params: Vec<Value> = Vec::new();
        let mut condition = String::new();
        if let Some(row) = after {
            params.extend(self.key.iter().map(|place| row.0[*place].clone()));
            condition = format!(" WHERE ({key}) > ({})", marks(1, params.len()));
        }
        params.push(i64::try_from(limit).unwrap_or(i64::MAX).into());
        let (columns, last) = (self.columns.join(", "), params.len());
        let sql = format!("SELECT {columns} FROM {}{condition} ORDER BY {key} LIMIT ${last}", self.name);
        tx.query(&sql, &params)
    }

    /// Adds rows, whose values stand in the order of `columns`.
    pub(super) fn insert(&self, columns: &[String], rows: usize) -> String {
        let width = columns.len();
        let rows: Vec<String> = (0..rows).map(|row| format!("({})", marks(row * width + 1, width))).collect();
        format!("INSERT INTO {} ({}) VALUES {}", self.name, columns.join(", "), rows.join(", "))
    }
}
