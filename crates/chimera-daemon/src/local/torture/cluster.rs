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
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use tokio::time::{Instant, timeout};

/// Work must go on within that time after a fault.
const GOES_ON: Duration = Duration::from_secs(15);
/// How long it is waited for at most, so that a run ends.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long tasks are kept that have ended. What ends during a fault bears the time of before it, and is seen only afterwards:
/// it must not be removed before it was read.
pub(super) const KEPT: Duration = Duration::from_secs(60);
/// How far a daemon's clock may be ahead: what it recorded before the fault must not count.
const CLOCKS: Duration = Duration::from_millis(500);
/// How long the cluster may take to be whole again after a fault. The program that waits for it has a limit of its own, and
/// says more.
const WHOLE: Duration = Duration::from_secs(150);
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
    /// From the end of the fault until all machines had their part again, in milliseconds; absent: they had not in time.
    pub whole_after: Option<u64>,
    /// Why they had not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broken: Option<String>,
}

/// The cluster, and the program that does something to it.
pub(super) struct Cluster {
    pub(super) control: PathBuf,
    pub(super) store: Store,
    pub(super) rng: fastrand::Rng,
}

impl Cluster {
    /// Harms it again and again until a time, or until it does not get well, and leaves it whole.
    pub(super) async fn harm(mut self, until: Instant) -> Result<Vec<Recovery>> {
        self.make_whole().await?;
        let mut recoveries = Vec::new();
        for what in FAULTS.into_iter().cycle() {
            if Instant::now() >= until {
                break;
            }
            tokio::time::sleep(Duration::from_millis(self.rng.u64(PEACE))).await;
            let mut recovery = self.harm_once(what).await?;
            let began = Instant::now();
            match self.make_whole().await {
                Ok(()) => recovery.whole_after = u64::try_from(began.elapsed().as_millis()).ok(),
                // What was found so far counts all the same.
                Err(err) => recovery.broken = Some(format!("{err:#}")),
            }
            tracing::info!(?recovery, "the primary was harmed");
            let is_whole = recovery.broken.is_none();
            recoveries.push(recovery);
            if !is_whole {
                break;
            }
        }
        Ok(recoveries)
    }

    async fn harm_once(&self, what: &'static str) -> Result<Recovery> {
        let last = self.last_result().await;
        let from = Clock::system().now();
        let machine = self.tell(what).await?;
        let after = Clock::system().now();
        let at = self.next_result(last, after).await;
        let milliseconds = at.and_then(|at| u64::try_from(at.0 - from.0).ok());
        Ok(Recovery { what, machine, from, milliseconds, whole_after: None, broken: None })
    }

    /// Ends what was done, and waits until there is one primary again, and all others are waited for by its commits.
    async fn make_whole(&self) -> Result<()> {
        self.tell("heal").await?;
        match timeout(WHOLE, self.tell("wait")).await {
            Ok(told) => told.map(drop),
            Err(_) => bail!("it is not told within {WHOLE:?} whether the cluster is whole"),
        }
    }

    async fn tell(&self, what: &str) -> Result<String> {
        let mut command = Command::new(&self.control);
        let output = command.arg(what).stdin(Stdio::null()).kill_on_drop(true).output().await;
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
    let violation = |what| Violation { task: None, what };
    let mut violations = Vec::new();
    for Recovery { what, machine, milliseconds, broken, .. } in recoveries {
        let took = match milliseconds {
            Some(took) if *took <= limit => None,
            Some(took) => Some(format!("went on after {took} ms")),
            None => Some(format!("did not go on within {PATIENCE:?}")),
        };
        violations.extend(took.map(|took| violation(format!("after {what} of {machine}, work {took}"))));
        let broken = broken.as_ref().map(|why| format!("after {what} of {machine}: {why}"));
        violations.extend(broken.map(violation));
    }
    violations
}

/// How long work stood still, by what was done, as a line for people.
pub fn standstills(recoveries: &[Recovery]) -> String {
    let mut by_kind: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for Recovery { what, milliseconds, .. } in recoveries {
        by_kind.entry(what).or_default().extend(milliseconds);
    }
    let seconds = |milliseconds: u64| Duration::from_millis(milliseconds).as_secs_f64();
    let told = by_kind.into_iter().filter_map(|(what, mut took)| {
        took.sort_unstable();
        let (median, longest) = (*took.get(took.len() / 2)?, *took.last()?);
        let (times, median, longest) = (took.len(), seconds(median), seconds(longest));
        Some(format!("{what} {times} times: {median:.1} s, {longest:.1} s"))
    });
    told.collect::<Vec<_>>().join("; ")
}

/// Nobody could extend a lease while there was no primary.
pub(super) fn excuse(harmed: &mut Harmed, recoveries: &[Recovery]) {
    for Recovery { what, from, milliseconds, .. } in recoveries {
        let lasted = milliseconds.map_or(PATIENCE, Duration::from_millis);
        harmed.held_up.push((*from, from.plus(lasted + 3 * LEASE)));
        *harmed.done.entry(what).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recovery(what: &'static str, milliseconds: Option<u64>) -> Recovery {
        let (machine, from) = ("one".to_owned(), UnixMillis(0));
        Recovery { what, machine, from, milliseconds, whole_after: Some(1), broken: None }
    }

    #[test]
    fn what_takes_too_long_or_stays_broken_is_a_violation() {
        assert_eq!(too_slow(&[recovery("kill", Some(15_000))]), []);
        let broken =
            Recovery { broken: Some("two does not follow".to_owned()), ..recovery("cut", Some(15_001)) };
        let told: Vec<String> =
            too_slow(&[recovery("kill", None), broken]).into_iter().map(|violation| violation.what).collect();
        let expected = [
            "after kill of one, work did not go on within 60s",
            "after cut of one, work went on after 15001 ms",
            "after cut of one: two does not follow",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn standstills_are_told_by_kind() {
        let took = [("kill", 9_000), ("cut", 12_000), ("kill", 11_000), ("kill", 10_000)];
        let recoveries: Vec<_> = took.iter().map(|(what, took)| recovery(what, Some(*took))).collect();
        let told = "cut 1 times: 12.0 s, 12.0 s; kill 3 times: 10.0 s, 11.0 s";
        assert_eq!(standstills(&recoveries), told);
    }
}
