//! The end of the daemon.

use super::{Dispatcher, Stop, until};
use chimera_store::{StoreError, roster};
use std::time::Duration;
use tokio::time::{Instant, Interval};
use tokio_util::sync::CancellationToken;

/// How long the end of killed processes, and the record of it, is waited for at a shutdown, after their grace.
const HANDBACK: Duration = Duration::from_secs(15);
/// The same while the database does not answer: what is not recorded then is handed back by others.
const HOPELESS: Duration = Duration::from_secs(2);
/// How long it may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

impl Dispatcher {
    /// Lets running phases end within their grace, then hands the tasks back.
    pub(super) async fn drain(&mut self, now: CancellationToken, mut beat: Interval) {
        tracing::info!(running = self.running.len(), "shutting down: no new phase begins");
        (self.claim_wanted, self.next_ready) = (false, None);
        let grace = self.settings().shutdown_grace;
        self.wait_for_workers(grace, &now, &mut beat).await;
        self.stop_where(Stop::Interrupted, |_| true);
        let answers = self.context.lease.holds() && self.beats.left().is_none();
        let limit = if answers { HANDBACK } else { HOPELESS };
        self.wait_for_workers(limit, &CancellationToken::new(), &mut beat).await;
        if !self.running.is_empty() {
            // Without a goodbye, the lease goes on as long as it would have.
            tracing::error!(
                left = self.running.len(),
                "some phases did not end, or their end cannot be recorded"
            );
            return;
        }
        let context = self.context.clone();
        let goodbye = self.context.store.write(move |tx| roster::leave(tx, context.owner.as_str()));
        let left = tokio::time::timeout(GOODBYE, goodbye).await;
        if let Err(err) = left.unwrap_or_else(|_| Err(StoreError::Unreachable("no answer".to_owned()))) {
            tracing::error!(error = %err, "cannot say that this daemon leaves");
        }
    }

    /// Waits until no worker is left, but no longer than `limit` and no longer than `hurry`. Cancellations, deadlines and
    /// the lease are heeded as before.
    async fn wait_for_workers(&mut self, limit: Duration, hurry: &CancellationToken, beat: &mut Interval) {
        let limit = tokio::time::sleep(limit);
        tokio::pin!(limit);
        let mut changes = self.context.store.changes();
        // What was committed before this began may not have been looked at.
        self.look_at = Some(Instant::now());
        while !self.running.is_empty() || !self.claiming.is_idle() {
            self.stop_overdue();
            self.look_if_due();
            let nap = tokio::time::sleep(self.nap());
            let (ran_out, again) = (until(self.lease_end()), until(self.beat_again()));
            tokio::select! {
                biased;
                Some(ended) = self.workers.join_next_with_id() => self.ended(ended),
                () = hurry.cancelled() => return,
                () = &mut limit => return,
                () = ran_out => self.lease_ran_out(),
                _ = beat.tick() => self.beat(),
                () = again => self.beat(),
                beat = self.beating.ended() => self.beaten(beat),
                cared = self.caring.ended() => self.cared(cared),
                // One that was under way: its tasks are handed back.
                claimed = self.claiming.ended() => self.claimed(claimed),
                found = self.looking.ended() => self.looked(found),
                Ok(()) = changes.changed() => self.changed(*changes.borrow_and_update()),
                () = nap => self.woken(),
            }
        }
    }
}
