//! Tasks: what somebody asked for, and the queue entry that delivers it.

use crate::{Phase, Rank, TaskId, UnixMillis, Workflow};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// How far a task has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Waits for a worker.
    Queued,
    /// A worker holds its lease.
    Running,
    /// Delivered and proven.
    Completed,
    /// Ended without proof, with a reason.
    Failed,
    /// Stopped by a person.
    Cancelled,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 5] = [Self::Queued, Self::Running, Self::Completed, Self::Failed, Self::Cancelled];

    /// The name in the API and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The status of that name, if there is one.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }

    /// True for the three that nothing leaves but a person's retry.
    pub fn is_end(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How urgent a task is: 1 (whenever) to 10 (at once); 5 unless said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Priority(u8);

/// The number is no priority.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("priority must be a whole number from 1 (whenever) to 10 (at once), not {0}")]
pub struct InvalidPriority(i64);

impl Priority {
    /// Checks the range.
    ///
    /// # Errors
    /// [`InvalidPriority`] outside 1 to 10.
    pub fn new(value: i64) -> Result<Self, InvalidPriority> {
        match u8::try_from(value) {
            Ok(n @ 1..=10) => Ok(Self(n)),
            _ => Err(InvalidPriority(value)),
        }
    }

    /// The number, 1 to 10.
    pub fn get(self) -> u8 {
        self.0
    }
}

impl Default for Priority {
    fn default() -> Self {
        Self(5)
    }
}

impl TryFrom<i64> for Priority {
    type Error = InvalidPriority;
    fn try_from(value: i64) -> Result<Self, InvalidPriority> {
        Self::new(value)
    }
}

impl From<Priority> for i64 {
    fn from(priority: Priority) -> Self {
        Self::from(priority.0)
    }
}

/// What somebody asked for. Checked at the intake; the daemon never changes it, but for the priority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The feature, as a sentence or more.
    pub feature: String,
    /// The page of the running application that the feature is about (`http` or `https`).
    pub target_url: String,
    /// Where the change is staged, if the project's own staging is to be overridden.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staging_url: Option<String>,
    /// How urgent.
    #[serde(default)]
    pub priority: Priority,
    /// The criteria that the test asserts, in the documented grammar; empty: derived from the feature.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acceptance: Vec<String>,
    /// The configured project, if not decided by `target_url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The earliest start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<UnixMillis>,
    /// Past it the task fails, whether it waits or runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<UnixMillis>,
    /// A task that has not begun by then is cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<UnixMillis>,
    /// Tasks that have to be completed first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<TaskId>,
    /// Free marks for filtering.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

impl Request {
    /// A request with nothing but what it must have.
    pub fn new(feature: impl Into<String>, target_url: impl Into<String>) -> Self {
        Self {
            feature: feature.into(),
            target_url: target_url.into(),
            staging_url: None,
            priority: Priority::default(),
            acceptance: Vec::new(),
            project: None,
            not_before: None,
            deadline: None,
            expires_at: None,
            after: Vec::new(),
            labels: BTreeMap::new(),
        }
    }
}

/// Who may act on a task, under which epoch: as long as the lease of that daemon lasts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The daemon incarnation that holds it.
    pub owner: String,
    /// The fencing token: grows with each claim, never repeats for a task.
    pub epoch: i64,
}

/// A task as the store knows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Its name.
    pub id: TaskId,
    /// What was asked for.
    pub request: Request,
    /// The project that was decided on at the intake.
    pub project: String,
    /// How far it has come.
    pub status: Status,
    /// The durable state of its delivery.
    pub workflow: Workflow,
    /// Its place in the queue.
    pub rank: Rank,
    /// Not to be claimed before.
    pub ready_at: UnixMillis,
    /// When it was accepted.
    pub created_at: UnixMillis,
    /// When its first phase began.
    pub started_at: Option<UnixMillis>,
    /// When it ended.
    pub completed_at: Option<UnixMillis>,
    /// Somebody asked to stop it while it was running.
    pub cancel_requested: bool,
    /// When its time is up unless it has ended, or begun in the case of an expiry; see [`Task::time_up`].
    pub ends_at: Option<UnixMillis>,
    /// When a person gave it up for good, if it failed.
    pub discarded_at: Option<UnixMillis>,
    /// The lease, while running.
    pub lease: Option<Lease>,
    /// The number of the last journal entry; each write raises it by one.
    pub seq: i64,
}

impl Task {
    /// The phase it stands in.
    pub fn phase(&self) -> Phase {
        self.workflow.phase
    }

    /// When its time is up, and which of the two limits that is. Nothing if there is none, or a person's retry
    /// has lifted it.
    pub fn time_up(&self) -> Option<(UnixMillis, TimeUp)> {
        let ends_at = self.ends_at?;
        let Request { deadline, expires_at, .. } = self.request;
        if deadline == Some(ends_at) || expires_at != Some(ends_at) {
            return Some((ends_at, TimeUp::Deadline));
        }
        // An expiry means nothing any more once the task has begun; the deadline does.
        match self.started_at {
            None => Some((ends_at, TimeUp::Expiry)),
            Some(_) => deadline.map(|deadline| (deadline, TimeUp::Deadline)),
        }
    }
}

/// Which limit of a task was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeUp {
    /// It has to be done by then.
    Deadline,
    /// It had to be begun by then.
    Expiry,
}
