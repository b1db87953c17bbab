//! The durable state of delivering one task.

use crate::{Digest, Evidence, Finding, GreenProof, Phase, Reason, RedProof, Usage};
use serde::{Deserialize, Serialize};

/// Everything that the next attempt needs to know, and everything that a completed task has to show.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Workflow {
    /// The phase that runs or waits, or the end.
    pub phase: Phase,
    /// Attempts begun in all phases; numbers the attempts from 1.
    pub attempt: u32,
    /// Phase executions since the first time that the task was sent back to the coder.
    pub iteration: u32,
    /// Transient or unknown outcomes of the current phase in a row.
    pub failures: u32,
    /// Times that the current phase was put off to a time that an agent named, in a row; see [`crate::limits::WAITS`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub waits: u32,
    /// Crashes of the daemon during the current phase in a row.
    pub crashes: u32,
    /// Times the test was refused.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub test_rounds: u32,
    /// Rounds in a row in which the coder changed nothing; see [`crate::limits::UNCHANGED`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unchanged: u32,
    /// Whether the coder touched the frozen test in its last round; it was restored, and is told so with the next no.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub test_restored: bool,
    /// Times a reviewer said no.
    pub review_rounds: u32,
    /// Times the change failed on staging: it could not be built or started, or was not green.
    pub validation_rounds: u32,
    /// What the phases have produced so far.
    pub artifacts: Artifacts,
    /// What the author of the test, or the coder, has to answer in the next round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feedback: Option<Feedback>,
    /// Fingerprint of the last no that had one: of a refused test, or of a failure on staging.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<Digest>,
    /// Why the task ended, if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The phase in which it ended, if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_in: Option<Phase>,
    /// The last summary worth showing, such as the error that ended the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What the agents used, all in all.
    #[serde(default)]
    pub usage: Usage,
}

/// What the phases have produced.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Artifacts {
    /// Path of the frozen test in the repository.
    pub test_path: Option<String>,
    /// SHA-256 of the frozen test.
    pub test_sha256: Option<Digest>,
    /// The commit that the task grows on.
    pub base_commit: Option<Digest>,
    /// The last recorded commit of the task's branch; each attempt starts from it.
    pub head_commit: Option<Digest>,
    /// The run that failed.
    pub red: Option<RedProof>,
    /// What the run against `target_url` showed.
    pub target_run: Option<String>,
    /// SHA-256 of the last diff.
    pub diff: Option<Digest>,
    /// The name of the pull request.
    pub code_pr_id: Option<String>,
    /// The commit that every reviewer approved.
    pub approved_commit: Option<Digest>,
    /// Where the change is staged.
    pub deployment_url: Option<String>,
    /// The commit that staging reports.
    pub deployed_revision: Option<Digest>,
    /// The runs that passed.
    pub green: Option<GreenProof>,
}

/// What the author of the test, or the coder, has to answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feedback {
    /// The phase that said no.
    pub from: Phase,
    /// Its summary.
    pub summary: String,
    /// What it found.
    pub findings: Vec<Finding>,
    /// Evidence to be shown with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<Evidence>,
}

impl Artifacts {
    /// Drops what `phase` and the later ones have produced.
    pub(crate) fn forget_from(&mut self, phase: Phase) {
        if phase <= Phase::E2eTestGeneration {
            *self = Self::default();
        }
        if phase <= Phase::CodeImplementation {
            (self.diff, self.code_pr_id) = (None, None);
        }
        if phase <= Phase::GuardianReview {
            self.approved_commit = None;
        }
        if phase <= Phase::StagingDeployment {
            (self.deployment_url, self.deployed_revision) = (None, None);
        }
        self.green = None;
    }

    /// Drops what the phases after CODE_IMPLEMENTATION have produced, keeping the change to compare with.
    pub(crate) fn forget_verdicts(&mut self) {
        self.forget_from(Phase::GuardianReview);
    }
}

impl Workflow {
    /// The state of a task that was just accepted.
    pub fn new() -> Self {
        Self {
            phase: Phase::E2eTestGeneration,
            attempt: 0,
            iteration: 0,
            failures: 0,
            waits: 0,
            crashes: 0,
            test_rounds: 0,
            unchanged: 0,
            test_restored: false,
            review_rounds: 0,
            validation_rounds: 0,
            artifacts: Artifacts::default(),
            feedback: None,
            last_failure: None,
            reason: None,
            failed_in: None,
            error: None,
            usage: Usage::default(),
        }
    }

    /// Starts the counts of rounds, retries and crashes anew.
    pub(crate) fn forget_counts(&mut self) {
        (self.iteration, self.test_rounds, self.unchanged, self.test_restored) = (0, 0, 0, false);
        (self.review_rounds, self.validation_rounds) = (0, 0);
        (self.failures, self.waits, self.crashes) = (0, 0, 0);
    }

    /// Whether the task may be what crashes its daemons: it has seen [`crate::limits::SUSPECT_CRASHES`] in this phase. It
    /// then runs alone, until the phase has ended in order or the daemon has crashed once more.
    pub fn is_suspect(&self) -> bool {
        self.crashes >= crate::limits::SUSPECT_CRASHES
    }

    /// The line that the API shows, such as `2/7 phases complete` while CODE_IMPLEMENTATION runs.
    ///
    /// A failed task shows how far it came.
    pub fn progress(&self) -> String {
        let phase = self.failed_in.unwrap_or(self.phase);
        format!("{}/7 phases complete", phase.ordinal())
    }
}

impl Default for Workflow {
    fn default() -> Self {
        Self::new()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}
