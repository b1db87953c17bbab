//! The fence of an attempt: asks the database whether its lease still holds.

use super::Context;
use super::worker::{Brake, Stop};
use chimera_agent::runner::Fence;
use chimera_core::Task;
use chimera_store::{StoreError, lease};
use std::sync::Arc;
use std::time::Duration;

/// Pause between two questions while the database does not answer. The heartbeat ends the wait: once the lease
/// could not be extended for its whole length, it counts as lost.
const AGAIN: Duration = Duration::from_millis(250);

/// The fence of the task's running attempt.
pub(super) fn of(context: &Arc<Context>, task: &Task, brake: &Brake) -> Fence {
    let (context, brake) = (context.clone(), brake.clone());
    let (id, attempt) = (task.id.clone(), task.workflow.attempt);
    let epoch = task.lease.as_ref().map_or(0, |lease| lease.epoch);
    Fence::new(move || {
        let (context, brake, id) = (context.clone(), brake.clone(), id.clone());
        Box::pin(async move {
            while !brake.is_pulled() {
                let (asked, now) = (id.clone(), context.clock.now());
                match context.store.read_apart(move |tx| lease::holds(tx, &asked, epoch, attempt, now)).await
                {
                    Ok(true) => return !brake.is_pulled(),
                    Ok(false) => {
                        tracing::warn!(task = %id, epoch, "the lease is lost: nothing more is done for it");
                        brake.pull(Stop::LeaseLost);
                    }
                    Err(StoreError::Closed) => return false,
                    Err(err) => {
                        tracing::error!(task = %id, error = %err, "cannot ask for the lease; trying again");
                        tokio::time::sleep(AGAIN).await;
                    }
                }
            }
            false
        })
    })
}
