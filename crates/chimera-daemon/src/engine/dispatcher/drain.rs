//! The end of the daemon.

use super::{Dispatcher, GATHER, Running, Stop};
use chimera_store::roster;
use std::time::Duration;
use tokio::time::{Instant, Interval};
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

    /// Waits until no worker is left, but no longer than `limit` and no longer than `hurry`. Meanwhile what was cancelled is
    /// stopped, and what is past its deadline: a grace may be long.
    async fn wait_for_workers(&mut self, limit: Duration, hurry: &CancellationToken, beat: &mut Interval) {
        let limit = tokio::time::sleep(limit);
        tokio::pin!(limit);
        let mut changes = self.context.store.changes();
        // What was committed before this began may not have been looked at.
        self.look_at = Some(Instant::now());
        while !self.running.is_empty() {
            let time = self.context.clock.now();
            self.running.values().for_each(|running| running.stop_if_overdue(time));
            self.look_if_due().await;
            let nap = tokio::time::sleep(self.until_next_stop());
            tokio::select! {
                biased;
                Some(ended) = self.workers.join_next_with_id() => self.ended(ended),
                () = hurry.cancelled() => return,
                () = &mut limit => return,
                _ = beat.tick() => self.heartbeat().await,
                Ok(()) = changes.changed() => {
                    self.look_at.get_or_insert_with(|| Instant::now() + GATHER);
                }
                () = nap => self.stop_cancelled().await,
            }
        }
    }

    /// When the next running task may have to be stopped, as far as is known.
    fn until_next_stop(&self) -> Duration {
        let now = self.context.clock.now();
        let deadline = self.running.values().filter_map(Running::deadline_ahead).min();
        let deadline = deadline.map(|at| at.since(now).max(Duration::from_millis(1)));
        let look = self.look_at.map(|at| at.saturating_duration_since(Instant::now()));
        [deadline, look].into_iter().flatten().fold(self.settings().poll_interval, Duration::min)
    }
}
