//! What the dispatcher knows of a task that is being worked on.

use super::brake::{Brake, Stop};
use chimera_core::{TaskId, UnixMillis};
use tokio::time::Instant;

/// A task with a worker.
pub(super) struct Running {
    pub(super) task: TaskId,
    pub(super) brake: Brake,
    pub(super) deadline: Option<UnixMillis>,
    /// Nothing else may run beside it.
    pub(super) alone: bool,
    /// Since when this daemon has known that it holds it.
    pub(super) since: Instant,
}

impl Running {
    /// Its deadline, unless it is being stopped already.
    pub(super) fn deadline_ahead(&self) -> Option<UnixMillis> {
        self.deadline.filter(|_| !self.brake.is_pulled())
    }

    /// Stops it if its deadline has passed.
    pub(super) fn stop_if_overdue(&self, now: UnixMillis) {
        if self.deadline.is_some_and(|at| at <= now) {
            self.brake.pull(Stop::Deadline);
        }
    }
}
