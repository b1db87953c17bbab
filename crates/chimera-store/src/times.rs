//! Tasks whose time is up end without a worker: in small batches beside the queue, and at the claim, so that none
//! begins too late. A running one is stopped by the daemon that works on it.

use crate::queue::{change, decide};
use crate::task_row::columns;
use crate::unreadable::read_or_set_aside;
use crate::{StoreError, Tx, read};
use chimera_core::{Event, Policy, Task, TaskId, TimeUp, UnixMillis};

/// The tasks whose time is up, in order. Public for plans.
pub const DUE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM tasks WHERE ends_at <= $1 AND status <> 'running' ORDER BY ends_at LIMIT $2"
);
/// When the next task's time is up. Public for plans.
pub const NEXT: &str =
    "SELECT ends_at FROM tasks WHERE ends_at IS NOT NULL AND status <> 'running' ORDER BY ends_at LIMIT 1";
const MOVE: &str = "UPDATE tasks SET ends_at = $1 WHERE task_id = $2";
const REVIVE: &str = "UPDATE tasks SET ends_at = $1, discarded_at = NULL WHERE task_id = $2";

/// When the time of a task that does not run is up next.
///
/// # Errors
/// The database's.
pub fn next(tx: &read::Reading<'_>) -> Result<Option<UnixMillis>, StoreError> {
    tx.first(NEXT, &[])?.map(|row| row.int(0).map(UnixMillis)).transpose()
}

/// Ends up to `limit` tasks whose time is up, and gives those that it ended.
///
/// # Errors
/// The database's.
pub fn sweep(tx: &mut Tx<'_>, now: UnixMillis, limit: u32) -> Result<Vec<(TaskId, TimeUp)>, StoreError> {
    let mut ended = Vec::new();
    for row in tx.take_free(DUE, &[now.0.into(), i64::from(limit).into()])? {
        let Some(task) = read_or_set_aside(tx, &row, now)? else { continue };
        if let Some(which) = end_if_up(tx, &task, now)? {
            ended.push((task.id, which));
        }
    }
    Ok(ended)
}

/// Whether the time of a task is up.
pub(crate) fn is_up(task: &Task, now: UnixMillis) -> bool {
    task.time_up().is_some_and(|(at, _)| at <= now)
}

/// Ends a waiting task if its time is up; forgets the time of one that has ended or begun.
pub(crate) fn end_if_up(tx: &mut Tx<'_>, task: &Task, now: UnixMillis) -> Result<Option<TimeUp>, StoreError> {
    let time = task.time_up().filter(|_| !task.status.is_end());
    let Some((_, which)) = time.filter(|(at, _)| *at <= now) else {
        move_to(tx, task, time.map(|(at, _)| at))?;
        return Ok(None);
    };
    let event = match which {
        TimeUp::Deadline => Event::Overdue,
        TimeUp::Expiry => Event::Expired,
    };
    let transition = decide(task, event, now, &Policy::default())?;
    change(tx, task, &transition, now)?;
    move_to(tx, task, None)?;
    Ok(Some(which))
}

fn move_to(tx: &mut Tx<'_>, task: &Task, at: Option<UnixMillis>) -> Result<(), StoreError> {
    tx.execute(MOVE, &[at.map(|at| at.0).into(), task.id.as_str().into()]).map(drop)
}

/// When the time of a task is up that a person sends back into the queue: limits that have passed are lifted.
pub(crate) fn revive(tx: &mut Tx<'_>, task: &Task, now: UnixMillis) -> Result<(), StoreError> {
    let expiry = task.request.expires_at.filter(|_| task.started_at.is_none());
    let ends_at = [task.request.deadline, expiry].into_iter().flatten().filter(|at| *at > now).min();
    tx.execute(REVIVE, &[ends_at.map(|at| at.0).into(), task.id.as_str().into()]).map(drop)
}
