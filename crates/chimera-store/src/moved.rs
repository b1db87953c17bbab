//! Closing a queue that moves to another database.
//!
//! A closed queue refuses every change, by triggers in the database itself: whatever daemon is connected, of
//! whatever version, takes nothing from it and accepts nothing into it any more. What was running is handed back
//! under a new epoch first, so that no worker can record a result even if the queue is opened again.

use crate::commits::News;
use crate::lease::{interrupted, take_back};
use crate::task_row::{columns, task as read_task};
use crate::{StoreError, Tx, read};
use chimera_core::{Policy, Task, UnixMillis};

/// What the triggers raise.
pub(crate) const RAISED: &str = "chimera: moved";

const RUNNING: &str = concat!("SELECT ", columns!(), " FROM tasks WHERE status = 'running' ORDER BY task_id");
const NEW_EPOCH: &str = "UPDATE tasks SET lease_epoch = lease_epoch + 1 WHERE task_id = $1";

/// Closes a queue, and gives the tasks that were running, as they were. Again, it changes nothing.
///
/// # Errors
/// The database's.
pub fn close(tx: &mut Tx<'_>, now: UnixMillis) -> Result<Vec<Task>, StoreError> {
    if is_closed(tx)? {
        return Ok(Vec::new());
    }
    if let Some(lock) = tx.dialect().lock_tasks {
        tx.batch(lock)?;
    }
    let running = hand_back(tx, now)?;
    tx.dialect().close.iter().try_for_each(|sql| tx.batch(sql))?;
    Ok(running)
}

/// Opens a queue again that was closed.
///
/// # Errors
/// The database's.
pub fn reopen(tx: &mut Tx<'_>) -> Result<bool, StoreError> {
    if !is_closed(tx)? {
        return Ok(false);
    }
    tx.dialect().reopen.iter().try_for_each(|sql| tx.batch(sql))?;
    tx.tells(News::CLAIMABLE);
    Ok(true)
}

/// Whether the queue was closed.
///
/// # Errors
/// The database's.
pub fn is_closed(tx: &read::Reading<'_>) -> Result<bool, StoreError> {
    tx.first(tx.dialect().is_closed, &[])?.map_or(Ok(false), |row| Ok(row.int(0)? != 0))
}

/// Takes every running task from its worker, as if the attempt had been interrupted: that counts as nothing.
pub(crate) fn hand_back(tx: &mut Tx<'_>, now: UnixMillis) -> Result<Vec<Task>, StoreError> {
    let running = tx.query(RUNNING, &[])?.iter().map(read_task).collect::<Result<Vec<_>, _>>()?;
    for task in &running {
        take_back(tx, task, interrupted(), now, &Policy::default())?;
        tx.execute(NEW_EPOCH, &[task.id.as_str().into()])?;
    }
    Ok(running)
}
