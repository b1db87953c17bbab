//! Why a task did not complete: a closed list.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The reason that a failed task shows. The texts are those of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The test passed before anything was changed: the feature is there already.
    AlreadyGreen,
    /// The test did not run, or failed for another reason than a missing feature.
    RedNotProvable,
    /// The frozen test was changed after it was recorded.
    TestTampered,
    /// The coder says that the test is wrong.
    TestDisputed,
    /// The reviewer rejected the change in every round it was given.
    ReviewDeadlock,
    /// The coder changed nothing twice in a row, or made the same rejected change again.
    NoChange,
    /// The change, or the unchanged application, could not be built or started on staging.
    StagingFailed,
    /// Staging started but did not answer.
    StagingUnreachable,
    /// Staging serves another revision than the one to be judged.
    StaleStaging,
    /// The test still fails on the staged change.
    NotGreen,
    /// The test passed and failed on the same staged change.
    Flaky,
    /// The token or money budget is used up.
    Budget,
    /// The deadline of the task has passed.
    Deadline,
    /// An agent kept crashing, hanging or answering what cannot be read.
    AgentError,
    /// The configuration or the repository does not allow the task to run.
    Config,
    /// The machine had no descriptors, processes, memory or disk space left for the task, again and again.
    Resources,
    /// The limit of phase executions is reached.
    MaxIterations,
    /// The daemon crashed too often while it worked on this task.
    Poisoned,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 18] = [
        Self::AlreadyGreen,
        Self::RedNotProvable,
        Self::TestTampered,
        Self::TestDisputed,
        Self::ReviewDeadlock,
        Self::NoChange,
        Self::StagingFailed,
        Self::StagingUnreachable,
        Self::StaleStaging,
        Self::NotGreen,
        Self::Flaky,
        Self::Budget,
        Self::Deadline,
        Self::AgentError,
        Self::Config,
        Self::Resources,
        Self::MaxIterations,
        Self::Poisoned,
    ];

    /// The name in the API and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AlreadyGreen => "already_green",
            Self::RedNotProvable => "red_not_provable",
            Self::TestTampered => "test_tampered",
            Self::TestDisputed => "test_disputed",
            Self::ReviewDeadlock => "review_deadlock",
            Self::NoChange => "no_change",
            Self::StagingFailed => "staging_failed",
            Self::StagingUnreachable => "staging_unreachable",
            Self::StaleStaging => "stale_staging",
            Self::NotGreen => "not_green",
            Self::Flaky => "flaky",
            Self::Budget => "budget",
            Self::Deadline => "deadline",
            Self::AgentError => "agent_error",
            Self::Config => "config",
            Self::Resources => "resources",
            Self::MaxIterations => "max_iterations",
            Self::Poisoned => "poisoned",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
