//! What was done to the daemons, and what it excuses.

use super::LEASE;
use crate::seams::Clock;
use chimera_agent::process::Identity;
use chimera_core::UnixMillis;
use std::collections::BTreeMap;
use std::time::Duration;

/// How far the clocks of the torturer and of a database server may be apart on one machine.
const CLOCKS: Duration = Duration::from_millis(50);

/// What was done, and to whom.
#[derive(Default)]
pub(super) struct Harmed {
    /// The daemons that something was done to, and when first.
    pub(super) pids: BTreeMap<u32, UnixMillis>,
    /// When the clock of the machine first jumped, by the earliest clock.
    pub(super) jumped: Option<UnixMillis>,
    /// Times in which everybody may have waited for the database: somebody slept with its lock in hand, or there was none.
    pub(super) held_up: Vec<(UnixMillis, UnixMillis)>,
    pub(super) done: BTreeMap<&'static str, u32>,
}

impl Harmed {
    /// Whether something was done to the daemon of that name, by then, that costs it its lease; if not, how much later
    /// the first thing was done to it.
    pub(super) fn excuses(&self, worker: &str, by: UnixMillis) -> Result<(), String> {
        let identity = worker.split_once('/').and_then(|(process, _)| Identity::parse(process));
        let own = identity.and_then(|identity| self.pids.get(&identity.pid()));
        let latest = by.plus(CLOCKS);
        let held_up = |(from, until): &(UnixMillis, UnixMillis)| {
            (*from..=until.plus(CLOCKS + CLOCKS)).contains(&latest)
        };
        match own.into_iter().chain(&self.jumped).min() {
            Some(first) if *first <= latest => Ok(()),
            _ if self.held_up.iter().any(held_up) => Ok(()),
            Some(first) => Err(format!("nothing was done until {} ms later", first.0 - by.0)),
            None => Err("nothing was done".to_owned()),
        }
    }

    /// Takes note that the database could not be reached since then. An answer that was lost shows at the next heartbeat,
    /// a lease that could not be extended has run out, and was taken over, after two leases at the latest.
    pub(super) fn disconnected(&mut self, from: UnixMillis) {
        self.held_up.push((from, Clock::system().now().plus(2 * LEASE)));
    }

    pub(super) fn mark(&mut self, pid: u32) {
        self.pids.entry(pid).or_insert_with(|| Clock::system().now());
    }
}
