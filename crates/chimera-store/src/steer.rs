//! What people do to a task: cancel it, send it back into the queue, change its priority. Each locks the task's row, which a
//! worker may be about to change: see [`crate::Store::write_alone`].

use crate::after::{self, remark};
use crate::commits::News;
use crate::queue::{change, decide};
use crate::{StoreError, Tx, journal, read, times};
use chimera_core::{
    EntryKind, Event, Gates, Phase, Policy, Priority, Rank, Status, Task, TaskId, UnixMillis,
};

const WISH: &str = "UPDATE tasks SET cancel_requested = 1, seq = seq + 1 WHERE task_id = $1 AND cancel_requested = 0 RETURNING seq";
const PRIORITY: &str =
    "UPDATE tasks SET priority = $1, rank = $2, request = $3, seq = seq + 1 WHERE task_id = $4 RETURNING seq";

/// What became of a wish to cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancel {
    /// The task was waiting and is cancelled.
    Cancelled,
    /// The task is running; its worker will stop it.
    Requested,
}

/// Cancels a waiting task, or asks the worker of a running one to stop it.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::Ended`] if it has ended.
pub fn cancel(tx: &mut Tx<'_>, id: &TaskId, now: UnixMillis, policy: &Policy) -> Result<Cancel, StoreError> {
    let task = known(tx, id)?;
    match task.status {
        Status::Queued => {
            let transition = decide(&task, Event::Cancelled, now, policy)?;
            change(tx, &task, &transition, now)?;
            Ok(Cancel::Cancelled)
        }
        Status::Running => {
            if let Some(row) = tx.first(WISH, &[id.as_str().into()])? {
                tx.tells(News::CANCELLED);
                let entry = remark(&task, now, EntryKind::CancelRequested);
                journal::append(tx, id, row.int(0)?, &entry)?;
            }
            Ok(Cancel::Requested)
        }
        status => Err(StoreError::Ended { id: id.clone(), status }),
    }
}

/// Sends an ended task back into the queue, from a phase or the one in which it ended. At a shared place of staging another
/// task's change may stand by now: there it is deployed again first.
///
/// # Errors
/// As of [`requeue`].
pub fn retry(
    tx: &mut Tx<'_>,
    id: &TaskId,
    from: Option<Phase>,
    now: UnixMillis,
    policy: &Policy,
    gates: &Gates,
) -> Result<Task, StoreError> {
    let task = known(tx, id)?;
    requeue(tx, id, begin_again(&task, from, gates), now, policy)
}

/// The phase in which a task begins that is sent back.
pub(crate) fn begin_again(task: &Task, from: Option<Phase>, gates: &Gates) -> Phase {
    let from = from.or(task.workflow.failed_in).unwrap_or(task.phase());
    let place = gates.place(&task.project, task.request.staging_url.as_deref());
    if from == Phase::E2eValidation && place.is_some() { Phase::StagingDeployment } else { from }
}

/// Sends an ended task back into the queue, from exactly this phase. A deadline or an expiry that has passed counts no more: a person
/// knows better. What it waits for does.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::Illegal`] if the task has not ended, is completed, or has not
/// reached that phase.
pub fn requeue(
    tx: &mut Tx<'_>,
    id: &TaskId,
    from: Phase,
    now: UnixMillis,
    policy: &Policy,
) -> Result<Task, StoreError> {
    let task = known(tx, id)?;
    let transition = decide(&task, Event::Requeued { from }, now, policy)?;
    change(tx, &task, &transition, now)?;
    times::revive(tx, &task, now)?;
    after::hold(tx, id)?;
    known(tx, id)
}

/// Changes the priority of a task that has not ended; one that waits gets its new place at once.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::Ended`] if it has ended.
pub fn set_priority(
    tx: &mut Tx<'_>,
    id: &TaskId,
    priority: Priority,
    now: UnixMillis,
) -> Result<Task, StoreError> {
    let mut task = known(tx, id)?;
    if task.status.is_end() {
        return Err(StoreError::Ended { id: id.clone(), status: task.status });
    }
    task.request.priority = priority;
    let params = [
        i64::from(priority).into(),
        Rank::new(task.created_at, priority).0.into(),
        serde_json::to_string(&task.request)?.into(),
        id.as_str().into(),
    ];
    if let Some(row) = tx.first(PRIORITY, &params)? {
        // A claim passes over rows that are being changed.
        tx.tells(News::CLAIMABLE);
        let entry = remark(&task, now, EntryKind::PriorityChanged { priority });
        journal::append(tx, id, row.int(0)?, &entry)?;
    }
    known(tx, id)
}

fn known(tx: &mut Tx<'_>, id: &TaskId) -> Result<Task, StoreError> {
    read::task_to_change(tx, id)?.ok_or_else(|| StoreError::NotFound { id: id.clone() })
}
