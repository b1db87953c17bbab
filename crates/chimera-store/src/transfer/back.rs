//! Reading a queue from a file: first all of it is checked, then it is written in one transaction.

use super::tables::{self, Table};
use super::{Counts, Header, PAGE, hex, transfer};
use crate::commits::News;
use crate::{StoreError, Tx, Value, migrate, moved, restored};
use chimera_core::UnixMillis;
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};
use std::io::{BufRead, Read};

/// Longest line: a row of the largest request with its largest workflow is far smaller.
const LINE_BYTES: u64 = 64 * 1024 * 1024;

/// A file that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// What it says of itself.
    pub header: Header,
    /// Its rows.
    pub counts: Counts,
}

/// Reads a file to its end and says whether it is whole.
///
/// # Errors
/// [`StoreError::Transfer`] if it is not, or cannot be read.
pub fn check(from: &mut dyn BufRead) -> Result<Checked, StoreError> {
    let mut lines = Lines { from, hash: Sha256::new(), number: 0 };
    let first = lines.next()?.ok_or_else(|| transfer("the file is empty"))?;
    let header = Header::read(&first)?;
    let (mut counts, mut table) = (Counts::new(), None::<String>);
    loop {
        // The hash of everything before the line that is read next.
        let hash = lines.hash.clone();
        let Some(line) = lines.next()? else {
            return Err(transfer("the file ends too early: it was cut off, write it again"));
        };
        match (&line, line["table"].as_str(), &table) {
            (Json::Array(_), _, Some(name)) => *counts.entry(name.clone()).or_default() += 1,
            (Json::Object(_), Some(name), _) => {
                counts.insert(name.to_owned(), 0);
                table = Some(name.to_owned());
            }
            (Json::Object(end), None, _) if end.contains_key("end") => {
                let same = line == super::end_line(&counts, &hex(&hash.finalize()));
                return match (same, lines.next()?) {
                    (true, None) => Ok(Checked { header, counts }),
                    (true, Some(_)) => Err(transfer("the file goes on after its end")),
                    (false, _) => Err(transfer("the file is damaged: its sum does not fit, write it again")),
                };
            }
            _ => return Err(transfer(format!("line {} belongs to nothing", lines.number))),
        }
    }
}

/// Fills an empty database from a file that was checked. Tasks that were running are queued again under a new
/// epoch; `tell` hears how many rows there are so far.
///
/// # Errors
/// [`StoreError::NotEmpty`] if there are tasks; [`StoreError::Transfer`] if the file is of another schema, or
/// not the one that was checked.
pub fn read_in(
    tx: &mut Tx<'_>,
    checked: &Checked,
    from: &mut dyn BufRead,
    now: UnixMillis,
    tell: &mut dyn FnMut(u64),
) -> Result<Counts, StoreError> {
    let (schema, known) = (checked.header.schema, migrate::newest());
    if schema != known {
        let detail = format!("the file has schema {schema}, this database {known}: use one version for both");
        return Err(transfer(detail));
    }
    let tables = tables::all(tx)?;
    make_room(tx, &tables)?;
    let mut lines = Lines { from, hash: Sha256::new(), number: 0 };
    let header = lines.next()?.map(|line| Header::read(&line)).transpose()?;
    if header.as_ref() != Some(&checked.header) {
        return Err(transfer("the file has changed since it was checked"));
    }
    let (mut filling, mut counts, mut all) = (None::<Filling>, Counts::new(), 0);
    while let Some(line) = lines.next()? {
        if let Json::Array(row) = line {
            let filling = filling.as_mut().ok_or_else(|| transfer("a row belongs to no table"))?;
            filling.add(tx, row)?;
            all += 1;
            if all % PAGE as u64 == 0 {
                tell(all);
            }
            continue;
        }
        if let Some(full) = filling.take() {
            counts.insert(full.table.name.clone(), full.finish(tx)?);
        }
        if line.get("table").is_some() {
            filling = Some(Filling::of(&line, &tables)?);
        }
    }
    if counts != checked.counts {
        return Err(transfer("the file has changed since it was checked"));
    }
    if let Some(sql) = tx.dialect().go_on_numbering {
        tx.query(sql, &[])?;
    }
    // The original of a copy may have gone on, and its epochs with it.
    if checked.header.moved {
        moved::hand_back(tx, now)?;
    } else {
        restored::declare(tx, now)?;
    }
    tx.tells(News::ANY);
    Ok(counts)
}

/// A table on its way into the database.
struct Filling {
    table: Table,
    columns: Vec<String>,
    waiting: Vec<Value>,
    rows: u64,
}

impl Filling {
    fn of(line: &Json, tables: &[Table]) -> Result<Self, StoreError> {
        let name = line["table"].as_str().unwrap_or_default();
        let table = tables.iter().find(|table| table.name == name);
        let table = table.ok_or_else(|| transfer("the file has a table that this version does not know"))?;
        let columns = line["columns"].as_array().map(Vec::as_slice).unwrap_or_default();
        let columns: Vec<String> = columns.iter().filter_map(Json::as_str).map(str::to_owned).collect();
        // Only names of our own get into a statement.
        if columns.len() != table.columns.len() || !table.columns.iter().all(|known| columns.contains(known))
        {
            return Err(transfer(format!("the columns of `{name}` are not those of this version")));
        }
        Ok(Self { table: table.clone(), columns, waiting: Vec::new(), rows: 0 })
    }

    fn add(&mut self, tx: &mut Tx<'_>, row: Vec<Json>) -> Result<(), StoreError> {
        if row.len() != self.columns.len() {
            return Err(transfer(format!("a row of `{}` has {} values", self.table.name, row.len())));
        }
        for value in row {
            self.waiting.push(match value {
                Json::Null => Value::Null,
                Json::String(text) => Value::Text(text),
                Json::Number(number) => {
                    Value::Int(number.as_i64().ok_or_else(|| transfer("a number is out of range"))?)
                }
                _ => return Err(transfer("a value is neither text nor number")),
            });
        }
        self.rows += 1;
        if self.waiting.len() >= PAGE * self.columns.len() { self.write(tx, PAGE) } else { Ok(()) }
    }

    fn write(&mut self, tx: &mut Tx<'_>, rows: usize) -> Result<(), StoreError> {
        tx.execute(&self.table.insert(&self.columns, rows), &self.waiting)?;
        self.waiting.clear();
        Ok(())
    }

    fn finish(mut self, tx: &mut Tx<'_>) -> Result<u64, StoreError> {
        let left = self.waiting.len() / self.columns.len().max(1);
        if left > 0 {
            self.write(tx, left)?;
        }
        Ok(self.rows)
    }
}

/// Refuses a database with tasks; empties the rest, which a daemon may have begun to fill.
fn make_room(tx: &mut Tx<'_>, tables: &[Table]) -> Result<(), StoreError> {
    if tx.first("SELECT 1 FROM tasks LIMIT 1", &[])?.is_some() {
        return Err(StoreError::NotEmpty);
    }
    tables
        .iter()
        .rev()
        .try_for_each(|table| tx.execute(&format!("DELETE FROM {}", table.name), &[]).map(drop))
}

/// Lines of JSON of a bounded length.
struct Lines<'a> {
    from: &'a mut dyn BufRead,
    hash: Sha256,
    number: u64,
}

impl Lines<'_> {
    fn next(&mut self) -> Result<Option<Json>, StoreError> {
        let mut line = Vec::new();
        let mut bounded = (&mut *self.from).take(LINE_BYTES);
        let read = bounded.read_until(b'\n', &mut line);
        read.map_err(|err| transfer(format!("the file cannot be read: {err}")))?;
        if line.is_empty() {
            return Ok(None);
        }
        self.number += 1;
        self.hash.update(&line);
        let broken = || transfer(format!("line {} is broken: the file was cut off or damaged", self.number));
        if line.last() != Some(&b'\n') {
            return Err(broken());
        }
        serde_json::from_slice(&line).map(Some).map_err(|_| broken())
    }
}
