//! Why an attempt cannot go on: an outcome that is not passed.

use crate::guardian::ReviewError;
use crate::judge::JudgeError;
use crate::process::{SpawnError, is_passing};
use crate::staging::StagingError;
use crate::vault::VaultError;
use crate::workspace::WorkspaceError;
use chimera_core::{Finding, Outcome, Reason, Setback};
use std::time::Duration;

/// How long a machine that is full is left alone.
const FULL: Duration = Duration::from_secs(10);

/// Ends an attempt. What the rooms below report is turned into an outcome here and nowhere else.
#[derive(Debug)]
pub(super) struct Halt(Box<Outcome>);

impl Halt {
    pub(super) fn into_outcome(self) -> Outcome {
        *self.0
    }

    /// Another round cannot mend it.
    pub(super) fn failed(reason: Reason, why: impl Into<String>) -> Self {
        Self(Box::new(Outcome::Failed(Setback::new(reason, why))))
    }

    /// The same, with findings.
    pub(super) fn failed_with(setback: Setback) -> Self {
        Self(Box::new(Outcome::Failed(setback)))
    }

    /// Another round can answer it: see [`chimera_core::Phase::sends_back_to`].
    pub(super) fn rejected(setback: Setback) -> Self {
        Self(Box::new(Outcome::Rejected(setback)))
    }

    /// Adds to what the next round is shown, if there may be one.
    pub(super) fn explained(mut self, explain: impl FnOnce(&mut Setback) -> Result<(), Self>) -> Self {
        match &mut *self.0 {
            Outcome::Rejected(setback) => explain(setback).err().unwrap_or(self),
            _ => self,
        }
    }

    /// The same again may work.
    pub(super) fn transient(reason: Reason, why: impl Into<String>) -> Self {
        Self(Box::new(Outcome::Transient { setback: Setback::new(reason, why), retry_after: None }))
    }

    /// The same trouble, but one that may pass.
    pub(super) fn passing(self) -> Self {
        match *self.0 {
            Outcome::Failed(setback) => Self(Box::new(Outcome::Transient { setback, retry_after: None })),
            other => Self(Box::new(other)),
        }
    }

    /// An agent cannot work now, and may have said how long it wants to be left alone.
    pub(super) fn not_now(why: impl Into<String>, retry_after: Option<Duration>) -> Self {
        Self(Box::new(Outcome::Transient { setback: Setback::new(Reason::AgentError, why), retry_after }))
    }

    /// The machine is full: the same again works once there is room. This does not use up the retries.
    pub(super) fn no_room(why: impl Into<String>) -> Self {
        let setback = Setback::new(Reason::Resources, why);
        Self(Box::new(Outcome::Transient { setback, retry_after: Some(FULL) }))
    }

    /// A command of the project could not be started.
    pub(super) fn not_started(err: &SpawnError) -> Self {
        if is_passing(err.io()) {
            Self::no_room(err.to_string())
        } else {
            Self::failed(Reason::Config, err.to_string())
        }
    }

    /// A file or process could not be had.
    fn io(err: &std::io::Error, why: String) -> Self {
        if is_passing(err) { Self::no_room(why) } else { Self::transient(Reason::Config, why) }
    }

    /// Nobody can work with that agent until a person has done something.
    pub(super) fn unavailable(agent: &str, why: impl Into<String>, retry_after: Option<Duration>) -> Self {
        let setback = Setback::new(Reason::AgentError, why);
        Self(Box::new(Outcome::Unavailable { agent: agent.to_owned(), setback, retry_after }))
    }

    /// There was no readable answer.
    pub(super) fn unknown(why: impl Into<String>) -> Self {
        Self(Box::new(Outcome::Unknown(Setback::new(Reason::AgentError, why))))
    }

    pub(super) fn interrupted() -> Self {
        Self(Box::new(Outcome::Interrupted))
    }
}

impl From<WorkspaceError> for Halt {
    fn from(err: WorkspaceError) -> Self {
        match &err {
            WorkspaceError::Config(_) | WorkspaceError::TooLarge { .. } => {
                Self::failed(Reason::Config, err.to_string())
            }
            WorkspaceError::Io(source) | WorkspaceError::Start(source) => Self::io(source, err.to_string()),
            WorkspaceError::Git { .. } | WorkspaceError::Damaged { .. } => {
                Self::transient(Reason::Config, err.to_string())
            }
            WorkspaceError::Stopped => Self::interrupted(),
        }
    }
}

impl From<StagingError> for Halt {
    fn from(err: StagingError) -> Self {
        match &err {
            StagingError::Stopped => Self::interrupted(),
            StagingError::Failed(_) => Self::failed(Reason::StagingFailed, err.to_string()),
            StagingError::NotReady(_) | StagingError::Unreachable(_) => {
                Self::transient(Reason::StagingUnreachable, err.to_string())
            }
            StagingError::Passing(_) => Self::transient(Reason::StagingFailed, err.to_string()),
            StagingError::Full(_) => Self::no_room(err.to_string()),
            StagingError::Config(_) => Self::failed(Reason::Config, err.to_string()),
        }
    }
}

impl From<JudgeError> for Halt {
    fn from(err: JudgeError) -> Self {
        match &err {
            JudgeError::Trial(_) => Self::failed(Reason::Config, err.to_string()),
            // It may be in the middle of an upgrade.
            JudgeError::Tool(_) => Self::transient(Reason::Config, err.to_string()),
            JudgeError::Stopped => Self::interrupted(),
            JudgeError::Io { source, .. } if is_passing(source) => Self::no_room(err.to_string()),
            JudgeError::TimedOut(_) | JudgeError::Io { .. } => {
                Self::transient(Reason::AgentError, err.to_string())
            }
        }
    }
}

impl From<ReviewError> for Halt {
    fn from(err: ReviewError) -> Self {
        match &err {
            ReviewError::Stopped => Self::interrupted(),
            ReviewError::Spawn(spawn) => Self::not_started(spawn),
            ReviewError::Killed(..) => Self::transient(Reason::AgentError, err.to_string()),
        }
    }
}

impl From<VaultError> for Halt {
    fn from(err: VaultError) -> Self {
        match &err {
            VaultError::Io(source) => Self::io(source, err.to_string()),
            VaultError::NotPlain(_) | VaultError::TooLarge { .. } => {
                Self::transient(Reason::Config, err.to_string())
            }
        }
    }
}

impl From<std::io::Error> for Halt {
    fn from(err: std::io::Error) -> Self {
        Self::io(&err, format!("a file cannot be written or read: {err}"))
    }
}

impl From<serde_json::Error> for Halt {
    fn from(err: serde_json::Error) -> Self {
        Self::transient(Reason::Config, format!("a report cannot be written: {err}"))
    }
}

/// A setback of a review, its findings cut to their limit.
pub(super) fn review_setback(summary: String, mut findings: Vec<Finding>) -> Setback {
    findings.truncate(chimera_core::limits::FINDINGS);
    Setback { findings, ..Setback::new(Reason::ReviewDeadlock, summary) }
}
