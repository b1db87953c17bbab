//! The built-in reviewer: deterministic checks of a change.
//!
//! Each check is a function of the change that gives findings; any finding of severity `error` rejects. Map:
//! `diff` reads a unified diff, `rules` holds the checks of the change itself, `secrets` the shapes of
//! secrets, and the project's own commands run last, in a snapshot of the change.

mod diff;
mod rules;
mod secrets;

use crate::process::{self, Exit, SpawnError, Spec};
use crate::spec::Project;
use chimera_core::{Digest, Finding, Severity};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

pub use rules::{LOCKS, PROTECTED};

/// Most output kept of a project's check.
const OUTPUT_CAP: u64 = 16 << 20;
/// Time between TERM and KILL.
const GRACE: Duration = Duration::from_secs(2);
/// Lines of a failed check's output that its finding shows.
const TAIL_LINES: usize = 20;

/// A change to review.
#[derive(Debug)]
pub struct Review<'a> {
    /// `git diff --unified=0 --no-renames` from the base to the head.
    pub diff: &'a [u8],
    /// Where the frozen test lives.
    pub frozen_path: &'a str,
    /// Its hash on record.
    pub frozen_sha256: &'a Digest,
    /// Its content at the head, if it is still there.
    pub frozen_at_head: Option<&'a [u8]>,
    /// The project with its rules.
    pub project: &'a Project,
    /// A copy of the head that the project's checks may do with what they like.
    pub snapshot: &'a Path,
    /// Where the checks write.
    pub log: &'a Path,
    /// Wall clock limit of each check.
    pub timeout: Duration,
    /// The environment of the checks.
    pub environment: BTreeMap<String, String>,
}

/// What the reviewer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What it found.
    pub findings: Vec<Finding>,
    /// One sentence.
    pub summary: String,
}

impl Verdict {
    /// Whether nothing stands in the way.
    pub fn approved(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity != Severity::Error)
    }
}

/// There is no verdict.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// The attempt was stopped.
    #[error("the review was stopped")]
    Stopped,
    /// A check of the project could not be started.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// A check of the project was ended by something else.
    #[error("check `{0}` {1}")]
    Killed(String, String),
}

/// Reviews a change.
///
/// # Errors
/// [`ReviewError`] if a check of the project did not run to an end of its own accord.
pub async fn review(review: &Review<'_>, stop: &CancellationToken) -> Result<Verdict, ReviewError> {
    let change = diff::parse(review.diff);
    let mut findings = rules::all(review, &change);
    if findings.iter().all(|finding| finding.severity != Severity::Error) {
        for command in &review.project.checks {
            findings.extend(check(review, command, stop).await?);
        }
    }
    findings.truncate(chimera_core::limits::FINDINGS);
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    let checks = review.project.checks.len();
    let summary = match errors {
        0 => format!("approved: {} files changed, {checks} checks of the project passed", change.len()),
        1 => findings
            .iter()
            .find(|f| f.severity == Severity::Error)
            .map_or_else(String::new, |f| f.message.clone()),
        _ => format!("{errors} findings stand in the way"),
    };
    Ok(Verdict { findings, summary })
}

/// Runs one of the project's own checks.
async fn check(
    review: &Review<'_>,
    command: &str,
    stop: &CancellationToken,
) -> Result<Option<Finding>, ReviewError> {
    let spec = Spec {
        argv: vec!["sh".to_owned(), "-c".to_owned(), command.to_owned()],
        cwd: review.snapshot.to_owned(),
        env: review.environment.clone(),
        stdin: Vec::new(),
        log: review.log.to_owned(),
        timeout: review.timeout,
        stall: None,
        grace: GRACE,
        output_cap: OUTPUT_CAP,
    };
    let exit = process::run_to_the_end(&spec, stop).await?;
    if let Some(why) = exit.from_outside() {
        return Err(ReviewError::Killed(command.to_owned(), why));
    }
    let ended = match exit {
        Exit::Code(0) => return Ok(None),
        Exit::Stopped => return Err(ReviewError::Stopped),
        Exit::Code(code) => format!("ended with exit code {code}"),
        Exit::Signal(signal) => format!("was ended by signal {signal}"),
        Exit::TimedOut => format!("was not done within {:?}", review.timeout),
        Exit::Stalled | Exit::Flooded => "wrote too much".to_owned(),
    };
    let log = std::fs::read(review.log).unwrap_or_default();
    let lines: Vec<String> = String::from_utf8_lossy(&log).lines().map(str::to_owned).collect();
    let tail = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n");
    let mut message = format!("the check `{command}` {ended}:\n{tail}");
    chimera_core::limits::truncate(&mut message, chimera_core::limits::SUMMARY_BYTES);
    Ok(Some(Finding { file: None, line: None, severity: Severity::Error, message }))
}
