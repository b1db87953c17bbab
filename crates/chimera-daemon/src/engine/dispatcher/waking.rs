//! What wakes the dispatcher beside its own calls: commits that concern it, times, and the poll that finds what no commit told.

use super::{Dispatcher, Running, Stop};
use chimera_core::{TaskId, UnixMillis};
use chimera_store::{Commits, StoreError, lease};
use std::time::Duration;
use tokio::time::Instant;

/// How long commits are gathered before they are searched for cancellations: a busy daemon commits thousands of
/// times a second itself.
const GATHER: Duration = Duration::from_millis(20);
/// How many times its interval the poll waits at most, once nothing has happened for a while: it only finds what a lost
/// notification did not tell.
const LULL: u32 = 4;

impl Dispatcher {
    /// Something was committed somewhere. What concerns nobody but readers costs the database nothing.
    pub(super) fn changed(&mut self, commits: Commits) {
        let before = std::mem::replace(&mut self.heard, commits);
        self.heard_since = true;
        if commits.claimable != before.claimable || self.held_back {
            self.claim_wanted = true;
            self.poll_in(self.settings().poll_interval);
        }
        if commits.cancelled != before.cancelled && !self.running.is_empty() {
            self.look_at.get_or_insert_with(|| Instant::now() + GATHER);
        }
        self.look_if_due();
    }

    /// A time has come.
    pub(super) fn woken(&mut self) {
        let now = self.context.clock.now();
        self.claim_wanted |= self.next_ready.is_some_and(|at| at <= now);
        self.look_if_due();
        if self.poll_at <= Instant::now() {
            self.claim_wanted = true;
            self.poll_in(self.lull.saturating_mul(2).min(self.settings().poll_interval * LULL));
            self.look();
        }
    }

    fn poll_in(&mut self, lull: Duration) {
        (self.lull, self.poll_at) = (lull, Instant::now() + lull);
    }

    /// How long nothing needs to be looked at.
    pub(super) fn nap(&self) -> Duration {
        let now = self.context.clock.now();
        let deadline = self.running.values().filter_map(Running::deadline_ahead).min();
        let until = |at: UnixMillis| at.since(now).max(Duration::from_millis(1));
        let deadline = deadline.map(until);
        // While no claim may begin, it does not matter when one would find something.
        let ready = self.next_ready.filter(|_| self.may_claim() && !self.claim_wanted).map(until);
        let look = self.look_at.map(|at| at.saturating_duration_since(Instant::now()));
        let poll = self.poll_at.saturating_duration_since(Instant::now());
        let nap = [ready, deadline, look, self.pool.nap()].into_iter().flatten().fold(poll, Duration::min);
        // Whatever is due now and waits for the database is not looked at before it may be asked again.
        self.claims.left().filter(|_| self.claim_wanted).map_or(nap, |left| nap.min(left))
    }

    pub(super) fn look_if_due(&mut self) {
        if self.look_at.is_some_and(|at| at <= Instant::now()) {
            self.look();
        }
    }

    /// Looks for running tasks that somebody asked to cancel.
    fn look(&mut self) {
        self.look_at = None;
        self.look_again = !self.looking.is_idle();
        if self.running.is_empty() || self.look_again || self.looks.left().is_some() {
            return;
        }
        let context = self.context.clone();
        self.looking.begin(async move {
            let (store, owner) = (context.store.clone(), context.owner.clone());
            store.read_apart(move |tx| lease::cancellations(tx, owner.as_str())).await
        });
    }

    pub(super) fn looked(&mut self, found: Result<Vec<TaskId>, StoreError>) {
        if std::mem::take(&mut self.look_again) {
            self.look_at = Some(Instant::now() + GATHER);
        }
        match found {
            Ok(tasks) => {
                self.looks.over();
                self.stop_where(Stop::Cancelled, |running| tasks.contains(&running.task));
            }
            Err(err) => self.looks.failed(&err),
        }
    }
}
