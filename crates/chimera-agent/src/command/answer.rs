//! What an agent left, read strictly: whatever is not plainly an answer is none.

use chimera_core::{Digest, Finding, Usage, limits};
use serde::Deserialize;
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
    /// The commit that it reviewed, if it says so.
    pub commit: Option<Digest>,
    /// Where it deployed.
    pub deployment_url: Option<String>,
    /// The commit that it deployed.
    pub revision: Option<Digest>,
    /// What it used.
    pub usage: Usage,
}

/// An agent's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
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
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    /// It cannot work now.
    Transient,
    #[serde(untagged)]
    Verdict(Verdict),
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
            Self::NotNow { summary, .. } => f.write_str(summary),
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

/// The file's shape. Unknown fields are let pass, so that agents can leave remarks of their own.
#[derive(Deserialize)]
struct Raw {
    outcome: Word,
    #[serde(default)]
    summary: String,
    #[serde(default)]
    test_path: Option<String>,
    #[serde(default)]
    findings: Vec<Finding>,
    #[serde(default)]
    commit: Option<Digest>,
    #[serde(default)]
    deployment_url: Option<String>,
    #[serde(default)]
    revision: Option<Digest>,
    #[serde(default)]
    usage: Usage,
    /// Seconds.
    #[serde(default)]
    retry_after: Option<f64>,
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
    parse(&bytes).map_err(|err| Trouble::Unreadable(err.to_string()))?
}

fn parse(bytes: &[u8]) -> Result<Result<Answer, Trouble>, serde_json::Error> {
    let raw: Raw = serde_json::from_slice(bytes)?;
    let Raw { outcome, mut summary, mut findings, usage, .. } = raw;
    limits::truncate(&mut summary, limits::SUMMARY_BYTES);
    findings.truncate(limits::FINDINGS);
    findings.iter_mut().for_each(|finding| limits::truncate(&mut finding.message, limits::SUMMARY_BYTES));
    if summary.is_empty() {
        let word = match outcome {
            Word::Verdict(verdict) => format!("{verdict:?}"),
            Word::Transient => format!("{outcome:?}"),
        };
        summary = format!("the agent answered {word} without a summary").to_lowercase();
    }
    // Nothing that is no time is one: the task is then tried again as after any trouble.
    let retry_after = raw.retry_after.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    Ok(match outcome {
        Word::Verdict(verdict) => Ok(Answer {
            verdict,
            summary,
            test_path: raw.test_path,
            findings,
            commit: raw.commit,
            deployment_url: raw.deployment_url,
            revision: raw.revision,
            usage,
        }),
        Word::Transient => Err(Trouble::NotNow { summary, retry_after, usage }),
    })
}
