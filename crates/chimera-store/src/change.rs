//! Changes that many callers make with one statement.
//!
//! To accept a task, or to settle an attempt, mostly is one row of `tasks` and one journal entry. The writer puts
//! those that wait at the same time into one statement of many rows: one round trip and one pass, whoever asks.

use crate::session::Session;
use crate::{StoreError, Value};
use chimera_core::{Entry, TaskId};
use std::collections::HashMap;
use std::sync::OnceLock;

/// Most rows of one statement.
pub(crate) const MOST: usize = 64;
/// Rows of one statement, most first: any number is made up of few statements, and few are to be prepared.
const SIZES: [usize; 7] = [MOST, 32, 16, 8, 4, 2, 1];

/// A statement that writes any number of rows.
pub(crate) struct Statement {
    before: &'static str,
    types: &'static [&'static str],
    after: &'static str,
    /// Its text for each of [`SIZES`].
    texts: OnceLock<[String; SIZES.len()]>,
}

/// What a shared statement does to one task, and the journal entry that tells it.
pub(crate) struct Change {
    pub(crate) id: TaskId,
    /// Gives the id and the new sequence number of each task that it changes.
    pub(crate) statement: &'static Statement,
    pub(crate) values: Vec<Value>,
    entry: [Value; 3],
}

impl Statement {
    /// `before` and `after` stand around the rows, of which each has values of these SQL `types`.
    pub(crate) const fn new(
        before: &'static str,
        types: &'static [&'static str],
        after: &'static str,
    ) -> Self {
        Self { before, types, after, texts: OnceLock::new() }
    }

    /// The text for as many rows as may be written at once, and their number; `rows` is not 0.
    fn text(&self, rows: usize) -> (&str, usize) {
        let texts = self.texts.get_or_init(|| SIZES.map(|size| self.write(size)));
        let fitting = SIZES.iter().position(|size| *size <= rows).unwrap_or(SIZES.len() - 1);
        (&texts[fitting], SIZES[fitting])
    }

    fn write(&self, rows: usize) -> String {
        let row = |n: usize| {
            let mark = |(column, kind): (usize, &&str)| {
                let number = n * self.types.len() + column + 1;
                // The first row decides on the types of them all.
                if n == 0 { format!("CAST(${number} AS {kind})") } else { format!("${number}") }
            };
            format!("({})", self.types.iter().enumerate().map(mark).collect::<Vec<_>>().join(", "))
        };
        let rows: Vec<String> = (0..rows).map(row).collect();
        format!("{}{}{}", self.before, rows.join(", "), self.after)
    }

    /// Runs it with as many of the rows as go into one text, and gives the rest of them.
    fn some<'a, T>(
        &self,
        rows: &'a [Vec<Value>],
        run: impl FnOnce(&str, &[Value]) -> Result<T, StoreError>,
    ) -> Result<(T, &'a [Vec<Value>]), StoreError> {
        let (text, size) = self.text(rows.len());
        let (now, rest) = rows.split_at(size);
        Ok((run(text, &now.concat())?, rest))
    }

    /// Writes rows, at the latest with the next statement.
    pub(crate) fn execute_later(
        &self,
        session: &dyn Session,
        mut rows: &[Vec<Value>],
    ) -> Result<(), StoreError> {
        while !rows.is_empty() {
            (_, rows) = self.some(rows, |text, values| session.later(text, values))?;
        }
        Ok(())
    }

    /// Writes rows, and gives the sequence number of each task that it changed.
    pub(crate) fn change(
        &self,
        session: &dyn Session,
        mut rows: &[Vec<Value>],
    ) -> Result<HashMap<String, i64>, StoreError> {
        let mut changed = HashMap::with_capacity(rows.len());
        while !rows.is_empty() {
            let answer;
            (answer, rows) = self.some(rows, |text, values| session.query(text, values))?;
            for row in answer {
                changed.insert(row.text(0)?.to_owned(), row.int(1)?);
            }
        }
        Ok(changed)
    }
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
            entry: [entry.at.0.into(), entry.kind.as_str().into(), text.into()],
        })
    }

    /// The journal's row, once the sequence number is known.
    pub(crate) fn journal(self, seq: i64) -> Vec<Value> {
        let [at, kind, text] = self.entry;
        vec![self.id.as_str().into(), seq.into(), at, kind, text]
    }
}
