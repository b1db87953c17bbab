//! What one daemon of many does now and then.

use crate::{StoreError, Tx};
use chimera_core::UnixMillis;

const FIRST: &str = "INSERT INTO chores (name, due_at) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
const CLAIM: &str = "UPDATE chores SET due_at = $1 WHERE name = $2 AND due_at <= $3";

/// What there is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chore {
    /// Remove what ended long ago.
    Prune,
    /// Compare the counts with the tasks.
    Recount,
}

impl Chore {
    fn as_str(self) -> &'static str {
        match self {
            Self::Prune => "prune",
            Self::Recount => "recount",
        }
    }
}

/// Takes on a chore, if it is due; it is due again at `next`. Of all daemons on the database, one does.
///
/// # Errors
/// The database's.
pub fn take_on(tx: &mut Tx<'_>, chore: Chore, now: UnixMillis, next: UnixMillis) -> Result<bool, StoreError> {
    tx.execute(FIRST, &[chore.as_str().into(), now.0.into()])?;
    Ok(tx.execute(CLAIM, &[next.0.into(), chore.as_str().into(), now.0.into()])? == 1)
}
