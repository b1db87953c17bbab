//! A cluster of database servers whose primary is killed and cut off while the daemons work on it.
//!
//! What is done to it, a program does, as `cargo xtask with-patroni` hands one on. Between two faults the cluster is made
//! whole again: a second one meanwhile leaves it without a majority, and it stands still until its machines are back.

use super::LEASE;
use super::harmed::Harmed;
use super::verdict::Violation;
use crate::seams::Clock;
use anyhow::{Context, Result, bail};
use chimera_core::{EntryKind, UnixMillis};
use chimera_store::{Store, read};
use serde::Serialize;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use tokio::time::{Instant, timeout};

/// Work must go on within that time after a fault.
const GOES_ON: Duration = Duration::from_secs(15);
/// How long it is waited for at most, so that a run ends.
const PATIENCE: Duration = Duration::from_secs(60);
/// How far a daemon's clock may be ahead: what it recorded before the fault must not count.
const CLOCKS: Duration = Duration::from_millis(500);
/// Pause between two looks whether work goes on.
const PACE: Duration = Duration::from_millis(200);
/// How long work goes on undisturbed between two faults, in milliseconds.
const PEACE: std::ops::Range<u64> = 1_000..5_000;
/// The faults, in turn: twice as many deaths as cuts.
const FAULTS: [&str; 6] = ["kill", "cut", "kill-postgres", "kill-machine", "cut", "kill"];

/// A fault and what came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Recovery {
    /// What was done.
    pub what: &'static str,
    /// The machine that was the primary.
    pub machine: String,
    /// When.
    #[serde(skip)]
    pub from: UnixMillis,
    /// From then until the next result was seen, in milliseconds; absent: none was.
    pub milliseconds: Option<u64>,
}

/// The cluster, and the program that does something to it.
pub(super) struct Cluster {
    pub(super) control: PathBuf,
    pub(super) store: Store,
    pub(super) rng: fastrand::Rng,
}

impl Cluster {
    /// Harms it again and again until a time, and leaves it whole.
    pub(super) async fn harm(mut self, until: Instant) -> Result<Vec<Recovery>> {
        let mut recoveries = Vec::new();
        for what in FAULTS.into_iter().cycle() {
            self.tell("heal").await?;
            if let Err(err) = self.tell("wait").await {
                // What was found so far counts all the same.
                let (from, machine) = (Clock::system().now(), format!("{err:#}"));
                recoveries.push(Recovery { what: "wait", machine, from, milliseconds: None });
                break;
            }
            if Instant::now() >= until {
                break;
            }
            tokio::time::sleep(Duration::from_millis(self.rng.u64(PEACE))).await;
            let last = self.last_result().await;
            let from = Clock::system().now();
            let machine = self.tell(what).await?;
            let after = Clock::system().now();
            let at = self.next_result(last, after).await;
            let milliseconds = at.and_then(|at| u64::try_from(at.0 - from.0).ok());
            tracing::info!(what, machine, milliseconds, "the primary was harmed");
            recoveries.push(Recovery { what, machine, from, milliseconds });
        }
        Ok(recoveries)
    }

    async fn tell(&self, what: &str) -> Result<String> {
        let mut command = Command::new(&self.control);
        let output = command.arg(what).stdin(Stdio::null()).output().await;
        let output = output.with_context(|| format!("{} cannot be started", self.control.display()))?;
        if !output.status.success() {
            bail!("{} {what}: {}", self.control.display(), String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    async fn last_result(&self) -> i64 {
        let last = self.store.read(read::last_event_id);
        timeout(PATIENCE, last).await.ok().and_then(Result::ok).unwrap_or_default()
    }

    /// When a result was first seen that a daemon came to after a time. What an entry says of its own time does not do: it
    /// is when the daemon began to record it.
    async fn next_result(&self, mut last: i64, after: UnixMillis) -> Option<UnixMillis> {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            let events = self.store.read(move |tx| read::events(tx, None, last, read::PAGE));
            if let Ok(Ok(events)) = timeout(PATIENCE, events).await {
                last = events.last().map_or(last, |event| event.id);
                let settled = |event: &&read::Event| {
                    event.entry.at > after.plus(CLOCKS)
                        && matches!(event.entry.kind, EntryKind::Settled { .. })
                };
                if events.iter().any(|event| settled(&event)) {
                    return Some(Clock::system().now());
                }
                if !events.is_empty() {
                    continue;
                }
            }
            tokio::time::sleep(PACE).await;
        }
        None
    }
}

/// What took too long.
pub(super) fn too_slow(recoveries: &[Recovery]) -> Vec<Violation> {
    let limit = u64::try_from(GOES_ON.as_millis()).unwrap_or(u64::MAX);
    let slow = recoveries.iter().filter(|recovery| recovery.milliseconds.is_none_or(|took| took > limit));
    let told = |Recovery { what, machine, milliseconds, .. }: &Recovery| {
        let took = milliseconds.map_or_else(
            || format!("did not go on within {PATIENCE:?}"),
            |took| format!("went on after {took} ms"),
        );
        Violation { task: None, what: format!("after {what} of {machine}, work {took}") }
    };
    slow.map(told).collect()
}

/// Nobody could extend a lease while there was no primary.
pub(super) fn excuse(harmed: &mut Harmed, recoveries: &[Recovery]) {
    for Recovery { what, from, milliseconds, .. } in recoveries {
        let lasted = milliseconds.map_or(PATIENCE, Duration::from_millis);
        harmed.held_up.push((*from, from.plus(lasted + 3 * LEASE)));
        *harmed.done.entry(what).or_default() += 1;
    }
}
