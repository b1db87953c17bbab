//! The queue: who may work on what.
//!
//! Every write of a worker names the epoch of its lease. A write that finds no row changes nothing and says
//! [`StoreError::LeaseLost`]. What follows from an event is decided by [`chimera_core::step`], never here.
//!
//! Queued tasks that may not start yet are *parked*: outside of the index that the claim walks, so a claim
//! costs the same whatever waits for later. Those that something holds back (see `lanes`) stay in it.

use crate::change::{Change, Statement};
use crate::commits::News;
use crate::ready::{self, ANY, Ready};
use crate::task_row;
use crate::unreadable::read_or_set_aside;
use crate::{Row, StoreError, Tx, Value, hold, journal, lanes, read, suspects, times};
use chimera_core::{Event, Gates, Lease, Policy, State, Status, Task, Tick, Transition, UnixMillis, step};

pub(crate) static TAKE: Statement = Statement::update(
    "status = 'running', parked = NULL, lease_owner = given.column1, lease_epoch = lease_epoch + 1, \
        started_at = COALESCE(started_at, given.column2), workflow_state = given.column3, attempt = given.column4, seq = seq + 1",
    &["TEXT", "BIGINT", "TEXT", "BIGINT", "TEXT"],
    "status = 'queued'",
);
const CHANGE: &str = "UPDATE tasks SET status = $1, phase = $2, workflow_state = $3, seq = $4, ready_at = $5, parked = $10, \
    lease_owner = NULL, lease_expires_at = NULL, completed_at = $6, cancel_requested = 0, attempt = $7 WHERE task_id = $8 AND seq = $9";
/// The earliest time among parked tasks. Public for plans and measurements.
pub const NEXT_READY: &str = "SELECT MIN(ready_at) FROM tasks WHERE parked = 1";

/// Who wants how many tasks.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// The daemon incarnation.
    pub owner: &'a str,
    /// The time now.
    pub now: UnixMillis,
    /// Most tasks to take.
    pub limit: u32,
    /// What may hold tasks back.
    pub gates: &'a Gates,
}

/// Takes ready tasks by ascending rank, each under a new epoch; those that something holds back are passed over. One
/// whose time is up ends instead.
///
/// # Errors
/// The database's.
pub fn claim(tx: &mut Tx<'_>, claim: &Claim<'_>) -> Result<Vec<Task>, StoreError> {
    claim_from(tx, claim, &ANY, None)
}

/// The same of those that a home may take.
pub(crate) fn claim_from(
    tx: &mut Tx<'_>,
    claim: &Claim<'_>,
    ready: &Ready,
    home: Option<&str>,
) -> Result<Vec<Task>, StoreError> {
    tx.heed_pauses()?;
    ready::unpark(tx, claim.now)?;
    let params = [Some(i64::from(claim.limit).into()), home.map(Value::from)];
    let params: Vec<Value> = params.into_iter().flatten().collect();
    if !claim.gates.are_limits() {
        let rows = tx.take_free(ready.guarded, &params)?;
        if !rows.is_empty() || !hold::is_anything_held(tx)? {
            return take_all(tx, &rows, claim);
        }
    }
    // A turn is kept until the commit, and every daemon of the database waits for it: none takes one for nothing.
    if claim.gates.are_global() && !ready::is_any(tx)? {
        return Ok(Vec::new());
    }
    if let Some(board) = lanes::board(tx, claim)? {
        return lanes::claim(tx, claim, home.unwrap_or_default(), board);
    }
    let rows = tx.take_free(ready.all_the_same, &params)?;
    take_all(tx, &rows, claim)
}

fn take_all(tx: &mut Tx<'_>, rows: &[Row], claim: &Claim<'_>) -> Result<Vec<Task>, StoreError> {
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        found.extend(find(tx, row, claim)?);
    }
    take(tx, found)
}

/// Makes the changes of a claim, by one statement.
pub(crate) fn take(tx: &mut Tx<'_>, taken: Vec<(Task, Change)>) -> Result<Vec<Task>, StoreError> {
    let (tasks, changes): (Vec<Task>, Vec<Change>) = taken.into_iter().unzip();
    if tx.change_all(&TAKE, changes)? != tasks.len() {
        return Err(StoreError::Database("a task changed while it was claimed".to_owned()));
    }
    Ok(tasks)
}

/// What a claim finds at a ready task, to be taken; one whose time is up ends instead, and one that must run alone is
/// parked until a daemon has nothing else to do.
pub(crate) fn find(
    tx: &mut Tx<'_>,
    row: &Row,
    claim: &Claim<'_>,
) -> Result<Option<(Task, Change)>, StoreError> {
    let Some(task) = read_or_set_aside(tx, row, claim.now)? else { return Ok(None) };
    if times::is_up(&task, claim.now) {
        times::end_if_up(tx, &task, claim.now)?;
        return Ok(None);
    }
    if task.workflow.is_suspect() {
        suspects::park(tx, &task.id)?;
        return Ok(None);
    }
    taken(task, task_row::epoch(row)? + 1, claim).map(Some)
}

/// A task once it is taken, and the change that takes it.
pub(crate) fn taken(task: Task, epoch: i64, claim: &Claim<'_>) -> Result<(Task, Change), StoreError> {
    let event = Event::Claimed { worker: claim.owner.to_owned(), epoch };
    let Transition { state, entry, .. } = decide(&task, event, claim.now, &Policy::default())?;
    let values = vec![
        claim.owner.into(),
        claim.now.0.into(),
        serde_json::to_string(&state.workflow)?.into(),
        i64::from(state.workflow.attempt).into(),
        task.id.as_str().into(),
    ];
    let change = Change::new(&task.id, &TAKE, values, &entry)?;
    let task = Task {
        status: state.status,
        workflow: state.workflow,
        started_at: task.started_at.or(Some(claim.now)),
        lease: Some(Lease { owner: claim.owner.to_owned(), epoch }),
        seq: task.seq + 1,
        ..task
    };
    Ok((task, change))
}

/// The earliest time at which a parked task becomes ready.
///
/// # Errors
/// The database's.
pub fn next_ready_at(tx: &read::Reading<'_>) -> Result<Option<UnixMillis>, StoreError> {
    match tx.first(NEXT_READY, &[])? {
        Some(row) => Ok(row.maybe_int(0)?.map(UnixMillis)),
        None => Ok(None),
    }
}

/// The earliest time at which a claim may find what it does not find now: a parked task becomes ready, or an open
/// breaker lets somebody try.
///
/// # Errors
/// The database's.
pub fn next_event_at(tx: &read::Reading<'_>, now: UnixMillis) -> Result<Option<UnixMillis>, StoreError> {
    Ok(next_ready_at(tx)?.into_iter().chain(hold::next_try(tx, now)?).min())
}

pub(crate) fn decide(
    task: &Task,
    event: Event,
    now: UnixMillis,
    policy: &Policy,
) -> Result<Transition, StoreError> {
    let state = State { status: task.status, workflow: task.workflow.clone() };
    // None of the events decided here backs off, so the jitter does not matter.
    Ok(step(&state, event, Tick { now, jitter: 0.0 }, policy)?)
}

/// Writes a transition that no worker made, if the task has not changed since it was read.
pub(crate) fn change(
    tx: &mut Tx<'_>,
    task: &Task,
    transition: &Transition,
    now: UnixMillis,
) -> Result<(), StoreError> {
    let State { status, workflow } = &transition.state;
    let seq = task.seq + 1;
    let alone = *status == Status::Queued && workflow.is_suspect();
    let ready_at = if alone { suspects::PARKED } else { now };
    let params = [
        status.as_str().into(),
        workflow.phase.as_str().into(),
        serde_json::to_string(workflow)?.into(),
        seq.into(),
        ready_at.0.into(),
        status.is_end().then_some(now.0).into(),
        i64::from(workflow.attempt).into(),
        task.id.as_str().into(),
        task.seq.into(),
        (*status == Status::Queued).then_some(alone).into(),
    ];
    if tx.execute(CHANGE, &params)? != 1 {
        return Err(StoreError::Busy);
    }
    if *status == Status::Queued {
        tx.tells(News::CLAIMABLE);
    }
    journal::append(tx, &task.id, seq, &transition.entry)
}
