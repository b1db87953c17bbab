//! The fence of an attempt: asks the database whether its lease still holds.

use super::Context;
use super::brake::{Brake, Stop};
use super::pause::Pause;
use chimera_agent::runner::Fence;
use chimera_core::Task;
use chimera_store::{StoreError, lease};
use std::sync::Arc;

/// The fence of the task's running attempt. It waits for a database that does not answer; the end of the lease or of the
/// attempt's time ends the wait.
pub(super) fn of(context: &Arc<Context>, task: &Task, brake: &Brake) -> Fence {
    let (context, brake) = (context.clone(), brake.clone());
    let (id, attempt) = (task.id.clone(), task.workflow.attempt);
    let epoch = task.lease.as_ref().map_or(0, |lease| lease.epoch);
    Fence::new(move || {
        let (context, brake, id) = (context.clone(), brake.clone(), id.clone());
        Box::pin(async move {
            let mut pause = Pause::new("ask for the lease").of(&id);
            while !brake.is_pulled() {
                let (asked, now) = (id.clone(), context.clock.now());
                match context.store.read_apart(move |tx| lease::holds(tx, &asked, epoch, attempt, now)).await
                {
                    Ok(true) => {
                        pause.over();
                        return !brake.is_pulled();
                    }
                    Ok(false) => {
                        tracing::warn!(task = %id, epoch, "the lease is lost: nothing more is done for it");
                        brake.pull(Stop::LeaseLost);
                    }
                    Err(StoreError::Closed) => return false,
                    Err(err) => {
                        pause.failed(&err);
                        pause.wait(&brake).await;
                    }
                }
            }
            false
        })
    })
}
