//! Circuit breakers: what keeps failing is left alone for a while.

use super::Scope;
use crate::{Outcome, Reason, TaskId, UnixMillis};
use std::time::Duration;

/// When a breaker opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// Failures in a row that open it; at least 1.
    pub failures: u32,
    /// How long it stays open before one task may try again.
    pub cool_down: Duration,
}

/// A failure is forgotten after a day without another one: it was of another time.
pub const FORGOTTEN: Duration = Duration::from_secs(24 * 60 * 60);

/// An agent or a project that failed last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaker {
    /// The agent or the project.
    pub scope: Scope,
    /// Failures in a row.
    pub failures: u32,
    /// When it failed last.
    pub failed_at: UnixMillis,
    /// What went wrong then.
    pub error: String,
    /// Set once there were too many.
    pub open: Option<Open>,
    /// The attempt that tries whether it works again, as long as that runs.
    pub probe: Option<(TaskId, u32)>,
}

/// Since when a breaker is open, and until when nothing is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    /// Since when.
    pub since: UnixMillis,
    /// From then on one attempt may try.
    pub until: UnixMillis,
}

/// One more failure.
#[derive(Debug, Clone, Copy)]
pub struct Failure<'a> {
    /// When.
    pub at: UnixMillis,
    /// What went wrong.
    pub error: &'a str,
    /// How long the agent wants to be left alone, if it said so.
    pub retry_after: Option<Duration>,
    /// The task and its attempt.
    pub attempt: (&'a TaskId, u32),
}

/// What an attempt's end says about whoever carried it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It works, whatever it answered.
    Sound,
    /// It did not work.
    Failing,
    /// Nothing either way.
    Unclear,
}

impl Outcome {
    /// What this says about whoever carried the attempt out.
    pub fn health(&self) -> Health {
        match self {
            Self::Passed { .. } | Self::Rejected(_) => Health::Sound,
            // The machine is full: that is neither the agent's nor the project's fault.
            Self::Transient { setback, .. } if setback.reason == Reason::Resources => Health::Unclear,
            Self::Transient { .. } | Self::Unknown(_) => Health::Failing,
            Self::Failed(setback) => match setback.reason {
                // Found before anybody was asked.
                Reason::Config | Reason::Resources | Reason::Budget | Reason::Deadline => Health::Unclear,
                // An answer is an answer, a no included.
                _ => Health::Sound,
            },
            // It is paused instead.
            Self::Unavailable { .. } | Self::Interrupted => Health::Unclear,
        }
    }
}

impl Breaker {
    /// The breaker of `scope` after one more failure; `before` is what it was, if it was counting.
    pub fn after(before: Option<&Self>, scope: Scope, failure: &Failure<'_>, policy: BreakerPolicy) -> Self {
        let before =
            before.filter(|before| before.open.is_some() || failure.at.since(before.failed_at) < FORGOTTEN);
        let failures = before.map_or(0, |before| before.failures).saturating_add(1);
        let rest = policy.cool_down.max(failure.retry_after.unwrap_or_default());
        let opened = Open { since: failure.at, until: failure.at.plus(rest.min(crate::limits::RETRY_AFTER)) };
        let (task, attempt) = failure.attempt;
        let probe = before.and_then(|before| before.probe.clone());
        let tried = probe.as_ref().is_some_and(|probe| probe.0 == *task && probe.1 == attempt);
        let open = match before.and_then(|before| before.open) {
            Some(open) if tried => Some(Open { since: open.since, ..opened }),
            // What began before it opened says nothing new.
            Some(open) => Some(open),
            None => (failures >= policy.failures.max(1)).then_some(opened),
        };
        let error = failure.error.to_owned();
        Self { scope, failures, failed_at: failure.at, error, open, probe: probe.filter(|_| !tried) }
    }

    /// Whether attempts are held back at that time: all but one that tries, once it has been open long enough.
    pub fn holds(&self, now: UnixMillis) -> bool {
        self.open.is_some_and(|open| now < open.until || self.probe.is_some())
    }
}
