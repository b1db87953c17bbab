//! The order of the queue, with aging for free.

use crate::{Priority, UnixMillis};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What one step of priority is worth in waiting time.
///
/// A task is overtaken by later ones only within `(10 - priority)` steps of its submission, so nothing starves.
pub const STEP: Duration = Duration::from_secs(10 * 60);

/// The place in the queue: ready tasks start by ascending rank. It never changes while a task waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rank(pub i64);

impl Rank {
    /// `submitted - priority * STEP`, in milliseconds.
    pub fn new(submitted: UnixMillis, priority: Priority) -> Self {
        let bonus =
            i64::try_from(STEP.as_millis()).unwrap_or(i64::MAX).saturating_mul(i64::from(priority.get()));
        Self(submitted.0.saturating_sub(bonus))
    }
}
