//! The suite that the project already has: what it fails after the change and did not before sends the task back.
//!
//! It runs in a copy of the commit, after the change, and before it, too, if there is something to compare. With a JUnit
//! report that is every test: one that passed and is gone or skipped now is as bad as one that fails. Without a
//! report the exit code is all that is known of it. Frozen tests are not in that copy: they are no part of the suite.

use super::bench::Bench;
use super::halt::Halt;
use super::junit::{self, Ran, WHOLE};
use super::{missed, place};
use crate::command::{FailedSuite, Failure};
use crate::process::{self, Exit, Spec};
use crate::spec::{Project, Suite};
use crate::workspace::Worktree;
use chimera_core::{Digest, EvidenceKind, Finding, Reason, Setback, Severity, limits};
use std::path::Path;
use std::time::Duration;

/// Most output kept of a run.
const OUTPUT_CAP: u64 = 16 << 20;
/// Between TERM and KILL.
const GRACE: Duration = Duration::from_secs(2);
/// Bytes of the end of a run's output that its finding shows.
const TAIL_BYTES: usize = 2_000;

/// Halts if the change makes something fail that did not fail before it, or go away that passed before it.
pub(super) async fn must_hold(
    bench: &Bench<'_>,
    project: &Project,
    worktree: &Worktree,
    (base, head): (&Digest, &Digest),
) -> Result<(), Halt> {
    let Some(suite) = &project.suite else { return Ok(()) };
    let after = run(bench, (project, suite), worktree, head, "suite-head").await?;
    if after.failures.is_empty() && suite.report.is_none() {
        return Ok(());
    }
    let before = run(bench, (project, suite), worktree, base, "suite-base").await?;
    let newly = after.newly(&before);
    if newly.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = newly.keys().map(String::as_str).collect();
    let why =
        format!("{} fails with the change and did not without it (see suite-head.log)", names.join(", "));
    let known = !newly.contains_key(WHOLE);
    let fingerprint = known.then(|| crate::vault::sha256(names.join("\0").as_bytes()));
    let findings = newly.iter().take(limits::FINDINGS).map(|(name, case)| {
        let mut message = format!("{name}: {}", case.message);
        limits::truncate(&mut message, limits::SUMMARY_BYTES);
        Finding { file: None, line: None, severity: Severity::Error, message }
    });
    let findings = findings.collect();
    let mut setback = Setback { findings, fingerprint, ..Setback::new(Reason::NotGreen, why) };
    let cases = newly.into_values().take(limits::FINDINGS).collect();
    let failed = FailedSuite { command: suite.command.clone(), cases };
    let failure = Failure { suite: Some(failed), ..Failure::default() };
    setback.files = missed::keep(bench, &failure, |name| name.starts_with("suite-head"))?;
    Err(Halt::rejected(setback))
}

/// Runs the suite in a copy of a commit.
async fn run(
    bench: &Bench<'_>,
    (project, suite): (&Project, &Suite),
    worktree: &Worktree,
    commit: &Digest,
    label: &str,
) -> Result<Ran, Halt> {
    let copy = bench.private_dir(label)?;
    place::copy_for_commands(bench, project, worktree, commit, &copy).await?;
    let log = bench.log(label);
    let spec = Spec {
        argv: vec!["sh".to_owned(), "-c".to_owned(), suite.command.clone()],
        cwd: copy.clone(),
        env: bench.project_environment(&bench.private_dir("suite-home")?),
        stdin: Vec::new(),
        log: log.clone(),
        timeout: bench.attempt.timeout,
        stall: None,
        grace: GRACE,
        output_cap: OUTPUT_CAP,
    };
    let exit = process::run_to_the_end(&spec, &bench.stop).await.map_err(|err| Halt::not_started(&err))?;
    if exit == Exit::Stopped {
        return Err(Halt::interrupted());
    }
    if let Some(why) = exit.from_outside() {
        return Err(Halt::transient(Reason::AgentError, format!("the suite {why}")));
    }
    bench.keep_file(EvidenceKind::Log, &format!("{label}.log"), &log);
    let mut ran = match &suite.report {
        Some(path) => {
            if let Some(report) = junit::path(&copy, path) {
                bench.keep_file(EvidenceKind::Log, &format!("{label}-junit.xml"), &report);
            }
            junit::read(&copy, path)
                .unwrap_or_else(|| Ran::broken(format!("it left no JUnit report at {path}"), end(&log)))
        }
        None => Ran::default(),
    };
    if exit != Exit::Code(0) && ran.failures.is_empty() {
        ran = Ran::broken(format!("it ended with {}", how(&exit)), end(&log));
    }
    crate::remove::tree(&copy)?;
    Ok(ran)
}

/// The end of what a run printed.
fn end(log: &Path) -> String {
    let said = std::fs::read(log).unwrap_or_default();
    String::from_utf8_lossy(&said[said.len().saturating_sub(TAIL_BYTES)..]).into_owned()
}

fn how(exit: &Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exit code {code}"),
        Exit::Signal(signal) => format!("signal {signal}"),
        Exit::TimedOut => "no end within the limit of its phase".to_owned(),
        other => format!("{other:?}"),
    }
}
