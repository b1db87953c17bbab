//! The end of an attempt: what came of it is recorded, once, as long as the lease holds.

use crate::change::{Change, Statement};
use crate::{Store, StoreError, Tx, after, journal};
use chimera_core::{Evidence, Next, State, Status, TaskId, Transition, UnixMillis};
use std::sync::Arc;

/// Settles without giving the lease back: touches no index.
pub(crate) static ADVANCE: Statement = Statement::new(
    "UPDATE tasks SET phase = given.column1, workflow_state = given.column2, attempt = given.column3, seq = seq + 1 FROM (VALUES ",
    &["TEXT", "TEXT", "BIGINT", "TEXT", "BIGINT", "BIGINT"],
    ") AS given WHERE task_id = given.column4 AND lease_epoch = given.column5 AND tasks.attempt = given.column6 AND status = 'running' \
        RETURNING task_id, seq",
);
const SETTING: &str = "UPDATE tasks SET status = given.column1, phase = given.column2, workflow_state = given.column3, seq = seq + 1, \
    ready_at = given.column4, parked = given.column5, completed_at = given.column6, attempt = given.column7, \
    lease_owner = NULL, lease_expires_at = NULL, cancel_requested = 0 FROM (VALUES ";
const SET: &[&str] =
    &["TEXT", "TEXT", "TEXT", "BIGINT", "BIGINT", "BIGINT", "BIGINT", "TEXT", "BIGINT", "BIGINT"];
macro_rules! fence {
    () => {
        ") AS given WHERE task_id = given.column8 AND lease_epoch = given.column9 AND tasks.attempt = given.column10 \
         AND status = 'running'"
    };
}
static SETTLE: Statement = Statement::new(SETTING, SET, concat!(fence!(), " RETURNING task_id, seq"));
/// Finds no row if there is more to be done.
pub(crate) static SETTLE_ONLY: Statement = Statement::new(
    SETTING,
    SET,
    concat!(fence!(), " AND (awaited = 0 OR given.column1 <> 'completed') RETURNING task_id, seq"),
);

/// Records what came of an attempt, once, as long as the lease of that epoch holds.
///
/// # Errors
/// [`StoreError::LeaseLost`] if it does not, or the attempt's result is on record already; nothing is
/// written then.
pub fn settle(
    tx: &mut Tx<'_>,
    id: &TaskId,
    epoch: i64,
    transition: &Transition,
    evidence: &[Evidence],
    now: UnixMillis,
) -> Result<(), StoreError> {
    if !tx.change(settlement(&SETTLE, id, epoch, transition, now)?)? {
        return Err(StoreError::LeaseLost { id: id.clone() });
    }
    journal::index(tx, id, evidence)?;
    if transition.state.status == Status::Completed {
        after::release(tx, id, now)?;
    }
    Ok(())
}

/// As [`settle`], together with what others settle at the same time.
///
/// # Errors
/// As [`settle`].
pub async fn record(
    store: &Store,
    id: &TaskId,
    epoch: i64,
    transition: &Arc<Transition>,
    evidence: &[Evidence],
    now: UnixMillis,
) -> Result<(), StoreError> {
    let change = settlement(&SETTLE_ONLY, id, epoch, transition, now)?;
    let (id, transition, left) = (id.clone(), transition.clone(), evidence.to_vec());
    let alone = move |tx: &mut Tx<'_>| settle(tx, &id, epoch, &transition, &left, now);
    if evidence.is_empty() { store.change(change, (), alone).await } else { store.write(alone).await }
}

/// `settle` is the statement for what gives the lease back.
fn settlement(
    settle: &'static Statement,
    id: &TaskId,
    epoch: i64,
    transition: &Transition,
    now: UnixMillis,
) -> Result<Change, StoreError> {
    let State { status, workflow } = &transition.state;
    let (phase, text) = (workflow.phase.as_str().into(), serde_json::to_string(workflow)?.into());
    let wait = match transition.next {
        Next::Run => None,
        Next::Wait(until) => Some(until),
        Next::End => Some(now),
    };
    let (statement, mut values) = match wait {
        None => (&ADVANCE, vec![phase, text]),
        Some(ready_at) => {
            let parked = (*status == Status::Queued).then_some(ready_at > now);
            let completed_at = status.is_end().then_some(now.0);
            let status = status.as_str().into();
            (settle, vec![status, phase, text, ready_at.0.into(), parked.into(), completed_at.into()])
        }
    };
    values.extend([
        i64::from(workflow.attempt).into(),
        id.as_str().into(),
        epoch.into(),
        i64::from(transition.entry.attempt).into(),
    ]);
    Change::new(id, statement, values, &transition.entry)
}
