//! Looks after staged changes: ends those whose time is up or whose task has no use for them.

use crate::seams::Clock;
use chimera_agent::staging::{Staging, Stay};
use chimera_core::{Status, TaskId};
use chimera_store::{Store, StoreError, read};
use std::collections::HashMap;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often they are looked at. A task whose attempt ends it ends its deployment itself; this is for tasks that end while
/// they wait.
const INTERVAL: Duration = Duration::from_secs(60);

/// Sweeps again and again; never returns.
pub(crate) async fn sweep_on(deployments: &[Staging], store: &Store, clock: &Clock) {
    let mut timer = tokio::time::interval(INTERVAL);
    loop {
        timer.tick().await;
        for staging in deployments {
            if let Err(err) = sweep(staging, store, clock).await {
                tracing::error!(error = %err, "cannot look after staged changes; trying again in a minute");
            }
        }
    }
}

/// Sweeps once.
///
/// # Errors
/// The database's.
pub(crate) async fn sweep(staging: &Staging, store: &Store, clock: &Clock) -> Result<(), StoreError> {
    let mut stays = HashMap::new();
    for task in staging.tasks() {
        if let Some(stay) = stay(store, &task).await? {
            stays.insert(task, stay);
        }
    }
    staging.sweep(clock.now(), &stays).await;
    Ok(())
}

/// How long the deployment of a task stays; nothing if the database does not know it.
async fn stay(store: &Store, task: &TaskId) -> Result<Option<Stay>, StoreError> {
    let asked = task.clone();
    let task = store.read(move |tx| read::task(tx, &asked)).await?;
    Ok(task.map(|task| match task.status {
        Status::Running => Stay::WorkedOn,
        Status::Queued | Status::Completed => Stay::UntilExpiry,
        Status::Failed | Status::Cancelled => Stay::Over,
    }))
}

/// Ends all serving side by side, within `grace`; at once when `now` is cancelled.
pub(crate) async fn end(deployments: &[Staging], grace: Duration, now: &CancellationToken) {
    let at_once = now.child_token();
    let ended = async {
        for staging in deployments {
            staging.shutdown(&at_once).await;
        }
    };
    tokio::pin!(ended);
    tokio::select! {
        () = &mut ended => return,
        () = tokio::time::sleep(grace) => at_once.cancel(),
    }
    ended.await;
}
