//! What the next round is shown of a run or a suite that was not green.

use super::bench::Bench;
use super::halt::Halt;
use crate::command::{FAILURE_FILE, Failure};
use chimera_core::{Evidence, EvidenceKind, Setback, TestReport};

/// Most bytes of a server's log that are kept of one run.
pub(super) const LOG_BYTES: usize = 64 * 1024;
/// Most lines of its end that a prompt shows: a traceback with what led to it.
const LOG_LINES: usize = 40;

/// A run of the frozen test that did not pass.
pub(super) struct Missed {
    /// What its files are named after, such as `green-1`.
    pub(super) label: String,
    /// What the test did.
    pub(super) report: TestReport,
    /// Hosts that the page asked for in vain.
    pub(super) refused: Vec<String>,
    /// What the staged server printed meanwhile, at most [`LOG_BYTES`].
    pub(super) server_log: String,
}

impl Missed {
    /// The run before the change, of a test that will not do.
    pub(super) fn red(report: TestReport) -> Self {
        Self { label: "red".to_owned(), report, refused: Vec::new(), server_log: String::new() }
    }

    /// Adds to a setback what the next round is shown of this run.
    pub(super) fn explain(&self, bench: &Bench<'_>, setback: &mut Setback) -> Result<(), Halt> {
        let label = &self.label;
        let log = self.server_log.trim_end();
        if !log.is_empty() {
            bench.keep_bytes(EvidenceKind::Log, &format!("{label}-server.log"), log.as_bytes())?;
        }
        let failure = Failure {
            refused: self.refused.clone(),
            server_log: (!log.is_empty()).then(|| end(log)),
            ..Failure::of_test(&self.report)
        };
        let (dash, dot) = (format!("{label}-"), format!("{label}."));
        let shown =
            |name: &str| (name.starts_with(&dash) || name.starts_with(&dot)) && !name.ends_with(".webm");
        let files = keep(bench, &failure, shown)?;
        let others = files.into_iter().filter(|file| !setback.files.contains(file)).collect::<Vec<_>>();
        setback.files.extend(others);
        Ok(())
    }
}

/// Keeps all that is known of a failure, and gives what the next round is shown: that, and the evidence of these names.
pub(super) fn keep(
    bench: &Bench<'_>,
    failure: &Failure,
    shown: impl Fn(&str) -> bool,
) -> Result<Vec<Evidence>, Halt> {
    bench.keep_bytes(EvidenceKind::Log, FAILURE_FILE, &serde_json::to_vec_pretty(failure)?)?;
    Ok(bench.kept(|name| name == FAILURE_FILE || shown(name)))
}

/// The last lines of a log.
fn end(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
}
