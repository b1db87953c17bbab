//! Tasks that wait for others to be completed.
//!
//! A waiting task is parked without a time, outside of every index that the claim walks. The transaction that
//! completes the last of those it waits for releases it. One that fails or is cancelled releases nobody: a
//! person retries it, or cancels what waits for it.

use crate::commits::News;
use crate::{StoreError, Tx, journal, read};
use chimera_core::{Entry, EntryKind, Status, Task, TaskId, UnixMillis, limits};

/// The `ready_at` of a task that waits for others.
pub const HELD: UnixMillis = UnixMillis(i64::MAX);
/// Tasks that an answer names among those that one waits for.
const NAMED: i64 = 5;

const WAIT: &str = "INSERT INTO waits (task_id, after_id) VALUES ($1, $2)";
const AWAITED: &str = "UPDATE tasks SET awaited = 1 WHERE task_id = $1";
const WAITERS: &str = "SELECT COUNT(*) FROM waits WHERE after_id = $1";
const COMPLETED: &str = "DELETE FROM waits WHERE after_id = $1 RETURNING task_id";
const STILL: &str = "SELECT COUNT(*) FROM waits WHERE task_id = $1";
const RELEASE: &str =
    "UPDATE tasks SET ready_at = $1, parked = $2, seq = seq + 1 WHERE task_id = $3 RETURNING seq";
const HOLD: &str = "UPDATE tasks SET ready_at = $1, parked = 1 WHERE task_id = $2 AND status = 'queued' \
    AND EXISTS (SELECT 1 FROM waits WHERE waits.task_id = tasks.task_id)";
const WAITED_FOR: &str = "SELECT tasks.task_id, tasks.status FROM waits JOIN tasks ON tasks.task_id = waits.after_id \
    WHERE waits.task_id = $1 ORDER BY waits.after_id LIMIT $2";

/// Why a task cannot wait for another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlinked {
    /// The place of the request in its batch; 0 for a single one.
    pub entry: usize,
    /// The place in the request's list.
    pub position: usize,
    /// What it says there.
    pub id: TaskId,
    /// What is wrong with it.
    pub why: Why,
}

/// What is wrong with a task to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// There is no such task.
    Unknown,
    /// [`limits::WAITERS`] wait for it.
    Crowded,
}

/// What a task waits for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Waits {
    /// Some of the tasks, with their status.
    pub some: Vec<(TaskId, Status)>,
    /// How many there are.
    pub all: u64,
}

/// The tasks among `after` that are not completed; kept from being completed until the commit.
///
/// # Errors
/// [`StoreError::After`] with all that cannot be waited for.
pub(crate) fn open(tx: &mut Tx<'_>, after: &[TaskId]) -> Result<Vec<TaskId>, StoreError> {
    let mut places: Vec<(usize, &TaskId)> = after.iter().enumerate().collect();
    places.sort_by_key(|(_, id)| *id);
    let (mut open, mut refused) = (Vec::new(), Vec::new());
    for (position, id) in places {
        // Not waiting with others in hand: who works on them may want one of those.
        let why = match read::task_to_change_now(tx, id)? {
            Some(task) if task.status == Status::Completed => continue,
            Some(_) if count(tx, WAITERS, id)? < limits::WAITERS as u64 => {
                open.push(id.clone());
                continue;
            }
            Some(_) => Why::Crowded,
            None => Why::Unknown,
        };
        refused.push(Unlinked { entry: 0, position, id: id.clone(), why });
    }
    refused.sort_by_key(|unlinked| unlinked.position);
    if refused.is_empty() { Ok(open) } else { Err(StoreError::After(refused)) }
}

/// Makes a task wait for those that [`open`] gave.
pub(crate) fn link(tx: &mut Tx<'_>, task: &TaskId, open: &[TaskId]) -> Result<(), StoreError> {
    for id in open {
        tx.execute(WAIT, &[task.as_str().into(), id.as_str().into()])?;
        tx.execute(AWAITED, &[id.as_str().into()])?;
    }
    Ok(())
}

/// Releases the tasks for which `completed` was the last one.
pub(crate) fn release(tx: &mut Tx<'_>, completed: &TaskId, now: UnixMillis) -> Result<(), StoreError> {
    let rows = tx.query(COMPLETED, &[completed.as_str().into()])?;
    let mut waiting =
        rows.iter().map(|row| crate::task_row::id(row.text(0)?)).collect::<Result<Vec<_>, _>>()?;
    if !waiting.is_empty() {
        tx.must_be_alone()?;
    }
    waiting.sort();
    for id in waiting {
        // Held from here on: whoever completes another one it waits for at the same time comes second, and sees
        // that this one is done.
        let Some(task) = read::task_to_change(tx, &id)? else { continue };
        if task.status == Status::Queued && task.ready_at == HELD && count(tx, STILL, &id)? == 0 {
            let ready_at = task.request.not_before.map_or(now, |at| at.max(now));
            let params = [ready_at.0.into(), (ready_at > now).into(), id.as_str().into()];
            let Some(row) = tx.first(RELEASE, &params)? else { continue };
            tx.tells(News::CLAIMABLE);
            journal::append(tx, &id, row.int(0)?, &remark(&task, now, EntryKind::Released))?;
        }
    }
    Ok(())
}

/// Parks a task that was sent back into the queue, if it still waits for others.
pub(crate) fn hold(tx: &mut Tx<'_>, task: &TaskId) -> Result<(), StoreError> {
    tx.execute(HOLD, &[HELD.0.into(), task.as_str().into()]).map(drop)
}

/// What a task waits for; empty unless it is queued and waits.
///
/// # Errors
/// The database's.
pub fn waits(tx: &read::Reading<'_>, task: &Task) -> Result<Waits, StoreError> {
    if task.status != Status::Queued || task.ready_at != HELD {
        return Ok(Waits::default());
    }
    let id = || task.id.as_str().into();
    let rows = tx.query(WAITED_FOR, &[id(), NAMED.into()])?;
    let some = rows
        .iter()
        .map(|row| Ok((crate::task_row::id(row.text(0)?)?, crate::task_row::status(row.text(1)?)?)));
    Ok(Waits { some: some.collect::<Result<_, StoreError>>()?, all: count(tx, STILL, &task.id)? })
}

fn count(tx: &read::Reading<'_>, sql: &str, id: &TaskId) -> Result<u64, StoreError> {
    let row = tx.first(sql, &[id.as_str().into()])?;
    Ok(u64::try_from(row.map_or(Ok(0), |row| row.int(0))?).unwrap_or(0))
}

/// A journal entry that moves nothing.
pub(crate) fn remark(task: &Task, now: UnixMillis, kind: EntryKind) -> Entry {
    Entry { at: now, phase: task.phase(), to: task.phase(), attempt: task.workflow.attempt, kind }
}
