//! How long deployments stay: over a restart, until their time is up or their task has no use for them.

use super::{Staging, discard};
use crate::spec;
use chimera_core::{TaskId, UnixMillis};
use std::collections::HashMap;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long a deployment of a task stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stay {
    /// As long as the task is worked on.
    WorkedOn,
    /// Until its time is up.
    UntilExpiry,
    /// Not any longer: the task has failed or was cancelled.
    Over,
}

impl Staging {
    /// The tasks that have a deployment here.
    pub fn tasks(&self) -> Vec<TaskId> {
        let mut tasks: Vec<TaskId> = self.places.all().into_iter().map(|(task, _)| task).collect();
        tasks.sort();
        tasks.dedup();
        tasks
    }

    /// Cleans up after daemons that are gone, and serves their static deployments again, so that their links keep working.
    /// A project's own server is started again by [`Staging::ensure`].
    pub async fn restore(&self, now: UnixMillis) {
        self.sweep(now, &HashMap::new()).await;
        for task in self.tasks() {
            let Some((place, record)) = self.places.recorded(&task) else { continue };
            if matches!(record.spec, spec::Staging::Static { .. })
                && let Err(err) = self.serve_again(&task, place, record, &CancellationToken::new()).await
            {
                tracing::warn!(%task, error = %err, "a staged change is not served again");
            }
        }
    }

    /// Removes the deployments that do not stay: those whose time is up, those of tasks that have no use for them, and what
    /// a daemon that is gone was still building. Tasks that are not named stay until their time is up. What is being built,
    /// started or served by anybody else is left alone.
    pub async fn sweep(&self, now: UnixMillis, stays: &HashMap<TaskId, Stay>) {
        self.places.clear_gone();
        for (task, path) in self.places.all() {
            let stay = stays.get(&task).copied().unwrap_or(Stay::UntilExpiry);
            let over = |expires_at| match stay {
                Stay::WorkedOn => false,
                Stay::UntilExpiry => expires_at <= now,
                Stay::Over => true,
            };
            let served = {
                let live = self.lock();
                live.get(&task).filter(|live| live.place.path() == path).map(|live| live.record.expires_at)
            };
            if let Some(expires_at) = served {
                if over(expires_at) {
                    self.withdraw(&task).await;
                }
                continue;
            }
            match self.places.take_if(&path, |record| record.is_none_or(|record| over(record.expires_at))) {
                Ok(Some(place)) => discard(&task, place).await,
                Ok(None) => {}
                Err(err) => tracing::warn!(%task, error = %err, "cannot look at a staged change"),
            }
        }
    }

    /// Removes every deployment that nobody builds, starts or serves: for those that are never served again.
    pub async fn clear(&self) {
        self.places.clear_gone();
        for task in self.tasks() {
            self.discard_idle(&task).await;
        }
    }

    /// Ends the deployments of a task and removes what is left of them.
    pub async fn withdraw(&self, task: &TaskId) {
        if let Some(place) = self.end(task, &CancellationToken::new()).await {
            discard(task, place).await;
        }
        self.discard_idle(task).await;
    }

    async fn discard_idle(&self, task: &TaskId) {
        for (_, path) in self.places.all().into_iter().filter(|(owner, _)| owner == task) {
            if let Ok(Some(place)) = self.places.take_if(&path, |_| true) {
                discard(task, place).await;
            }
        }
    }

    /// Ends the serving of everything side by side, each within its own grace, or at once when `at_once` is cancelled; the
    /// deployments stay on disk.
    pub async fn shutdown(&self, at_once: &CancellationToken) {
        let all: Vec<_> = self.lock().drain().collect();
        let mut ending = JoinSet::new();
        for (_, live) in all {
            let at_once = at_once.clone();
            ending.spawn(async move { live.end(&at_once).await });
        }
        ending.join_all().await;
    }
}
