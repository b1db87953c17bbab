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

    /// When it runs out, or ran out: this may be asked late.
    pub(super) fn runs_out_at(&self) -> Option<Instant> {
        *self.until()
    }
}

#[cfg(test)]
mod tests {
    use super::LocalLease;
    use std::time::Duration;
    use tokio::time::{Instant, advance};

    /// A process that was frozen is back after the moment: it still has to hear of it.
    #[tokio::test(start_paused = true)]
    async fn an_end_that_has_passed_is_told() {
        let (lease, asked) = (LocalLease::default(), Instant::now());
        assert_eq!((lease.holds(), lease.runs_out_at()), (false, None), "there was no heartbeat");
        lease.extend(asked, Duration::from_secs(30));
        advance(Duration::from_secs(40)).await;
        assert_eq!((lease.holds(), lease.runs_out_at()), (false, Some(asked + Duration::from_secs(30))));
        lease.extend(asked + Duration::from_secs(5), Duration::from_secs(5));
        assert_eq!(
            lease.runs_out_at(),
            Some(asked + Duration::from_secs(30)),
            "a late answer takes nothing away"
        );
    }
}
