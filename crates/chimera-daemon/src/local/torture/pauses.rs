//! The pauses that people set and end while daemons are tortured.

use super::answered;
use super::people::People;
use crate::seams::Clock;
use chimera_core::{Role, Scope, UnixMillis};
use chimera_store::{hold, read};
use std::time::Duration;
use tokio::time::Instant;

/// One round in so many pauses something, for so many milliseconds at most.
const PAUSES: u32 = 10;
const PAUSED: u64 = 400;

/// A pause that people set.
#[derive(Debug, Clone)]
pub(super) struct Paused {
    pub(super) scope: Scope,
    /// It is in force by then.
    pub(super) from: UnixMillis,
    /// The newest entry of the journal by then, and the newest before it was ended: what has a number between the two was
    /// committed meanwhile. (By what it says of its time alone, nothing is: a clock may be behind, and a result may have to
    /// wait for the database.)
    pub(super) entries: (i64, i64),
    resume: Instant,
    over: bool,
    resumed: bool,
}

impl People {
    /// Pauses something for a moment, now and then, and ends pauses whose time has come.
    pub(super) async fn pause(&mut self, all_over: bool) {
        let due = |one: &Paused| !one.resumed && (all_over || one.resume <= Instant::now());
        for place in 0..self.pauses.len() {
            if due(&self.pauses[place]) {
                let scope = self.pauses[place].scope.clone();
                if !std::mem::replace(&mut self.pauses[place].over, true) {
                    self.pauses[place].entries.1 = self.newest_entry().await.unwrap_or(0);
                }
                let resumed = answered(self.store.write_alone(move |tx| hold::resume(tx, &scope))).await;
                self.pauses[place].resumed = resumed.is_ok();
            }
        }
        if all_over || self.pauses.iter().any(|one| !one.resumed) || self.rng.u32(..PAUSES) > 0 {
            return;
        }
        let scopes = [Scope::Queue, Scope::Project("bench".to_owned()), Scope::Role(Role::Coder)];
        let scope = scopes[self.rng.usize(..scopes.len())].clone();
        let (now, paused) = (Clock::system().now(), scope.clone());
        let pause = self.store.write_alone(move |tx| hold::pause(tx, &paused, None, now));
        let answer = answered(pause).await;
        // Without an answer it may be in force; nothing is known from then on.
        let from = if answer.is_ok() { Clock::system().now() } else { UnixMillis(i64::MAX) };
        let entries = (self.newest_entry().await.unwrap_or(i64::MAX), 0);
        let resume = Instant::now() + Duration::from_millis(self.rng.u64(..=PAUSED));
        self.pauses.push(Paused { scope, from, entries, resume, over: false, resumed: false });
        self.note("pauses");
    }

    async fn newest_entry(&self) -> Option<i64> {
        answered(self.store.read(read::last_event_id)).await.ok()
    }
}
