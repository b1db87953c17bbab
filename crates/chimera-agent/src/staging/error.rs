//! Why a deployment is not there.

use crate::process::is_passing;
use std::fmt;

/// The deployment is not there.
#[derive(Debug, thiserror::Error)]
pub enum StagingError {
    /// The commit does not build or start: the same commit would fail the same way.
    #[error("{0}")]
    Failed(Failure),
    /// The server started and runs, but was not ready in time.
    #[error("{0}")]
    NotReady(Failure),
    /// It was there, and does not answer.
    #[error("{0}")]
    Unreachable(String),
    /// Nothing that the commit is to blame for, such as a port: the same again may work.
    #[error("{0}")]
    Passing(String),
    /// The machine is full (disk, memory, processes, open files): the same again works once there is room.
    #[error("{0}")]
    Full(String),
    /// It cannot be staged or asked like this: the configuration has to change.
    #[error("{0}")]
    Config(String),
    /// The attempt was stopped.
    #[error("stopped")]
    Stopped,
}

/// What a commit fails at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The step.
    pub step: Step,
    /// What went wrong, in one line.
    pub summary: String,
    /// The newest of what the step printed, up to [`LOG_END`] bytes.
    pub log_end: String,
}

/// A step of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The project's `build`.
    Build,
    /// The project's `start`, until the server is ready.
    Start,
}

/// Most bytes of [`Failure::log_end`]: a traceback, and what led to it.
pub const LOG_END: usize = 16 * 1024;
/// How much of it a message shows, in bytes.
const SHOWN: usize = 1500;

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut from = self.log_end.len().saturating_sub(SHOWN);
        while !self.log_end.is_char_boundary(from) {
            from += 1;
        }
        write!(f, "{}:\n{}", self.summary, self.log_end[from..].trim())
    }
}

impl StagingError {
    fn of(err: &std::io::Error, why: String) -> Self {
        if is_passing(err) { Self::Full(why) } else { Self::Passing(why) }
    }
}

impl From<std::io::Error> for StagingError {
    fn from(err: std::io::Error) -> Self {
        Self::of(&err, format!("the commit cannot be staged: {err}"))
    }
}

impl From<crate::process::SpawnError> for StagingError {
    fn from(err: crate::process::SpawnError) -> Self {
        Self::of(err.io(), err.to_string())
    }
}
