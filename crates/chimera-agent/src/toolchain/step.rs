//! Runs one command of the set-up.

use super::setup::SetupError;
use crate::process::{self, Exit, Spec};
use crate::scratch::Scratch;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A download over a slow line takes a while; a command that takes longer hangs.
const STEP_TIMEOUT: Duration = Duration::from_secs(15 * 60);
/// A probe such as `--version` answers at once, even on a busy machine.
const PROBE_TIMEOUT: Duration = Duration::from_secs(30);
/// What a command may print; package managers print kilobytes.
const OUTPUT_CAP: u64 = 16 * 1024 * 1024;
/// How many of its last lines tell what went wrong.
const TAIL_LINES: usize = 12;

/// Runs a command to success.
///
/// # Errors
/// [`SetupError::Command`] with the end of its output.
pub(super) async fn must(
    what: &'static str,
    argv: Vec<String>,
    env: &BTreeMap<String, String>,
    logs: &Path,
) -> Result<(), SetupError> {
    let log = logs.join(format!("{}.log", what.replace(' ', "-")));
    let exit = process::run(&spec(argv, env, &log, STEP_TIMEOUT), &CancellationToken::new()).await;
    let problem = match exit {
        Ok(Exit::Code(0)) => return Ok(()),
        Ok(Exit::Code(code)) => format!("it exited with code {code}"),
        Ok(Exit::TimedOut) => format!("it took longer than {} minutes", STEP_TIMEOUT.as_secs() / 60),
        Ok(exit) => format!("it ended with {exit:?}"),
        Err(err) => err.to_string(),
    };
    Err(SetupError::Command { what, problem, tail: tail(&log), log })
}

/// Runs a command that answers a question; `None` if it fails.
pub(super) async fn answer(argv: Vec<String>, env: &BTreeMap<String, String>) -> Option<String> {
    let dir = Scratch::system().dir().ok()?;
    let log = dir.path().join("log");
    let exit = process::run(&spec(argv, env, &log, PROBE_TIMEOUT), &CancellationToken::new()).await;
    if !matches!(exit, Ok(Exit::Code(0))) {
        return None;
    }
    let text = std::fs::read(&log).ok()?;
    Some(String::from_utf8_lossy(&text).trim().to_owned())
}

fn spec(argv: Vec<String>, env: &BTreeMap<String, String>, log: &Path, timeout: Duration) -> Spec {
    Spec {
        argv,
        cwd: log.parent().unwrap_or(Path::new("/")).to_owned(),
        env: env.clone(),
        stdin: Vec::new(),
        log: log.to_owned(),
        timeout,
        stall: None,
        grace: Duration::from_secs(2),
        output_cap: OUTPUT_CAP,
    }
}

/// The last lines of a log.
fn tail(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}
