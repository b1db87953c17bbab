//! The append-only journal of a task.

use crate::{Outcome, Phase, Reason, UnixMillis, Usage};
use serde::{Deserialize, Serialize};

/// One entry of a task's journal: what happened, where it led.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When it was written.
    pub at: UnixMillis,
    /// The phase in which it happened.
    pub phase: Phase,
    /// The phase that follows; the same if nothing moved.
    pub to: Phase,
    /// The attempt that it is about; 0 before the first.
    pub attempt: u32,
    /// What happened.
    #[serde(flatten)]
    pub kind: EntryKind,
}

/// What a journal entry tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EntryKind {
    /// The task was accepted.
    Accepted,
    /// A worker took the task; an attempt of `phase` begins.
    Claimed {
        /// The daemon incarnation.
        worker: String,
        /// The fencing token.
        epoch: i64,
    },
    /// An attempt ended. Unless it was interrupted, had no agent to do it, ended the task, waits for a retry or was
    /// handed back, the attempt of the phase `to` begins with it.
    Settled {
        /// What came of it.
        result: Outcome,
        /// Set if this ended the task.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Reason>,
        /// Set if the phase is to be tried again at that time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_at: Option<UnixMillis>,
        /// What the agents of the attempt say they used.
        #[serde(default, skip_serializing_if = "Usage::is_nothing")]
        usage: Usage,
        /// Set if the attempt of `to` does not begin with this: something holds it back, and the task waits in the
        /// queue for a worker.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        handed_back: bool,
    },
    /// The daemon that worked on it vanished; the task waits for another worker.
    Rescued {
        /// Set if this was once too often.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Reason>,
    },
    /// Somebody asked to stop the running task.
    CancelRequested,
    /// The task was stopped.
    Cancelled,
    /// Its deadline passed while it waited; one that runs is `settled`.
    Overdue,
    /// It had not begun when it expired.
    Expired,
    /// The last task that it waited for is completed.
    Released,
    /// A person gave it up for good.
    Discarded,
    /// A person sent it back into the queue.
    Requeued,
    /// A person changed its priority.
    PriorityChanged {
        /// The new priority.
        priority: crate::Priority,
    },
}

impl EntryKind {
    /// The name in the API and the database.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Claimed { .. } => "claimed",
            Self::Settled { .. } => "settled",
            Self::Rescued { .. } => "rescued",
            Self::CancelRequested => "cancel_requested",
            Self::Cancelled => "cancelled",
            Self::Overdue => "overdue",
            Self::Expired => "expired",
            Self::Released => "released",
            Self::Discarded => "discarded",
            Self::Requeued => "requeued",
            Self::PriorityChanged { .. } => "priority_changed",
        }
    }
}
