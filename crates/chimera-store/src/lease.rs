//! The lease, asked about right before something happens that others can see.

use crate::StoreError;
use crate::read::Reading;
use chimera_core::{TaskId, UnixMillis};

const HOLDS: &str = "SELECT lease_expires_at FROM tasks WHERE task_id = $1 AND lease_epoch = $2 AND attempt = $3 AND status = 'running'";

/// Whether the lease of that epoch holds for that attempt: nobody has taken over, and it has not run out.
///
/// # Errors
/// The database's.
pub fn holds(
    tx: &Reading<'_>,
    id: &TaskId,
    epoch: i64,
    attempt: u32,
    now: UnixMillis,
) -> Result<bool, StoreError> {
    let held = tx.first(HOLDS, &[id.as_str().into(), epoch.into(), i64::from(attempt).into()])?;
    let expires_at = held.map(|row| row.maybe_int(0)).transpose()?.flatten();
    Ok(expires_at.is_some_and(|at| at > now.0))
}
