//! The end of the daemon.

use super::{Dispatcher, Stop};
use chimera_store::roster;
use std::time::Duration;
use tokio::time::Interval;
use tokio_util::sync::CancellationToken;

/// How long the end of killed processes is waited for at a shutdown, after their grace.
const HANDBACK: Duration = Duration::from_secs(15);

impl Dispatcher {
    /// Lets running phases end within their grace, then hands the tasks back.
    pub(super) async fn drain(mut self, now: CancellationToken, mut beat: Interval) {
        tracing::info!(running = self.running.len(), "shutting down: no new phase begins");
        let grace = self.settings().shutdown_grace;
        self.wait_for_workers(grace, &now, &mut beat).await;
        self.stop_where(Stop::Shutdown, |_| true);
        self.wait_for_workers(HANDBACK, &CancellationToken::new(), &mut beat).await;
        if !self.running.is_empty() {
            tracing::error!(left = self.running.len(), "some phases did not end; their leases run out");
        }
        let (context, now) = (self.context.clone(), self.context.clock.now());
        let left = self.context.store.write(move |tx| roster::leave(tx, context.owner.as_str(), now));
        if let Err(err) = left.await {
            tracing::error!(error = %err, "cannot say that this daemon leaves");
        }
    }

    /// Waits until no worker is left, but no longer than `limit` and no longer than `hurry`.
    async fn wait_for_workers(&mut self, limit: Duration, hurry: &CancellationToken, beat: &mut Interval) {
        let limit = tokio::time::sleep(limit);
        tokio::pin!(limit);
        while !self.running.is_empty() {
            tokio::select! {
                biased;
                Some(ended) = self.workers.join_next_with_id() => self.ended(ended),
                () = hurry.cancelled() => return,
                () = &mut limit => return,
                _ = beat.tick() => self.heartbeat().await,
            }
        }
    }
}
