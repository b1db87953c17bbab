//! Accepting tasks.

use crate::change::{Change, Statement};
use crate::commits::News;
use crate::{Store, StoreError, Tx, after, read, task_row};
use chimera_core::{Digest, Entry, EntryKind, Rank, Request, Status, Task, TaskId, UnixMillis, Workflow};

const KNOWN: &str = "SELECT body_sha256, task_id FROM idempotency WHERE key = $1";
const REMEMBER: &str = "INSERT INTO idempotency (key, body_sha256, task_id) VALUES ($1, $2, $3)";
pub(crate) static INSERT: Statement = Statement::accept(
    "tasks (feature_description, target_url, staging_url, priority, project, request, status, phase, workflow_state, attempt, \
        rank, ready_at, parked, seq, created_at, ends_at, task_id)",
    &[
        "TEXT", "TEXT", "TEXT", "BIGINT", "TEXT", "TEXT", "TEXT", "TEXT", "TEXT", "BIGINT", "BIGINT",
        "BIGINT", "BIGINT", "BIGINT", "BIGINT", "BIGINT", "TEXT",
    ],
);

/// A checked request on its way into the queue.
#[derive(Debug, Clone)]
pub struct NewTask {
    /// The id that it gets.
    pub id: TaskId,
    /// What was asked for.
    pub request: Request,
    /// The project that was decided on.
    pub project: String,
    /// The time of acceptance.
    pub now: UnixMillis,
    /// The caller's mark against sending twice.
    pub idempotency: Option<IdempotencyKey>,
}

/// A caller's mark against sending the same request twice.
#[derive(Debug, Clone)]
pub struct IdempotencyKey {
    /// The mark.
    pub key: String,
    /// SHA-256 of the request in its canonical form.
    pub body_sha256: Digest,
}

/// What became of a submission.
#[derive(Debug, Clone)]
pub enum Submitted {
    /// The task is new.
    Created(Task),
    /// The same request was accepted before under the same key.
    Existing(Task),
}

impl Submitted {
    /// The task, new or not.
    pub fn into_task(self) -> Task {
        match self {
            Self::Created(task) | Self::Existing(task) => task,
        }
    }
}

/// Puts a task into the queue.
///
/// # Errors
/// [`StoreError::IdempotencyConflict`] if the key belongs to another request, [`StoreError::After`] if it is to
/// wait for what cannot be waited for.
pub fn submit(tx: &mut Tx<'_>, new: &NewTask) -> Result<Submitted, StoreError> {
    if let Some(idempotency) = &new.idempotency
        && let Some(row) = tx.first(KNOWN, &[idempotency.key.as_str().into()])?
    {
        let task = task_row::id(row.text(1)?)?;
        if row.text(0)? != idempotency.body_sha256.as_str() {
            return Err(StoreError::IdempotencyConflict { task });
        }
        let known = read::task(tx, &task)?.ok_or(StoreError::NotFound { id: task })?;
        return Ok(Submitted::Existing(known));
    }
    let task = enqueue(tx, new)?;
    if let Some(IdempotencyKey { key, body_sha256 }) = &new.idempotency {
        tx.execute(REMEMBER, &[key.as_str().into(), body_sha256.as_str().into(), task.id.as_str().into()])?;
    }
    Ok(Submitted::Created(task))
}

/// Adds a task to the queue, without a look at its key.
pub(crate) fn enqueue(tx: &mut Tx<'_>, new: &NewTask) -> Result<Task, StoreError> {
    let mut task = fresh(new);
    let waits_for = after::open(tx, &task.request.after)?;
    if !waits_for.is_empty() {
        task.ready_at = after::HELD;
    }
    tx.change(acceptance(&task)?)?;
    after::link(tx, &task.id, &waits_for)?;
    Ok(task)
}

/// As [`submit`], together with what others submit at the same time.
///
/// # Errors
/// As [`submit`].
pub async fn accept(store: &Store, new: NewTask) -> Result<Submitted, StoreError> {
    if !new.request.after.is_empty() {
        return store.write_alone(move |tx| submit(tx, &new)).await;
    }
    if new.idempotency.is_some() {
        return store.write(move |tx| submit(tx, &new)).await;
    }
    let task = fresh(&new);
    store.change(acceptance(&task)?, Submitted::Created(task), move |tx| submit(tx, &new)).await
}

fn fresh(new: &NewTask) -> Task {
    Task {
        id: new.id.clone(),
        project: new.project.clone(),
        status: Status::Queued,
        workflow: Workflow::new(),
        rank: Rank::new(new.now, new.request.priority),
        ready_at: new.request.not_before.unwrap_or(new.now).max(new.now),
        created_at: new.now,
        started_at: None,
        completed_at: None,
        cancel_requested: false,
        ends_at: [new.request.deadline, new.request.expires_at].into_iter().flatten().min(),
        discarded_at: None,
        lease: None,
        seq: 1,
        request: new.request.clone(),
    }
}

/// The task's row, and the first entry of its journal.
fn acceptance(task: &Task) -> Result<Change, StoreError> {
    let request = &task.request;
    let values = vec![
        request.feature.as_str().into(),
        request.target_url.as_str().into(),
        request.staging_url.as_deref().into(),
        i64::from(request.priority).into(),
        task.project.as_str().into(),
        serde_json::to_string(request)?.into(),
        task.status.as_str().into(),
        task.phase().as_str().into(),
        serde_json::to_string(&task.workflow)?.into(),
        i64::from(task.workflow.attempt).into(),
        task.rank.0.into(),
        task.ready_at.0.into(),
        (task.ready_at > task.created_at).into(),
        task.seq.into(),
        task.created_at.0.into(),
        task.ends_at.map(|at| at.0).into(),
        task.id.as_str().into(),
    ];
    let entry = Entry {
        at: task.created_at,
        phase: task.phase(),
        to: task.phase(),
        attempt: 0,
        kind: EntryKind::Accepted,
    };
    Ok(Change::new(&task.id, &INSERT, values, &entry)?.telling(News::CLAIMABLE))
}
