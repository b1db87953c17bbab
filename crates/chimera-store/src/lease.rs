//! Leases: which daemon works on which tasks, and until when.
//!
//! A daemon has one lease, its row in `daemons`; it covers every task whose `lease_owner` it is. A heartbeat therefore
//! writes one row, however many tasks run. A task's epoch tells its leases apart: it grows with each claim, and every
//! write of a worker names it. An owner without a row has no lease.

use crate::queue::{change, decide};
use crate::read::Reading;
use crate::task_row::{self, columns};
use crate::unreadable::read_or_set_aside;
use crate::{StoreError, Tx};
use chimera_core::gates::DaemonState;
use chimera_core::{Event, Outcome, Policy, Task, TaskId, UnixMillis, Usage};
use std::collections::HashMap;
use std::time::Duration;

/// Most tasks that one transaction takes from an owner: a few milliseconds of the writer.
pub const AT_ONCE: u32 = 100;

const EXTEND: &str = "INSERT INTO daemons (owner, seen_at, expires_at, state) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (owner) DO UPDATE SET seen_at = excluded.seen_at, expires_at = excluded.expires_at, state = excluded.state";
const LAST_BEAT: &str = "SELECT seen_at FROM daemons WHERE owner = $1";
const HOLDS: &str = "SELECT 1 FROM tasks JOIN daemons ON daemons.owner = tasks.lease_owner WHERE tasks.task_id = $1 \
    AND tasks.lease_epoch = $2 AND tasks.attempt = $3 AND tasks.status = 'running' AND daemons.expires_at > $4";
pub(crate) const HELD: &str =
    "SELECT task_id, lease_epoch, cancel_requested FROM tasks WHERE status = 'running' AND lease_owner = $1";
const CANCELLATIONS: &str =
    "SELECT task_id FROM tasks WHERE status = 'running' AND lease_owner = $1 AND cancel_requested = 1";
/// The owners of running tasks, and 1 for those whose lease has run out: a seek per owner, however many tasks run.
/// Public for plans and measurements.
pub const OWNERS: &str = "WITH RECURSIVE owners (owner) AS ( \
    SELECT MIN(lease_owner) FROM tasks WHERE status = 'running' UNION ALL \
    SELECT (SELECT MIN(lease_owner) FROM tasks WHERE status = 'running' AND lease_owner > owners.owner) \
    FROM owners WHERE owners.owner IS NOT NULL) \
    SELECT owners.owner, CAST(CASE WHEN COALESCE(daemons.expires_at, 0) < $1 THEN 1 ELSE 0 END AS BIGINT) \
    FROM owners LEFT JOIN daemons ON daemons.owner = owners.owner WHERE owners.owner IS NOT NULL";
/// 1 if the lease has been extended meanwhile.
const ALIVE: &str =
    "SELECT CAST(CASE WHEN expires_at >= $2 THEN 1 ELSE 0 END AS BIGINT) FROM daemons WHERE owner = $1";
const OWNED: &str =
    concat!("SELECT ", columns!(), " FROM tasks WHERE status = 'running' AND lease_owner = $1 LIMIT $2");
const ONE: &str = concat!("SELECT ", columns!(), " FROM tasks WHERE task_id = $1");
const EXPIRIES: &str = "SELECT owner, expires_at FROM daemons";
const FORGET: &str = "DELETE FROM daemons WHERE expires_at < $1";

/// A task that a daemon still holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The task.
    pub id: TaskId,
    /// The epoch of its lease.
    pub epoch: i64,
    /// Somebody asked to cancel it.
    pub cancel_requested: bool,
}

/// A daemon that holds tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Its name.
    pub name: String,
    /// Its lease has run out.
    pub expired: bool,
}

/// Takes a lease or extends it, for `lease` from now on, and tells others how the daemon is.
///
/// # Errors
/// The database's.
pub fn extend(
    tx: &mut Tx<'_>,
    owner: &str,
    state: &DaemonState,
    now: UnixMillis,
    lease: Duration,
) -> Result<(), StoreError> {
    let state = serde_json::to_string(state)?;
    tx.later(EXTEND, &[owner.into(), now.0.into(), now.plus(lease).0.into(), state.into()])
}

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
    let params = [id.as_str().into(), epoch.into(), i64::from(attempt).into(), now.0.into()];
    Ok(tx.first(HOLDS, &params)?.is_some())
}

/// When an owner's last heartbeat was, as far as the database knows.
///
/// # Errors
/// The database's.
pub fn last_beat(tx: &Reading<'_>, owner: &str) -> Result<Option<UnixMillis>, StoreError> {
    tx.first(LAST_BEAT, &[owner.into()])?.map(|row| row.int(0).map(UnixMillis)).transpose()
}

impl Held {
    pub(crate) fn of(row: &crate::Row) -> Result<Self, StoreError> {
        let id = task_row::id(row.text(0)?)?;
        Ok(Self { id, epoch: row.int(1)?, cancel_requested: row.int(2)? != 0 })
    }
}

/// The running tasks of an owner that somebody asked to cancel.
///
/// # Errors
/// The database's.
pub fn cancellations(tx: &Reading<'_>, owner: &str) -> Result<Vec<TaskId>, StoreError> {
    tx.query(CANCELLATIONS, &[owner.into()])?.iter().map(|row| task_row::id(row.text(0)?)).collect()
}

/// The daemons that hold tasks.
///
/// # Errors
/// The database's.
pub fn owners(tx: &Reading<'_>, now: UnixMillis) -> Result<Vec<Owner>, StoreError> {
    let owner = |row: &crate::Row| Ok(Owner { name: row.text(0)?.to_owned(), expired: row.int(1)? != 0 });
    tx.query(OWNERS, &[now.0.into()])?.iter().map(owner).collect()
}

/// When the lease of each daemon runs out.
///
/// # Errors
/// The database's.
pub fn expiries(tx: &Reading<'_>) -> Result<HashMap<String, UnixMillis>, StoreError> {
    let expiry = |row: &crate::Row| Ok((row.text(0)?.to_owned(), UnixMillis(row.int(1)?)));
    tx.query(EXPIRIES, &[])?.iter().map(expiry).collect()
}

/// Takes up to [`AT_ONCE`] tasks from an owner whose lease has run out; none if it was extended meanwhile. A task whose
/// cancellation was wished for ends as cancelled.
///
/// # Errors
/// The database's.
pub fn rescue_expired(
    tx: &mut Tx<'_>,
    owner: &str,
    now: UnixMillis,
    policy: &Policy,
) -> Result<Vec<TaskId>, StoreError> {
    // Locked until the commit: a heartbeat comes before this or after all of it.
    let alive = tx.take_first(ALIVE, &[owner.into(), now.0.into()])?;
    match alive.map_or(Ok(0), |row| row.int(0))? {
        0 => rescue_gone(tx, owner, now, policy),
        _ => Ok(Vec::new()),
    }
}

/// The same from an owner that is known to be gone, whatever its lease says.
///
/// # Errors
/// The database's.
pub fn rescue_gone(
    tx: &mut Tx<'_>,
    owner: &str,
    now: UnixMillis,
    policy: &Policy,
) -> Result<Vec<TaskId>, StoreError> {
    let mut taken = Vec::new();
    for row in tx.take_free(OWNED, &[owner.into(), i64::from(AT_ONCE).into()])? {
        let Some(task) = read_or_set_aside(tx, &row, now)? else { continue };
        taken.push(take_back(tx, &task, Event::Rescued, now, policy)?);
    }
    Ok(taken)
}

/// Takes back tasks whose worker broke from the owner that still holds them, as if the daemon had crashed.
///
/// # Errors
/// The database's.
pub fn forsake(
    tx: &mut Tx<'_>,
    owner: &str,
    tasks: &[TaskId],
    now: UnixMillis,
    policy: &Policy,
) -> Result<Vec<TaskId>, StoreError> {
    taken_back(tx, (owner, tasks), now, policy, || Event::Rescued)
}

/// Takes back tasks that an owner holds without working on them, because it never heard that it claimed them, or that
/// their last result was recorded. That counts as nothing.
///
/// # Errors
/// The database's.
pub fn hand_back(
    tx: &mut Tx<'_>,
    owner: &str,
    tasks: &[TaskId],
    now: UnixMillis,
) -> Result<Vec<TaskId>, StoreError> {
    taken_back(tx, (owner, tasks), now, &Policy::default(), interrupted)
}

fn taken_back(
    tx: &mut Tx<'_>,
    (owner, tasks): (&str, &[TaskId]),
    now: UnixMillis,
    policy: &Policy,
    event: impl Fn() -> Event,
) -> Result<Vec<TaskId>, StoreError> {
    let mut taken = Vec::new();
    for id in tasks {
        let Some(row) = tx.take_first(ONE, &[id.as_str().into()])? else { continue };
        let Some(task) = read_or_set_aside(tx, &row, now)? else { continue };
        if task.lease.as_ref().is_some_and(|lease| lease.owner == owner) {
            taken.push(take_back(tx, &task, event(), now, policy)?);
        }
    }
    Ok(taken)
}

/// The end of an attempt that counts as nothing.
pub(crate) fn interrupted() -> Event {
    Event::Settled { outcome: Outcome::Interrupted, usage: Usage::default() }
}

/// A task whose cancellation was wished for ends as cancelled.
pub(crate) fn take_back(
    tx: &mut Tx<'_>,
    task: &Task,
    event: Event,
    now: UnixMillis,
    policy: &Policy,
) -> Result<TaskId, StoreError> {
    let event = if task.cancel_requested { Event::Cancelled } else { event };
    let transition = decide(task, event, now, policy)?;
    change(tx, task, &transition, now)?;
    Ok(task.id.clone())
}

/// Forgets daemons whose lease ran out before that time. What they still hold is rescued all the same.
///
/// # Errors
/// The database's.
pub fn forget(tx: &mut Tx<'_>, before: UnixMillis) -> Result<(), StoreError> {
    tx.execute(FORGET, &[before.0.into()]).map(drop)
}
