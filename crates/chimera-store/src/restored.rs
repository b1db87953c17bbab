//! A database that was restored from a backup: what was given out after the backup was made is never given out again.
//!
//! Epochs of leases grow by one with each claim, and the database has forgotten those that came after the backup. So
//! they go on from the time of the restore in milliseconds, beyond whatever an earlier life of the database reached:
//! results, questions and deployments of before name an epoch that no task has, or will have. Without their rows,
//! daemons that still run find out with their next heartbeat.

use crate::commits::News;
use crate::{StoreError, Tx, moved};
use chimera_core::UnixMillis;

/// A completed task is never claimed again.
const NEW_LIFE: &str = "UPDATE tasks SET lease_epoch = $1 WHERE status <> 'completed' AND lease_epoch < $1";
const FORGET_DAEMONS: &str = "DELETE FROM daemons";

/// Begins a new life of the database: running tasks wait again, which counts as nothing, and no epoch of before holds.
/// Gives the number of those tasks.
///
/// # Errors
/// The database's.
pub fn declare(tx: &mut Tx<'_>, now: UnixMillis) -> Result<usize, StoreError> {
    let were_running = moved::hand_back(tx, now)?.len();
    tx.execute(NEW_LIFE, &[now.0.into()])?;
    tx.execute(FORGET_DAEMONS, &[])?;
    tx.tells(News::ANY);
    Ok(were_running)
}
