//! Accepting many tasks at once: all of them or none.

use crate::submit::{IdempotencyKey, NewTask, enqueue};
use crate::{StoreError, Tx, read, task_row};
use chimera_core::{Task, TaskId};

const KNOWN: &str = "SELECT body_sha256, task_id, batch FROM idempotency WHERE key = $1";
const REMEMBER: &str = "INSERT INTO idempotency (key, body_sha256, task_id, batch) VALUES ($1, $2, $3, $4)";

/// Requests that belong together.
#[derive(Debug, Clone)]
pub struct NewBatch {
    /// The requests; one may wait for earlier ones. Their own keys do not count.
    pub tasks: Vec<NewTask>,
    /// The caller's mark against sending the whole twice.
    pub idempotency: Option<IdempotencyKey>,
}

/// What became of a batch.
#[derive(Debug, Clone)]
pub enum Batch {
    /// The tasks are new.
    Created(Vec<Task>),
    /// The same batch was accepted before under the same key. A task that was pruned since is missing.
    Existing(Vec<(TaskId, Option<Task>)>),
}

/// Puts tasks into the queue, all or none.
///
/// # Errors
/// [`StoreError::IdempotencyConflict`] if the key belongs to another request, [`StoreError::After`] with all
/// that cannot be waited for.
pub fn submit(tx: &mut Tx<'_>, batch: &NewBatch) -> Result<Batch, StoreError> {
    if let Some(key) = &batch.idempotency
        && let Some(known) = existing(tx, key)?
    {
        return Ok(known);
    }
    let (mut tasks, mut unlinked) = (Vec::new(), Vec::new());
    for (entry, new) in batch.tasks.iter().enumerate() {
        match enqueue(tx, new) {
            Ok(task) => tasks.push(task),
            // The entries that wait for this one are no news.
            Err(StoreError::After(more)) => {
                let ours = |id: &TaskId| batch.tasks.iter().any(|new| new.id == *id);
                unlinked.extend(more.into_iter().filter(|one| !ours(&one.id)).map(|mut one| {
                    one.entry = entry;
                    one
                }));
            }
            Err(err) => return Err(err),
        }
    }
    if !unlinked.is_empty() {
        return Err(StoreError::After(unlinked));
    }
    if let (Some(IdempotencyKey { key, body_sha256 }), Some(first)) = (&batch.idempotency, tasks.first()) {
        let ids: Vec<&TaskId> = tasks.iter().map(|task| &task.id).collect();
        let params = [
            key.as_str().into(),
            body_sha256.as_str().into(),
            first.id.as_str().into(),
            serde_json::to_string(&ids)?.into(),
        ];
        tx.execute(REMEMBER, &params)?;
    }
    Ok(Batch::Created(tasks))
}

/// The tasks of the batch that was accepted under this key.
fn existing(
    tx: &Tx<'_>,
    IdempotencyKey { key, body_sha256 }: &IdempotencyKey,
) -> Result<Option<Batch>, StoreError> {
    let Some(row) = tx.first(KNOWN, &[key.as_str().into()])? else { return Ok(None) };
    let (Some(ids), true) = (row.maybe_text(2)?, row.text(0)? == body_sha256.as_str()) else {
        return Err(StoreError::IdempotencyConflict { task: task_row::id(row.text(1)?)? });
    };
    let ids: Vec<TaskId> = serde_json::from_str(ids)?;
    let known = ids.into_iter().map(|id| Ok((id.clone(), read::task(tx, &id)?)));
    Ok(Some(Batch::Existing(known.collect::<Result<_, StoreError>>()?)))
}
