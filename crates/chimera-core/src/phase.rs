//! The seven phases and who carries them out.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a delivery stands. The texts are those of the API, in capitals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Phase {
    /// Write the end-to-end test and see it fail.
    E2eTestGeneration,
    /// Make the change.
    CodeImplementation,
    /// Have the change reviewed.
    GuardianReview,
    /// Put the change where a browser can reach it.
    StagingDeployment,
    /// See the unchanged test pass there.
    E2eValidation,
    /// Delivered and proven.
    Complete,
    /// Ended without proof.
    Failed,
}

/// The part an agent plays; the texts are the keys of the `[roles]` table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Role {
    /// Writes and runs the test.
    #[serde(rename = "e2e-tester-agent")]
    E2eTester,
    /// Changes the code.
    #[serde(rename = "coder-agent")]
    Coder,
    /// Reviews the change.
    #[serde(rename = "guardian-agent")]
    Guardian,
    /// Stages the change.
    #[serde(rename = "deployment-agent")]
    Deployment,
}

impl Phase {
    /// Every phase, in the order of a delivery.
    pub const ALL: [Self; 7] = [
        Self::E2eTestGeneration,
        Self::CodeImplementation,
        Self::GuardianReview,
        Self::StagingDeployment,
        Self::E2eValidation,
        Self::Complete,
        Self::Failed,
    ];

    /// The phases that run, without the two ends.
    pub const WORKING: [Self; 5] = [
        Self::E2eTestGeneration,
        Self::CodeImplementation,
        Self::GuardianReview,
        Self::StagingDeployment,
        Self::E2eValidation,
    ];

    /// The name in the API, the database and the journal.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::E2eTestGeneration => "E2E_TEST_GENERATION",
            Self::CodeImplementation => "CODE_IMPLEMENTATION",
            Self::GuardianReview => "GUARDIAN_REVIEW",
            Self::StagingDeployment => "STAGING_DEPLOYMENT",
            Self::E2eValidation => "E2E_VALIDATION",
            Self::Complete => "COMPLETE",
            Self::Failed => "FAILED",
        }
    }

    /// The phase of that name, if there is one.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == name)
    }

    /// The position that `progress` counts: 1 for the first phase, 7 for COMPLETE. FAILED has none of its
    /// own and counts 0; see [`crate::Workflow::progress`].
    pub fn ordinal(self) -> u32 {
        match self {
            Self::E2eTestGeneration => 1,
            Self::CodeImplementation => 2,
            Self::GuardianReview => 3,
            Self::StagingDeployment => 4,
            Self::E2eValidation => 5,
            Self::Complete => 7,
            Self::Failed => 0,
        }
    }

    /// Whether an attempt may change what others see before its result is recorded: a deployment does, and a validation
    /// runs against it and delivers the branch. Everything else stays in the task's own worktree.
    pub fn acts_outside(self) -> bool {
        matches!(self, Self::StagingDeployment | Self::E2eValidation)
    }

    /// Who carries the phase out; nobody at the two ends.
    pub fn role(self) -> Option<Role> {
        match self {
            Self::E2eTestGeneration | Self::E2eValidation => Some(Role::E2eTester),
            Self::CodeImplementation => Some(Role::Coder),
            Self::GuardianReview => Some(Role::Guardian),
            Self::StagingDeployment => Some(Role::Deployment),
            Self::Complete | Self::Failed => None,
        }
    }

    /// The phase whose next round answers a no of this one: the test's author writes another test, the coder
    /// everything else.
    pub fn sends_back_to(self) -> Self {
        match self {
            Self::E2eTestGeneration => Self::E2eTestGeneration,
            _ => Self::CodeImplementation,
        }
    }

    /// True for COMPLETE and FAILED.
    pub fn is_end(self) -> bool {
        self.role().is_none()
    }
}

impl Role {
    /// Every role, in the order of a delivery.
    pub const ALL: [Self; 4] = [Self::E2eTester, Self::Coder, Self::Guardian, Self::Deployment];

    /// The name in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::E2eTester => "e2e-tester-agent",
            Self::Coder => "coder-agent",
            Self::Guardian => "guardian-agent",
            Self::Deployment => "deployment-agent",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
