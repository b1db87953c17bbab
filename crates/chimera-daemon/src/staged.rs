//! Looks after staged changes: serves them again after a restart, and ends those whose time is up or whose task has no use
//! for them.

use crate::seams::Clock;
use chimera_agent::staging::{Staging, StagingError, Stay};
use chimera_core::{Status, TaskId};
use chimera_store::{Store, StoreError, read};
use std::collections::HashMap;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often they are looked at. A task whose attempt ends it ends its deployment itself; this is for tasks that end while
/// they wait.
const INTERVAL: Duration = Duration::from_secs(60);

/// Looks after the deployments of changes and of the unchanged commits that they are compared with; never returns.
pub(crate) async fn look_after(
    (changes, bases): (&Staging, &Staging),
    store: &Store,
    clock: &Clock,
    stop: &CancellationToken,
) {
    let swept = async {
        let mut timer = tokio::time::interval(INTERVAL);
        loop {
            timer.tick().await;
            if let Err(err) = sweep(changes, store, clock).await {
                tracing::error!(error = %err, "cannot look after staged changes; trying again in a minute");
            }
            bases.clear().await;
        }
    };
    tokio::join!(swept, revive(changes, store, stop));
}

/// Starts the servers of completed tasks again that an earlier daemon served, one after another.
async fn revive(changes: &Staging, store: &Store, stop: &CancellationToken) {
    for task in changes.tasks() {
        match status(store, &task).await {
            Ok(Some(Status::Completed)) => {}
            Ok(_) => continue,
            Err(err) => {
                tracing::error!(%task, error = %err, "cannot tell whether a staged change is to be served again");
                continue;
            }
        }
        match changes.ensure(&task, stop).await {
            Ok(_) => {}
            Err(StagingError::Stopped) => return,
            // Another daemon serves it.
            Err(StagingError::Passing(why)) => {
                tracing::debug!(%task, why, "a staged change is not served here");
            }
            Err(err) => tracing::warn!(%task, error = %err, "a staged change is not served again"),
        }
    }
}

/// Sweeps once.
async fn sweep(staging: &Staging, store: &Store, clock: &Clock) -> Result<(), StoreError> {
    let mut stays = HashMap::new();
    for task in staging.tasks() {
        if let Some(status) = status(store, &task).await? {
            stays.insert(task, stay(status));
        }
    }
    staging.sweep(clock.now(), &stays).await;
    Ok(())
}

fn stay(status: Status) -> Stay {
    match status {
        Status::Running => Stay::WorkedOn,
        Status::Queued | Status::Completed => Stay::UntilExpiry,
        Status::Failed | Status::Cancelled => Stay::Over,
    }
}

/// The status of a task; nothing if the database does not know it.
async fn status(store: &Store, task: &TaskId) -> Result<Option<Status>, StoreError> {
    let asked = task.clone();
    Ok(store.read(move |tx| read::task(tx, &asked)).await?.map(|task| task.status))
}

/// Ends all serving side by side, within `grace`; at once when `now` is cancelled.
pub(crate) async fn end([changes, bases]: [&Staging; 2], grace: Duration, now: &CancellationToken) {
    let at_once = now.child_token();
    let ended = async { tokio::join!(changes.shutdown(&at_once), bases.shutdown(&at_once)) };
    tokio::pin!(ended);
    tokio::select! {
        _ = &mut ended => return,
        () = tokio::time::sleep(grace) => at_once.cancel(),
    }
    ended.await;
}
