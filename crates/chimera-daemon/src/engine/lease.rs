//! This daemon's lease, as it knows it itself: by a monotonic clock, which no call of the database can delay.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Until when the daemon's lease holds at least.
#[derive(Debug, Default)]
pub(super) struct LocalLease(Mutex<Option<Instant>>);

impl LocalLease {
    fn until(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lease was extended by a call that began at that moment: others count from a later one, if anything.
    pub(super) fn extend(&self, asked: Instant, lease: Duration) {
        let mut until = self.until();
        *until = (*until).max(Some(asked + lease));
    }

    /// Whether it holds for certain. Before the first heartbeat there is none.
    pub(super) fn holds(&self) -> bool {
        self.until().is_some_and(|until| Instant::now() < until)
    }

    /// When it runs out, if it holds.
    pub(super) fn runs_out_at(&self) -> Option<Instant> {
        self.until().filter(|until| Instant::now() < *until)
    }
}
