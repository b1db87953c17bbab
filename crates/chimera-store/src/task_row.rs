//! The row of a task, read and rebuilt.

use crate::{Row, StoreError};
use chimera_core::{Lease, Rank, Request, Status, Task, TaskId, UnixMillis, Workflow};

/// The columns that [`task`] reads, in its order.
macro_rules! columns {
    () => {
        "task_id, request, project, status, workflow_state, rank, ready_at, created_at, started_at, completed_at, cancel_requested, lease_owner, lease_epoch, seq, ends_at, discarded_at"
    };
}
pub(crate) use columns;

/// Rebuilds a task from the columns of `columns!`.
pub(crate) fn task(row: &Row) -> Result<Task, StoreError> {
    let request: Request = serde_json::from_str(row.text(1)?)?;
    let workflow: Workflow = serde_json::from_str(row.text(4)?)?;
    let lease = match row.maybe_text(11)? {
        Some(owner) => Some(Lease { owner: owner.to_owned(), epoch: row.int(12)? }),
        None => None,
    };
    Ok(Task {
        id: id(row.text(0)?)?,
        request,
        project: row.text(2)?.to_owned(),
        status: status(row.text(3)?)?,
        workflow,
        rank: Rank(row.int(5)?),
        ready_at: UnixMillis(row.int(6)?),
        created_at: UnixMillis(row.int(7)?),
        started_at: row.maybe_int(8)?.map(UnixMillis),
        completed_at: row.maybe_int(9)?.map(UnixMillis),
        cancel_requested: row.int(10)? != 0,
        ends_at: row.maybe_int(14)?.map(UnixMillis),
        discarded_at: row.maybe_int(15)?.map(UnixMillis),
        lease,
        seq: row.int(13)?,
    })
}

pub(crate) fn status(text: &str) -> Result<Status, StoreError> {
    Status::parse(text).ok_or_else(|| StoreError::Corrupt(format!("status `{text}`")))
}

/// The epoch of the row's last lease; 0 if it never had one.
pub(crate) fn epoch(row: &Row) -> Result<i64, StoreError> {
    row.int(12)
}

pub(crate) fn id(text: &str) -> Result<TaskId, StoreError> {
    TaskId::parse(text).map_err(|err| StoreError::Corrupt(err.to_string()))
}
