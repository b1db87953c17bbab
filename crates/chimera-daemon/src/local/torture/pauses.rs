//! The pauses that people set and end while daemons are tortured.

use super::answered;
use super::people::People;
use crate::seams::Clock;
use chimera_core::{Role, Scope, UnixMillis};
use chimera_store::hold;
use std::time::Duration;
use tokio::time::Instant;

/// One round in so many pauses something, for so many milliseconds at most.
const PAUSES: u32 = 10;
const PAUSED: u64 = 400;

/// A pause that people set: in force from the first moment on, and until the second at least.
#[derive(Debug, Clone)]
pub(super) struct Paused {
    pub(super) scope: Scope,
    pub(super) from: UnixMillis,
    pub(super) until: Option<UnixMillis>,
    resume: Instant,
    resumed: bool,
}

impl People {
    /// Pauses something for a moment, now and then, and ends pauses whose time has come.
    pub(super) async fn pause(&mut self, all_over: bool) {
        let due = |one: &Paused| !one.resumed && (all_over || one.resume <= Instant::now());
        for place in 0..self.pauses.len() {
            if due(&self.pauses[place]) {
                let scope = self.pauses[place].scope.clone();
                self.pauses[place].until.get_or_insert_with(|| Clock::system().now());
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
        let resume = Instant::now() + Duration::from_millis(self.rng.u64(..=PAUSED));
        self.pauses.push(Paused { scope, from, until: None, resume, resumed: false });
        self.note("pauses");
    }
}
