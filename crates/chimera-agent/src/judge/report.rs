//! Reads what the plugin left.

use super::room::Room;
use super::{JudgeError, Trial, place};
use chimera_core::{Digest, FailedAt, TestReport, TestResult, TestStatus, limits};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

/// Longest message kept of a test.
const MESSAGE_BYTES: usize = 4 * 1024;
/// Longest accessibility tree kept of a failed test's page: a few screens of a rich page.
const SNAPSHOT_BYTES: usize = 8 * 1024;
/// How long a failed test's page may take to describe itself.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(1);
/// Most messages of the console, and most failed requests, that are kept of a failed test: the first ones tell most.
const NOTES: usize = 20;
/// Longest such message: an error with the first lines of its stack.
const NOTE_BYTES: usize = 500;
/// Longest address of a page.
const URL_BYTES: usize = limits::URL_BYTES;
/// Longest test id; pytest puts parameters into it.
const ID_BYTES: usize = 256;
/// Longest report that is read: every test of the largest file with as much as it may tell, and then some.
const REPORT_BYTES: u64 =
    2 * (limits::TESTS_PER_FILE * (MESSAGE_BYTES + SNAPSHOT_BYTES + 2 * NOTES * NOTE_BYTES)) as u64;
/// Most places of assertions that are kept of one test.
const PLACES: usize = 500;
/// How much of the end of the log goes into an error.
const LOG_TAIL_BYTES: usize = 2 * 1024;

/// The report as the plugin writes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Left {
    token: String,
    tests: Vec<LeftTest>,
    error: Option<String>,
    tool_error: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LeftTest {
    id: String,
    status: TestStatus,
    assertions: u32,
    #[serde(default)]
    asserted_at: Vec<u32>,
    duration_ms: u64,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    failed: Option<LeftFailed>,
}

/// Where a test failed, as the plugin writes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LeftFailed {
    /// Lines of the test file, from the test itself to the one that failed.
    lines: Vec<u32>,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    status: Option<u16>,
    #[serde(default)]
    snapshot: Option<String>,
    #[serde(default)]
    console: Vec<String>,
    #[serde(default)]
    requests: Vec<String>,
}

/// How much of what a test showed the plugins put into the report.
pub(super) fn bounds() -> serde_json::Value {
    serde_json::json!({
        "message_chars": MESSAGE_BYTES,
        "places": PLACES,
        "snapshot_chars": SNAPSHOT_BYTES,
        "snapshot_timeout_ms": SNAPSHOT_TIMEOUT.as_millis() as u64,
        "notes": NOTES,
        "note_chars": NOTE_BYTES,
    })
}

/// A report of a run that shows nothing.
pub(super) fn broken(error: impl Into<String>) -> TestReport {
    let mut error = error.into();
    limits::truncate(&mut error, MESSAGE_BYTES);
    TestReport { tests: Vec::new(), error: Some(error) }
}

/// The report of a run that has ended. Whatever is wrong with it makes it a broken one.
///
/// # Errors
/// [`JudgeError::Tool`] if the plugin never started, or the browser did not.
pub(super) fn read(room: &Room, trial: &Trial<'_>, log: &Path) -> Result<TestReport, JudgeError> {
    if !room.started() {
        return Err(JudgeError::Tool(format!("the test runner does not start: {}", tail(log))));
    }
    let Some(text) = text(&room.report()) else {
        return Ok(broken(format!("the run ended without a report: {}", tail(log))));
    };
    let left: Left = match serde_json::from_str(&text) {
        Ok(left) => left,
        Err(err) => return Ok(broken(format!("the report of the run cannot be read: {err}"))),
    };
    if left.token != room.token {
        return Ok(broken("the report was not written by the judge"));
    }
    if let Some(trouble) = left.tool_error {
        return Err(JudgeError::Tool(cut(trouble, MESSAGE_BYTES)));
    }
    if left.tests.len() > limits::TESTS_PER_FILE {
        let (found, most) = (left.tests.len(), limits::TESTS_PER_FILE);
        return Ok(broken(format!("the file has {found} tests; at most {most} are possible")));
    }
    Ok(TestReport {
        tests: left.tests.into_iter().map(|test| test.bounded(trial)).collect(),
        error: left.error.map(|error| cut(error, MESSAGE_BYTES)),
    })
}

impl LeftTest {
    fn bounded(self, trial: &Trial<'_>) -> TestResult {
        TestResult {
            id: cut(self.id, ID_BYTES),
            status: self.status,
            assertions: self.assertions,
            asserted_at: places(self.asserted_at),
            duration_ms: self.duration_ms,
            message: self.message.map(|message| cut(own_words(&message, trial.still_wait), MESSAGE_BYTES)),
            failed: self.failed.map(|failed| Box::new(failed.bounded(trial))),
        }
    }
}

impl LeftFailed {
    fn bounded(self, trial: &Trial<'_>) -> FailedAt {
        let notes = |mut notes: Vec<String>| {
            notes.truncate(NOTES);
            notes.into_iter().map(|note| cut(note, NOTE_BYTES)).collect()
        };
        let of_test = self.lines.first().copied();
        let place::Criteria { at, before } =
            of_test.map(|line| place::criteria(trial.test, line)).unwrap_or_default();
        FailedAt {
            line: self.lines.last().copied(),
            statement: self.lines.last().and_then(|line| place::statement(trial.test, *line)),
            criteria: at,
            shown: before,
            url: self.url.map(|url| cut(url, URL_BYTES)),
            status: self.status,
            snapshot: self.snapshot.map(|snapshot| cut(snapshot, SNAPSHOT_BYTES)),
            console: notes(self.console),
            requests: notes(self.requests),
        }
    }
}

/// A message without our shortened wait, which would read as if the page had been too slow.
fn own_words(message: &str, still_wait: Duration) -> String {
    let wait = still_wait.as_millis();
    message
        .replace(&format!(" with timeout {wait}ms"), "")
        .replace(
            &format!("Timeout {wait}ms exceeded."),
            "the element is not there, and nothing on the page can bring it.",
        )
        .lines()
        .filter(|line| line.trim() != format!("Timeout: {wait}ms"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Ascending, each once, and not more than are possible.
fn places(mut lines: Vec<u32>) -> Vec<u32> {
    lines.sort_unstable();
    lines.dedup();
    lines.truncate(PLACES);
    lines
}

fn cut(mut text: String, max: usize) -> String {
    limits::truncate(&mut text, max);
    text
}

/// The content of the report; `None` if there is none or it is too long.
fn text(path: &Path) -> Option<String> {
    if !fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file()) {
        return None;
    }
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(REPORT_BYTES + 1).read_to_string(&mut text));
    read.is_ok_and(|bytes| bytes as u64 <= REPORT_BYTES).then_some(text)
}

/// The end of a log.
pub(super) fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let end = &text[text.len().saturating_sub(LOG_TAIL_BYTES)..];
    let end = String::from_utf8_lossy(end).trim().to_owned();
    if end.is_empty() { "it printed nothing".to_owned() } else { end }
}

/// What a report says, without what differs from run to run (durations, ports, counts of retries): two runs
/// that fail in the same way have the same fingerprint.
pub fn fingerprint(report: &TestReport) -> Digest {
    let mut hash = Sha256::new();
    hash.update(steady(report.error.as_deref().unwrap_or_default()));
    for test in &report.tests {
        let message = steady(test.message.as_deref().unwrap_or_default());
        hash.update(format!("\0{}\0{:?}\0{message}", test.id, test.status));
        // Another picture of the page is another failure: the change went on.
        let snapshot = test.failed.as_deref().and_then(|failed| failed.snapshot.as_deref());
        hash.update(steady(snapshot.unwrap_or_default()));
    }
    let hex = hash.finalize().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    Digest::parse(&hex).unwrap_or_else(|_| unreachable!("SHA-256 has 64 hexadecimal digits"))
}

/// The lines without Playwright's counts of retries, and without numbers that are ports or durations.
fn steady(message: &str) -> String {
    let lines = message.lines().filter(|line| !line.contains(" × "));
    lines.map(without_numbers).collect::<Vec<_>>().join("\n")
}

/// Without digits after a colon (ports, lines) and before `ms`.
fn without_numbers(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let digits = rest[start..].bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest[start..].split_at(digits);
        out.push_str(&rest[..start]);
        if !out.ends_with(':') && !after.starts_with("ms") {
            out.push_str(number);
        }
        rest = after;
    }
    out + rest
}
