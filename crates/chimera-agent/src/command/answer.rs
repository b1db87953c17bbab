//! What an agent left: whatever is not plainly an answer is none.

use super::form;
use chimera_core::{Digest, Finding, Severity, Usage, limits};
use std::fmt;
use std::path::Path;
use std::time::Duration;

/// Largest answer: findings and a summary, not a log.
const LARGEST: u64 = 1 << 20;

/// An agent's answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Its word.
    pub verdict: Verdict,
    /// What it says it did, cut to [`limits::SUMMARY_BYTES`].
    pub summary: String,
    /// The test that it wrote.
    pub test_path: Option<String>,
    /// What it found, at most [`limits::FINDINGS`].
    pub findings: Vec<Finding>,
    /// The commit that it reviewed, if it says so; maybe the beginning of its id.
    pub commit: Option<String>,
    /// Where it deployed.
    pub deployment_url: Option<String>,
    /// The commit that it deployed; maybe the beginning of its id.
    pub revision: Option<String>,
    /// What it used.
    pub usage: Usage,
}

/// An agent's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Done, or approved.
    Passed,
    /// Not done.
    Failed,
    /// Not approved.
    Rejected,
    /// The test is wrong.
    Disputed,
}

/// What an agent may say at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Verdict(Verdict),
    /// It cannot work now.
    Transient,
    /// Nobody can work with it.
    Unavailable,
}

impl Word {
    pub(super) const ALL: [Self; 6] = [
        Self::Verdict(Verdict::Passed),
        Self::Verdict(Verdict::Failed),
        Self::Verdict(Verdict::Rejected),
        Self::Verdict(Verdict::Disputed),
        Self::Transient,
        Self::Unavailable,
    ];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Verdict(Verdict::Passed) => "passed",
            Self::Verdict(Verdict::Failed) => "failed",
            Self::Verdict(Verdict::Rejected) => "rejected",
            Self::Verdict(Verdict::Disputed) => "disputed",
            Self::Transient => "transient",
            Self::Unavailable => "unavailable",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|word| word.as_str() == text)
    }
}

/// There is no answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Trouble {
    /// It cannot work now, by its own word.
    NotNow {
        /// Why.
        summary: String,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
        /// What it used all the same.
        usage: Usage,
    },
    /// Nobody can work with it until a person has done something, by its own word.
    Unavailable {
        /// Why.
        summary: String,
        /// How long that will last, if it knows.
        retry_after: Option<Duration>,
        /// What it used all the same.
        usage: Usage,
    },
    /// It ended well, but left no answer.
    Missing,
    /// What it left cannot be read.
    Unreadable(String),
    /// What it left is too large.
    TooLarge,
    /// It ended with a code other than 0.
    Exit(i32),
    /// A signal ended it.
    Signal(i32),
    /// It took too long.
    TimedOut,
    /// It was silent for too long.
    Stalled,
    /// It wrote too much.
    Flooded,
    /// The attempt was stopped.
    Stopped,
    /// It could not be started.
    NotStarted(String),
    /// The machine had no room for it at the moment.
    NoRoom(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotNow { summary, .. } | Self::Unavailable { summary, .. } => f.write_str(summary),
            Self::Missing => f.write_str("it ended without writing its answer to $CHIMERA_OUTCOME"),
            Self::Unreadable(why) => write!(f, "its answer cannot be read: {why}"),
            Self::TooLarge => write!(f, "its answer has more than {LARGEST} bytes"),
            Self::Exit(code) => write!(f, "it ended with exit code {code}; its log says why"),
            Self::Signal(signal) => write!(f, "it was ended by signal {signal}"),
            Self::TimedOut => f.write_str("it was not done in time"),
            Self::Stalled => f.write_str("it said nothing for too long"),
            Self::Flooded => f.write_str("it wrote too much output"),
            Self::Stopped => f.write_str("it was stopped"),
            Self::NotStarted(why) | Self::NoRoom(why) => f.write_str(why),
        }
    }
}

/// Reads the answer once; the agent must have ended.
pub(super) fn read(path: &Path) -> Result<Answer, Trouble> {
    let unreadable = |err: std::io::Error| Trouble::Unreadable(err.to_string());
    let metadata = match std::fs::symlink_metadata(path) {
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => return Err(Trouble::Missing),
        other => other.map_err(unreadable)?,
    };
    if !metadata.is_file() {
        return Err(Trouble::Unreadable("it is no plain file".to_owned()));
    }
    if metadata.len() > LARGEST {
        return Err(Trouble::TooLarge);
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    let raw = form::read(&bytes).map_err(Trouble::Unreadable)?;
    understood(raw)
}

fn understood(raw: form::Raw) -> Result<Answer, Trouble> {
    let form::Raw { outcome, mut summary, findings, usage, .. } = raw;
    limits::truncate(&mut summary, limits::SUMMARY_BYTES);
    if summary.trim().is_empty() {
        summary = format!("the agent answered {} without a summary", outcome.as_str());
    }
    // Nothing that is no time is one: the task is then tried again as after any trouble.
    let retry_after = raw.retry_after.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let verdict = match outcome {
        Word::Verdict(verdict) => verdict,
        Word::Transient => return Err(Trouble::NotNow { summary, retry_after, usage }),
        Word::Unavailable => return Err(Trouble::Unavailable { summary, retry_after, usage }),
    };
    // A finding without a weight does not speak against the word.
    let weight = if verdict == Verdict::Passed { Severity::Warning } else { Severity::Error };
    let findings = findings.into_iter().take(limits::FINDINGS).map(|remark| {
        let mut finding = remark.weighing(weight);
        limits::truncate(&mut finding.message, limits::SUMMARY_BYTES);
        finding
    });
    Ok(Answer {
        verdict,
        summary,
        test_path: raw.test_path,
        findings: findings.collect(),
        commit: raw.commit,
        deployment_url: raw.deployment_url,
        revision: raw.revision,
        usage,
    })
}

/// Shortest beginning of an id that names a commit: git's own.
const SHORT_ID: usize = 7;

/// Whether an agent that says this means that commit.
pub fn means(said: &str, commit: &Digest) -> bool {
    said.len() >= SHORT_ID && commit.as_str().starts_with(&said.to_ascii_lowercase())
}
