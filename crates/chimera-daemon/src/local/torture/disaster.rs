//! What befalls everybody at once: the server restarts, the disk is full, the clock of the machine jumps.

use super::LEASE;
use super::ailment::Ailment;
use super::crew::Crew;
use crate::seams::Clock;
use anyhow::Result;
use chimera_core::UnixMillis;
use chimera_store::Plant;
use std::io::Write;
use std::time::Duration;
use tokio::time::Instant;

/// Longest that the disk is full, in milliseconds: leases run out meanwhile, or not.
const FULL: u64 = 3_000;
/// Farthest that the clock of the machine jumps, in milliseconds: leases run out at once. What waits for a time waits
/// so much longer after a jump back, so it must be little.
const JUMP: i64 = 5_000;

impl Crew {
    /// Restarts the database server, if it is ours: in good order, or as after a crash.
    pub(super) fn restart_server(&mut self) -> Result<bool> {
        let mode = if self.rng.bool() { "fast" } else { "immediate" };
        let Some(server) = self.server() else { return Ok(false) };
        let from = Clock::system().now();
        server.stop(mode)?;
        server.start("")?;
        self.harmed.disconnected(from);
        Ok(true)
    }

    /// Leaves the database no room to grow, for everybody and for a while.
    pub(super) async fn fill_disk(&mut self) {
        if self.full_until.is_some() {
            return;
        }
        let least = if self.plant == Some(Plant::Restless) { FULL } else { 0 };
        let lasts = Duration::from_millis(self.rng.u64(least..=FULL));
        (self.full_since, self.full_until) = (Some(Instant::now()), Some(Instant::now() + lasts));
        let now = Clock::system().now();
        // Nothing can be recorded: whose lease runs out meanwhile loses it.
        self.harmed.held_up.push((now, now.plus(lasts + 2 * LEASE)));
        self.tell_all("full");
        // The torturer's own submissions meet with it as well.
        let _ = self.store.write(|tx| tx.fill(true)).await;
    }

    /// Gives the database its room back, once it is time.
    pub(super) async fn make_room(&mut self, at_once: bool) {
        if self.full_until.is_some_and(|until| at_once || until <= Instant::now()) {
            self.full_until = None;
            if let Some(since) = self.full_since.take() {
                self.ailing.note(Ailment::Full, since);
            }
            self.tell_all("room");
            let _ = self.store.write(|tx| tx.fill(false)).await;
        }
    }

    /// The clock of the machine jumps: everybody on it sees another time.
    pub(super) fn jump(&mut self) {
        self.ahead = self.rng.i64(-JUMP..=JUMP);
        let now = Clock::system().now();
        // From now on anybody's lease may have run out, and the journal may tell it by a clock that is behind.
        self.harmed.jumped.get_or_insert(UnixMillis(now.0 - 2 * JUMP));
        let ahead = self.ahead;
        self.tell_all(&format!("ahead {ahead}"));
    }

    /// Says something to one of the daemons.
    pub(super) fn tell_one(&mut self, what: &str) {
        if let Some(stdin) = self.daemons.first_mut().and_then(|daemon| daemon.stdin.as_mut()) {
            let _ = writeln!(stdin, "{what}");
        }
    }

    /// Says something to every daemon, also to those that sleep: they hear it when they wake up.
    fn tell_all(&mut self, what: &str) {
        let sleeping = self.sleeping.iter_mut().map(|(daemon, ..)| daemon);
        for daemon in self.daemons.iter_mut().chain(sleeping) {
            if let Some(stdin) = &mut daemon.stdin {
                // One that has ended hears nothing.
                let _ = writeln!(stdin, "{what}");
            }
        }
    }
}
