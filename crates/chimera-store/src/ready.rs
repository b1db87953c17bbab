//! The tasks that a claim looks at while nothing is held back.

use crate::StoreError;
use crate::read::Reading;

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
const DEPTH: &str = "SELECT COUNT(*) FROM (SELECT 1 FROM tasks WHERE parked = 0 LIMIT $1) AS ready";

/// The number of ready tasks, whatever holds them back; counted up to `most`.
///
/// # Errors
/// The database's.
pub fn depth(tx: &Reading<'_>, most: u32) -> Result<u32, StoreError> {
    let row = tx.first(DEPTH, &[i64::from(most).into()])?;
    Ok(row.map(|row| row.int(0)).transpose()?.map_or(0, |n| u32::try_from(n).unwrap_or(most)))
}
