//! What came of an attempt.

use crate::{Digest, Evidence, GreenProof, Phase, Reason, RedProof};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What came of one attempt of one phase. Only [`Outcome::Passed`] moves a task forward; whatever could not
/// be read is [`Outcome::Unknown`], never passed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The phase did what it is for, and this is its product.
    Passed {
        /// The product, which must be the current phase's.
        output: PhaseOutput,
    },
    /// A no that another round can answer: [`Phase::sends_back_to`] says whose. The last round's reason ends the task.
    Rejected(Setback),
    /// A no that another round cannot mend: the task ends with the setback's reason.
    Failed(Setback),
    /// A passing trouble (timeout, network, rate limit, crash): the phase is tried again.
    Transient {
        /// What happened; its reason is shown if the retries run out.
        #[serde(flatten)]
        setback: Setback,
        /// How long the other side wants to be left alone, if it said so; in the journal in milliseconds. At
        /// most [`crate::limits::RETRY_AFTER`] of it is granted.
        #[serde(
            default,
            with = "millis",
            rename = "retry_after_ms",
            skip_serializing_if = "Option::is_none"
        )]
        retry_after: Option<Duration>,
    },
    /// No readable answer. Retried like a transient trouble, never taken for success.
    Unknown(Setback),
    /// Nobody can work with this agent until a person has done something: its key has expired, its account is empty. The
    /// agent is paused, and the task waits in the queue; the attempt counts as nothing.
    Unavailable {
        /// The agent that says so.
        agent: String,
        /// Why.
        #[serde(flatten)]
        setback: Setback,
        /// How long the pause is to last, if the agent said so; otherwise until a person ends it.
        #[serde(
            default,
            with = "millis",
            rename = "retry_after_ms",
            skip_serializing_if = "Option::is_none"
        )]
        retry_after: Option<Duration>,
    },
    /// Stopped from outside before it could end; counts as nothing.
    Interrupted,
}

/// What went wrong, for the next round and for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setback {
    /// The reason the task shows if this ends it.
    pub reason: Reason,
    /// One or two sentences for people; at most [`crate::limits::SUMMARY_BYTES`].
    pub summary: String,
    /// What the reviewer or the test found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// Evidence that the next round is shown: a report in full, a picture, a log.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<Evidence>,
    /// A hash of what failed, without times and other noise: the same twice in a row means no progress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Digest>,
}

impl Setback {
    /// A setback with neither findings nor fingerprint. The summary is cut to its limit.
    pub fn new(reason: Reason, summary: impl Into<String>) -> Self {
        let mut summary = summary.into();
        crate::limits::truncate(&mut summary, crate::limits::SUMMARY_BYTES);
        Self { reason, summary, findings: Vec::new(), files: Vec::new(), fingerprint: None }
    }
}

/// The product of a passed phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PhaseOutput {
    /// The test is written, frozen and was seen failing.
    E2eTestGeneration {
        /// Path of the test in the repository.
        test_path: String,
        /// SHA-256 of the test file.
        test_sha256: Digest,
        /// The commit that the task grows on.
        base_commit: Digest,
        /// The commit that adds the test.
        test_commit: Digest,
        /// The run that failed for the right reason.
        red: RedProof,
        /// What the run against `target_url` showed: `failed`, `passed`, `unreachable` or another word of
        /// the judge. Recorded, not gating.
        target_run: String,
    },
    /// The change is committed.
    CodeImplementation {
        /// The new head of the task's branch.
        commit: Digest,
        /// SHA-256 of the diff from the base commit.
        diff: Digest,
        /// SHA-256 of the frozen test as it stands at `commit`.
        test_sha256: Digest,
        /// The name of the pull request, `local-<task>` without a forge.
        code_pr_id: String,
        /// Whether the coder had touched the frozen test, which was restored.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        restored: bool,
    },
    /// Every reviewer approved.
    GuardianReview {
        /// The commit that they saw.
        commit: Digest,
    },
    /// The change is served.
    StagingDeployment {
        /// Where a browser finds it.
        url: String,
        /// The commit that the origin reports to serve.
        revision: Digest,
    },
    /// The frozen test passes on the staged change.
    E2eValidation {
        /// The runs that passed.
        green: GreenProof,
    },
}

impl PhaseOutput {
    /// The phase that this is the product of.
    pub fn phase(&self) -> Phase {
        match self {
            Self::E2eTestGeneration { .. } => Phase::E2eTestGeneration,
            Self::CodeImplementation { .. } => Phase::CodeImplementation,
            Self::GuardianReview { .. } => Phase::GuardianReview,
            Self::StagingDeployment { .. } => Phase::StagingDeployment,
            Self::E2eValidation { .. } => Phase::E2eValidation,
        }
    }
}

/// One remark of a reviewer, a check or a test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The file it is about, relative to the repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Whether it stands in the way.
    pub severity: Severity,
    /// What is wrong and what to do.
    pub message: String,
}

/// How much a finding weighs: any `error` rejects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Worth mending.
    Warning,
    /// Must be mended.
    Error,
}

/// What agents say they used.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens read by models.
    #[serde(default)]
    pub input_tokens: u64,
    /// Tokens written by models.
    #[serde(default)]
    pub output_tokens: u64,
    /// Money, in US dollars.
    #[serde(default)]
    pub cost_usd: f64,
}

impl Usage {
    /// True if nothing was used.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// The sum; saturates. What an agent claims is not trusted: money that is negative or no number counts
    /// as none, so that a sum is never lowered and can always be written down.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            cost_usd: (self.cost_usd.max(0.0) + other.cost_usd.max(0.0)).min(f64::MAX),
        }
    }
}

/// An optional duration as a whole number of milliseconds.
mod millis {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::time::Duration;

    #[expect(clippy::ref_option, reason = "serde hands it over so")]
    pub(super) fn serialize<S: Serializer>(value: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        value.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(from)?.map(Duration::from_millis))
    }
}
