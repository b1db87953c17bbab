//! How much a daemon says and asks: bounded, whatever the database does.

use super::ailment::Ailment;
use super::crew::Crew;
use super::verdict::Violation;
use std::io::{BufRead, BufReader, Write};
use std::process::ChildStdout;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Between two reports of a daemon.
pub(super) const REPORT: Duration = Duration::from_millis(500);
/// How many transactions a daemon may ask for per second while the database takes none: each kind of call and each of its
/// workers waits longer after each failure, and begins with a tenth of a second.
const TRANSACTIONS: f64 = 100.0;
/// How many lines of its log a daemon may write per second meanwhile: one when a kind of call fails first, and one per worker.
const LINES: f64 = 50.0;
/// How many transactions a daemon may ask for per second while there is nothing to do: a heartbeat three times per lease,
/// each with what comes after it, and polls.
const IDLE: f64 = 40.0;
/// How long daemons are watched that have nothing to do.
const WATCHED: Duration = Duration::from_millis(2_000);
/// How long an ailment may take to show.
const ONSET: Duration = Duration::from_millis(200);

/// What a daemon has done up to a moment.
#[derive(Debug, Clone, Copy)]
struct Report {
    daemon: u32,
    at: Instant,
    transactions: u64,
    lines: u64,
}

/// The reports of all daemons.
#[derive(Clone, Default)]
pub(super) struct Ledger(Arc<Mutex<Vec<Report>>>);

impl Ledger {
    /// Takes in what a daemon reports, until it ends.
    pub(super) fn listen(&self, daemon: u32, reports: ChildStdout) {
        let ledger = self.0.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(reports).lines().map_while(Result::ok) {
                let mut numbers = line.split(' ').map(str::parse);
                let (Some(Ok(transactions)), Some(Ok(lines))) = (numbers.next(), numbers.next()) else {
                    continue;
                };
                let report = Report { daemon, at: Instant::now(), transactions, lines };
                ledger.lock().unwrap_or_else(PoisonError::into_inner).push(report);
            }
        });
    }

    /// What was too much while something ailed the database, or while there was nothing to do since `idle_since`.
    pub(super) fn too_much(
        &self,
        spells: &[(Ailment, Instant, Instant)],
        idle_since: Option<Instant>,
    ) -> Vec<Violation> {
        self.until(spells, idle_since, Instant::now())
    }

    fn until(
        &self,
        spells: &[(Ailment, Instant, Instant)],
        idle_since: Option<Instant>,
        now: Instant,
    ) -> Vec<Violation> {
        let reports = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut found = Vec::new();
        for (ailment, from, until) in spells {
            let limits = Limits {
                // While it is slow, or answers a little later, there is work to do.
                transactions: if refuses(*ailment) { TRANSACTIONS } else { f64::INFINITY },
                lines: LINES,
            };
            found.extend(limits.exceeded(&reports, *from + ONSET, *until, ailment.as_str()));
        }
        if let Some(since) = idle_since {
            let limits = Limits { transactions: IDLE, lines: LINES };
            found.extend(limits.exceeded(&reports, since + REPORT, now, "nothing to do"));
        }
        found
    }
}

/// Whether nothing can be done meanwhile.
fn refuses(ailment: Ailment) -> bool {
    matches!(ailment, Ailment::Frozen | Ailment::Unreachable | Ailment::ReadOnly)
}

struct Limits {
    transactions: f64,
    lines: f64,
}

impl Limits {
    fn exceeded(&self, reports: &[Report], from: Instant, until: Instant, during: &str) -> Vec<Violation> {
        let within: Vec<&Report> = reports.iter().filter(|one| from <= one.at && one.at <= until).collect();
        let mut found = Vec::new();
        for (place, later) in within.iter().enumerate() {
            let before = within[..place].iter().rev().find(|one| one.daemon == later.daemon);
            let Some(earlier) = before else { continue };
            // Reports that were held up come together.
            let seconds = later.at.duration_since(earlier.at).max(REPORT / 2).as_secs_f64();
            let checks = [
                ("transactions", earlier.transactions, later.transactions, self.transactions),
                ("lines of its log", earlier.lines, later.lines, self.lines),
            ];
            for (what, earlier, later, limit) in checks {
                let rate =
                    f64::from(u32::try_from(later.saturating_sub(earlier)).unwrap_or(u32::MAX)) / seconds;
                if rate > limit {
                    let what = format!("a daemon came to {rate:.0} {what} per second: {during}");
                    found.push(Violation { task: None, what });
                }
            }
        }
        found
    }
}

/// What the daemons did wrong by themselves: they ended, or did more than the database or their work calls for.
pub(super) async fn idle(crew: &mut Crew, watch: bool) -> Vec<Violation> {
    let since = Instant::now();
    if watch {
        tokio::time::sleep(WATCHED).await;
    }
    let mut found: Vec<Violation> = crew.ended().into_iter().map(Violation::of_all).collect();
    found.extend(crew.ledger.too_much(&crew.ailing.spells(), watch.then_some(since)));
    found
}

/// Counts lines that are written, and passes them on.
#[derive(Clone, Default)]
pub(super) struct Counted(Arc<AtomicU64>);

impl Counted {
    /// So far.
    pub(super) fn lines(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Write for Counted {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        let written = std::io::stderr().write(text)?;
        let lines = text[..written].iter().filter(|byte| **byte == b'\n').count();
        self.0.fetch_add(u64::try_from(lines).unwrap_or(u64::MAX), Ordering::Relaxed);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::{Ailment, Duration, Instant, Ledger, REPORT, Report};

    /// A daemon that makes so many transactions per second.
    fn busy(per_second: u64) -> (Ledger, Instant) {
        let (ledger, began) = (Ledger::default(), Instant::now());
        let reports = (0..8u32).map(|n| {
            // Two reports a second.
            let transactions = u64::from(n) * per_second / 2;
            Report { daemon: 1, at: began + REPORT * n, transactions, lines: 0 }
        });
        ledger.0.lock().expect("not poisoned").extend(reports);
        (ledger, began)
    }

    fn found(per_second: u64, ailment: Ailment) -> usize {
        let (ledger, began) = busy(per_second);
        ledger.too_much(&[(ailment, began, began + Duration::from_secs(4))], None).len()
    }

    #[test]
    fn a_daemon_that_asks_again_and_again_is_found_while_nothing_can_be_done() {
        assert_eq!(found(90, Ailment::Frozen), 0);
        assert!(found(110, Ailment::Frozen) > 0);
        assert!(found(110, Ailment::ReadOnly) > 0);
        assert_eq!(found(110, Ailment::Slow), 0, "there is work to do");
    }

    #[test]
    fn a_daemon_that_asks_while_there_is_nothing_to_do_is_found() {
        for (per_second, is_found) in [(30, false), (50, true)] {
            let (ledger, began) = busy(per_second);
            // As if all of it were over: until now counts.
            let since = began.checked_sub(REPORT * 8).expect("the machine is up for longer");
            let found = ledger.until(&[], Some(since), began + REPORT * 8);
            assert_eq!(!found.is_empty(), is_found, "{per_second} per second");
        }
    }
}
