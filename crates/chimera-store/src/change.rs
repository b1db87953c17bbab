//! Changes that many callers make with one statement.
//!
//! To accept a task, or to settle an attempt, mostly is one row of `tasks` and one journal entry. The writer puts
//! those that wait at the same time into one statement of many rows: one round trip, whoever asks. Where there is no
//! way to go, each row has a statement of its own, which is then the shorter way: to join a table of values costs more
//! than it saves.

use crate::commits::News;
use crate::session::Session;
use crate::{StoreError, Value};
use chimera_core::{Entry, TaskId};
use std::collections::HashMap;
use std::sync::OnceLock;

/// Most rows of one statement.
pub(crate) const MOST: usize = 64;
/// Rows of one statement, most first: any number is made up of few statements, and few are to be prepared.
const SIZES: [usize; 7] = [MOST, 32, 16, 8, 4, 2, 1];

/// Ends a statement that changes many tasks: which it found, and the new sequence number of each.
const GIVING: &str = " RETURNING task_id, seq";
/// Asks for it after a statement of one row. `RETURNING` would do, but SQLite keeps its answer in a table made for it.
const SEQ: &str = "SELECT seq FROM tasks WHERE task_id = $1";

/// A statement that writes any number of rows.
pub(crate) struct Statement {
    kind: Kind,
    /// What a statement of many rows gives.
    giving: &'static str,
    /// The SQL types of a row's values.
    types: &'static [&'static str],
    /// Its text for each of [`SIZES`].
    texts: OnceLock<[String; SIZES.len()]>,
    /// Its text for one row, which gives nothing.
    single: OnceLock<String>,
}

enum Kind {
    Insert { into: &'static str },
    Update { set: &'static str, only: &'static str },
}

/// What a shared statement does to one task, and the journal entry that tells it.
pub(crate) struct Change {
    pub(crate) id: TaskId,
    /// Gives the id and the new sequence number of each task that it changes.
    pub(crate) statement: &'static Statement,
    pub(crate) values: Vec<Value>,
    /// What its commit is about.
    pub(crate) news: News,
    entry: [Value; 3],
}

impl Statement {
    /// Adds rows to a table, which is named with its columns.
    pub(crate) const fn append(to: &'static str, types: &'static [&'static str]) -> Self {
        Self::new(Kind::Insert { into: to }, "", types)
    }

    /// Adds tasks to the table, which is named with its columns; the last of a row's values is the id.
    pub(crate) const fn accept(into: &'static str, types: &'static [&'static str]) -> Self {
        Self::new(Kind::Insert { into }, GIVING, types)
    }

    /// Sets columns of tasks, each given by the id that is the last of a row's values, `only` where that holds.
    /// `given.column1` stands for a row's first value.
    pub(crate) const fn update(
        set: &'static str,
        types: &'static [&'static str],
        only: &'static str,
    ) -> Self {
        Self::new(Kind::Update { set, only }, GIVING, types)
    }

    const fn new(kind: Kind, giving: &'static str, types: &'static [&'static str]) -> Self {
        Self { kind, giving, types, texts: OnceLock::new(), single: OnceLock::new() }
    }

    /// The text for as many rows as may be written at once, and their number; `rows` is not 0.
    fn text(&self, rows: usize) -> (&str, usize) {
        let texts = self.texts.get_or_init(|| SIZES.map(|size| self.write(size)));
        let fitting = SIZES.iter().position(|size| *size <= rows).unwrap_or(SIZES.len() - 1);
        (&texts[fitting], SIZES[fitting])
    }

    fn write(&self, rows: usize) -> String {
        let (places, id, giving) = (self.places(rows), self.types.len(), self.giving);
        match &self.kind {
            Kind::Insert { into } => format!("INSERT INTO {into} VALUES {places}{giving}"),
            Kind::Update { set, only } => format!(
                "UPDATE tasks SET {set} FROM (VALUES {places}) AS given WHERE task_id = given.column{id} AND {only}{giving}"
            ),
        }
    }

    /// For a single row no table of values has to be made and joined.
    fn single(&self) -> &str {
        let id = self.types.len();
        self.single.get_or_init(|| match &self.kind {
            Kind::Insert { into } => format!("INSERT INTO {into} VALUES {}", self.places(1)),
            Kind::Update { set, only } => {
                of_one_row(&format!("UPDATE tasks SET {set} WHERE task_id = given.column{id} AND {only}"))
            }
        })
    }

    fn places(&self, rows: usize) -> String {
        let row = |n: usize| {
            let mark = |(column, kind): (usize, &&str)| {
                let number = n * self.types.len() + column + 1;
                // The first row decides on the types of them all.
                if n == 0 { format!("CAST(${number} AS {kind})") } else { format!("${number}") }
            };
            format!("({})", self.types.iter().enumerate().map(mark).collect::<Vec<_>>().join(", "))
        };
        (0..rows).map(row).collect::<Vec<_>>().join(", ")
    }

    /// Writes rows, at the latest with the next statement.
    pub(crate) fn execute_later(&self, session: &dyn Session, rows: &[Vec<Value>]) -> Result<(), StoreError> {
        if session.dialect().statements_are_cheap {
            return rows.iter().try_for_each(|row| session.later(self.single(), row));
        }
        self.some_by_some(rows, |text, values| session.later(text, values))
    }

    /// Writes rows, and gives the sequence number of each task that it changed.
    pub(crate) fn change(
        &self,
        session: &dyn Session,
        rows: &[Vec<Value>],
    ) -> Result<HashMap<String, i64>, StoreError> {
        let mut changed = HashMap::with_capacity(rows.len());
        if session.dialect().statements_are_cheap {
            for row in rows {
                let Some(Value::Text(id)) = row.last() else { continue };
                if session.execute(self.single(), row)? == 1 {
                    changed.insert(id.clone(), seq_of(session, id)?);
                }
            }
            return Ok(changed);
        }
        self.some_by_some(rows, |text, values| {
            for row in session.query(text, values)? {
                changed.insert(row.text(0)?.to_owned(), row.int(1)?);
            }
            Ok(())
        })?;
        Ok(changed)
    }

    /// Runs it with as many of the rows as go into one text, until none are left.
    fn some_by_some(
        &self,
        mut rows: &[Vec<Value>],
        mut run: impl FnMut(&str, &[Value]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        while !rows.is_empty() {
            let (text, size) = self.text(rows.len());
            let (now, rest) = rows.split_at(size);
            run(text, &now.concat())?;
            rows = rest;
        }
        Ok(())
    }
}

/// As many parameters, from that one on.
pub(crate) fn marks(from: usize, number: usize) -> String {
    (from..from + number).map(|mark| format!("${mark}")).collect::<Vec<_>>().join(", ")
}

/// The text of a statement of many rows, as it stands in one of a single row.
pub(crate) fn of_one_row(sql: &str) -> String {
    sql.replace("given.column", "$")
}

/// The sequence number of a task that has just been changed. If it cannot be told, the journal would lack the change:
/// then nothing of the transaction may stay.
fn seq_of(session: &dyn Session, id: &str) -> Result<i64, StoreError> {
    let told = session.query(SEQ, &[id.into()]).and_then(|rows| match rows.first() {
        Some(row) => row.int(0),
        None => Err(StoreError::Corrupt(format!("task {id} is not there after a change"))),
    });
    if told.is_err() && session.in_transaction() {
        session.batch("ROLLBACK")?;
    }
    told
}

impl Change {
    pub(crate) fn new(
        id: &TaskId,
        statement: &'static Statement,
        values: Vec<Value>,
        entry: &Entry,
    ) -> Result<Self, StoreError> {
        let text = serde_json::to_string(entry)?;
        Ok(Self {
            id: id.clone(),
            statement,
            values,
            news: News::JOURNAL,
            entry: [entry.at.0.into(), entry.kind.as_str().into(), text.into()],
        })
    }

    /// The same; its commit is about more than the journal.
    pub(crate) fn telling(self, news: News) -> Self {
        Self { news, ..self }
    }

    /// The journal's row, once the sequence number is known.
    pub(crate) fn journal(self, seq: i64) -> Vec<Value> {
        let [at, kind, text] = self.entry;
        vec![self.id.as_str().into(), seq.into(), at, kind, text]
    }
}
