//! The pause after a call of the database that failed: longer each time, and told once.

use super::brake::Brake;
use chimera_core::TaskId;
use chimera_store::StoreError;
use std::time::Duration;
use tokio::time::Instant;
use tracing::field::display;

/// After the first failure: a connection that broke is mostly made again at once.
const FIRST: Duration = Duration::from_millis(100);
/// The longest: so much later is it noticed that the database answers again.
const LONGEST: Duration = Duration::from_secs(5);

/// What a kind of call came to last.
#[derive(Debug)]
pub(super) struct Pause {
    /// What the calls do, for the log: `claim tasks`.
    doing: &'static str,
    /// The one task that they are about, for the log.
    task: Option<TaskId>,
    trouble: Option<Trouble>,
}

#[derive(Debug)]
struct Trouble {
    since: Instant,
    pause: Duration,
    until: Instant,
}

impl Pause {
    pub(super) fn new(doing: &'static str) -> Self {
        Self { doing, task: None, trouble: None }
    }

    /// All calls are about that task.
    pub(super) fn of(self, task: &TaskId) -> Self {
        Self { task: Some(task.clone()), ..self }
    }

    /// A call worked.
    pub(super) fn over(&mut self) {
        if let Some(trouble) = self.trouble.take() {
            let after_ms = u64::try_from(trouble.since.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::info!(task = self.task.as_ref().map(display), after_ms, "can {} again", self.doing);
        }
    }

    /// A call failed; the next one has to wait.
    pub(super) fn failed(&mut self, err: &StoreError) {
        let now = Instant::now();
        let (since, pause) = match &self.trouble {
            None => {
                let task = self.task.as_ref().map(display);
                tracing::error!(task, error = %err, "cannot {}; trying again and again", self.doing);
                (now, FIRST)
            }
            Some(trouble) => {
                tracing::debug!(error = %err, "still cannot {}", self.doing);
                (trouble.since, trouble.pause.saturating_mul(2).min(LONGEST))
            }
        };
        self.trouble = Some(Trouble { since, pause, until: now + pause });
    }

    /// For how long no call has worked.
    pub(super) fn lasts(&self) -> Duration {
        self.trouble.as_ref().map(|trouble| trouble.since.elapsed()).unwrap_or_default()
    }

    /// When the next call may begin, if the last one failed.
    pub(super) fn until(&self) -> Option<Instant> {
        self.trouble.as_ref().map(|trouble| trouble.until)
    }

    /// Waits until the next call may begin, or until the task is stopped while it waits.
    pub(super) async fn wait(&self, brake: &Brake) {
        let wait = tokio::time::sleep(self.left().unwrap_or_default());
        if brake.is_pulled() {
            return wait.await;
        }
        tokio::select! {
            () = wait => (),
            () = brake.pulled() => (),
        }
    }

    /// How long the next call has to wait.
    pub(super) fn left(&self) -> Option<Duration> {
        let left = self.until()?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }
}

#[cfg(test)]
mod tests;
