//! The tasks that a claim looks at while nothing is held back, and those whose time to be among them has come.

use crate::read::Reading;
use crate::{StoreError, Tx};
use chimera_core::UnixMillis;

macro_rules! ready {
    ($and:expr) => {
        $crate::ready::Ready {
            guarded: $crate::ready::ready!(@ concat!(
                $and,
                " AND NOT EXISTS (SELECT 1 FROM pauses) AND NOT EXISTS (SELECT 1 FROM breakers)"
            )),
            all_the_same: $crate::ready::ready!(@ $and),
        }
    };
    (@ $and:expr) => {
        concat!("SELECT ", $crate::task_row::columns!(), " FROM tasks WHERE parked = 0", $and, " ORDER BY rank, task_id LIMIT $1")
    };
}
pub(crate) use ready;

/// What a claim looks at, in order; parameter 1 is how many. Public for plans and measurements.
#[derive(Debug)]
pub struct Ready {
    /// Gives none if anything is held back.
    pub guarded: &'static str,
    /// The same without regard to that.
    pub all_the_same: &'static str,
}

/// What a claim that cares for no home looks at. Public for plans and measurements.
pub const ANY: Ready = ready!("");
/// Parked tasks that one claim makes ready at most, those whose time came first: a million that were put off to one
/// time must not keep the writer busy. A claim that finds more of them due is soon followed by the next.
const UNPARKED: u32 = 256;
/// Those that another daemon is making ready are left to it.
const UNPARK: [&str; 2] = [
    "WITH due AS (SELECT task_id FROM tasks WHERE parked = 1 AND ready_at <= $1 ORDER BY ready_at LIMIT $2",
    ") UPDATE tasks SET parked = 0 FROM due WHERE tasks.task_id = due.task_id",
];
const DEPTH: &str = "SELECT (SELECT COUNT(*) FROM (SELECT 1 FROM tasks WHERE parked = 0 LIMIT $1) AS ready) \
    + (SELECT COUNT(*) FROM (SELECT 1 FROM tasks WHERE parked = 1 AND ready_at <= $2 LIMIT $1) AS due)";
const ANY_READY: &str = "SELECT 1 FROM tasks WHERE parked = 0 LIMIT 1";

/// The number of ready tasks, whatever holds them back, and of those whose time has come without a claim that made them
/// ready; counted up to `most`.
///
/// # Errors
/// The database's.
pub fn depth(tx: &Reading<'_>, most: u32, now: UnixMillis) -> Result<u32, StoreError> {
    let row = tx.first(DEPTH, &[i64::from(most).into(), now.0.into()])?;
    let found = row.map(|row| row.int(0)).transpose()?;
    Ok(found.map_or(0, |n| u32::try_from(n).unwrap_or(most).min(most)))
}

/// Makes parked tasks ready whose time has come, at the latest with the next statement.
pub(crate) fn unpark(tx: &mut Tx<'_>, now: UnixMillis) -> Result<(), StoreError> {
    let sql = UNPARK.join(tx.dialect().lock_free_rows);
    tx.later(&sql, &[now.0.into(), i64::from(UNPARKED).into()])
}

/// Whether a task is ready, whatever holds it back.
///
/// # Errors
/// The database's.
pub fn is_any(tx: &Reading<'_>) -> Result<bool, StoreError> {
    Ok(tx.first(ANY_READY, &[])?.is_some())
}
