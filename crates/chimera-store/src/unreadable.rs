//! Rows of tasks that cannot be read: set aside, so that they stop nobody.
//!
//! Whoever meets with one on its way (a claim, a rescue, a deadline) ends the task as failed, in words that can be read,
//! and keeps what the row said in `set_aside`, for a person. Everything else in the same transaction goes on.

use crate::task_row::{self, task as read_task};
use crate::{Row, StoreError, Tx, heartbeat, journal};
use chimera_core::{
    Entry, EntryKind, Outcome, Phase, Reason, Request, Setback, Task, UnixMillis, Usage, Workflow,
};

/// Most letters of what is wrong that are kept.
const DETAIL: usize = 500;

const KEEP: &str = "INSERT INTO set_aside (task_id, at, detail, request, workflow_state) \
    SELECT task_id, CAST($1 AS BIGINT), CAST($2 AS TEXT), request, workflow_state FROM tasks WHERE task_id = $3 \
    ON CONFLICT (task_id, at) DO NOTHING";
/// The columns that say in plain text what the JSON says.
const PLAIN: &str =
    "SELECT feature_description, target_url, request, phase, attempt FROM tasks WHERE task_id = $1";
const FAIL: &str = "UPDATE tasks SET status = 'failed', phase = 'FAILED', request = $1, workflow_state = $2, parked = NULL, \
    lease_owner = NULL, lease_expires_at = NULL, cancel_requested = 0, completed_at = $3, ends_at = NULL, seq = seq + 1 \
    WHERE task_id = $4 RETURNING seq";

/// The task of a row that the transaction holds; nothing if it cannot be read, which ends it.
pub(crate) fn read_or_set_aside(
    tx: &mut Tx<'_>,
    row: &Row,
    now: UnixMillis,
) -> Result<Option<Task>, StoreError> {
    match read_task(row) {
        // Written by a newer version, before this one has noticed: that one can read it.
        Err(StoreError::Corrupt(_)) if heartbeat::facts(tx)?.understood().is_err() => Ok(None),
        Err(StoreError::Corrupt(detail)) => set_aside(tx, row.text(0)?, &detail, now).map(|()| None),
        task => task.map(Some),
    }
}

fn set_aside(tx: &mut Tx<'_>, id: &str, detail: &str, now: UnixMillis) -> Result<(), StoreError> {
    let task = task_row::id(id)?;
    let detail: String = detail.chars().take(DETAIL).collect();
    tracing::error!(%task, detail, "the row of a task cannot be read: the task fails, and what it said is kept in `set_aside`");
    tx.execute(KEEP, &[now.0.into(), detail.as_str().into(), id.into()])?;
    let Some(plain) = tx.first(PLAIN, &[id.into()])? else { return Ok(()) };
    let request = match serde_json::from_str::<Request>(plain.text(2)?) {
        Ok(_) => plain.text(2)?.to_owned(),
        Err(_) => serde_json::to_string(&Request::new(plain.text(0)?, plain.text(1)?))?,
    };
    let phase = Phase::parse(plain.text(3)?).unwrap_or(Phase::E2eTestGeneration);
    let attempt = u32::try_from(plain.int(4)?).unwrap_or(u32::MAX);
    let why = format!("what the database says of this task cannot be read by this version: {detail}");
    let workflow = Workflow {
        phase: Phase::Failed,
        attempt,
        reason: Some(Reason::Config),
        failed_in: Some(phase),
        error: Some(why.clone()),
        ..Workflow::new()
    };
    let values = [request.into(), serde_json::to_string(&workflow)?.into(), now.0.into(), id.into()];
    let Some(changed) = tx.first(FAIL, &values)? else { return Ok(()) };
    let kind = EntryKind::Settled {
        result: Outcome::Failed(Setback::new(Reason::Config, why)),
        reason: Some(Reason::Config),
        retry_at: None,
        usage: Usage::default(),
        handed_back: false,
    };
    let entry = Entry { at: now, phase, to: Phase::Failed, attempt, kind };
    journal::append(tx, &task, changed.int(0)?, &entry)
}
