//! How many tasks there are in each status, without counting them.
//!
//! Triggers of the database keep the counts in the transaction that changes a status: a daemon of any version is
//! counted, and so is a person with a database tool. SQLite, which has one writer at a time, changes one row in place.
//! On PostgreSQL a row that all transactions change would make each wait for the commit of the one before, so every
//! change appends a row, and the writers fold the rows now and then. The counts are the sum of the rows.

use crate::read::Reading;
use crate::{StoreError, Tx};
use chimera_core::Status;

/// Jobs that a writer commits before it folds: bounds the rows that a reader sums up, at one or two for each job.
pub const FOLD_AFTER: usize = 1024;

const COUNTS: &str = "SELECT CAST(COALESCE(SUM(queued), 0) AS BIGINT), CAST(COALESCE(SUM(running), 0) AS BIGINT), \
    CAST(COALESCE(SUM(completed), 0) AS BIGINT), CAST(COALESCE(SUM(failed), 0) AS BIGINT), \
    CAST(COALESCE(SUM(cancelled), 0) AS BIGINT) FROM task_counts";
const COUNTED: &str = "SELECT status, COUNT(*) FROM tasks GROUP BY status";
const CORRECT: &str =
    "INSERT INTO task_counts (queued, running, completed, failed, cancelled) VALUES ($1, $2, $3, $4, $5)";

/// How many tasks there are in each status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Waiting.
    pub queued: u64,
    /// Running.
    pub running: u64,
    /// Delivered.
    pub completed: u64,
    /// Ended without proof.
    pub failed: u64,
    /// Stopped.
    pub cancelled: u64,
}

/// The counts that are kept, and what counting all tasks gives: the same, unless there is a bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recount {
    /// What is kept.
    pub kept: Counts,
    /// What there is.
    pub counted: Counts,
}

impl Counts {
    fn of(number: impl Fn(Status) -> Result<u64, StoreError>) -> Result<Self, StoreError> {
        Ok(Self {
            queued: number(Status::Queued)?,
            running: number(Status::Running)?,
            completed: number(Status::Completed)?,
            failed: number(Status::Failed)?,
            cancelled: number(Status::Cancelled)?,
        })
    }

    fn each(self) -> [u64; 5] {
        [self.queued, self.running, self.completed, self.failed, self.cancelled]
    }
}

/// How many tasks there are in each status, at the same cost however many there are.
///
/// # Errors
/// The database's.
pub fn counts(tx: &Reading<'_>) -> Result<Counts, StoreError> {
    let Some(row) = tx.first(COUNTS, &[])? else { return Ok(Counts::default()) };
    let place = |status| Status::ALL.iter().position(|known| *known == status).unwrap_or_default();
    Counts::of(|status| row.int(place(status)).map(|number| u64::try_from(number).unwrap_or(0)))
}

/// Counts all tasks, and compares: its cost grows with their number.
///
/// # Errors
/// The database's.
pub fn recount(tx: &Reading<'_>) -> Result<Recount, StoreError> {
    let (kept, rows) = (counts(tx)?, tx.query(COUNTED, &[])?);
    let counted = Counts::of(|status| {
        let row = rows.iter().find(|row| row.text(0).is_ok_and(|name| name == status.as_str()));
        row.map_or(Ok(0), |row| row.int(1)).map(|number| u64::try_from(number).unwrap_or(0))
    })?;
    Ok(Recount { kept, counted })
}

/// Corrects the counts by the difference that a recount of one snapshot found; changes made since then stay counted.
/// A recount may be used once.
///
/// # Errors
/// The database's.
pub fn correct(tx: &mut Tx<'_>, recount: &Recount) -> Result<(), StoreError> {
    let (counted, kept) = (recount.counted.each(), recount.kept.each());
    let more = counted.iter().zip(kept).map(|(counted, kept)| {
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        (number(*counted) - number(kept)).into()
    });
    let more: Vec<_> = more.collect();
    tx.execute(CORRECT, &more).map(drop)
}
