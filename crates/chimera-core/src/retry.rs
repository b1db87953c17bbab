//! When to try again.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Exponential backoff with jitter for transient troubles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// Retries of one phase after its first try; 0 gives up at once.
    pub max_retries: u32,
    /// Wait before the first retry.
    pub base: Duration,
    /// Longest wait.
    pub cap: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { max_retries: 3, base: Duration::from_secs(2), cap: Duration::from_secs(5 * 60) }
    }
}

impl RetryPolicy {
    /// The wait after the `failures`-th failure in a row (from 1), or `None` if the retries are used up.
    ///
    /// Doubles per failure up to the cap; `jitter` in `0.0..1.0` takes away up to half of it, so that tasks
    /// which failed together do not come back together.
    pub fn delay(&self, failures: u32, jitter: f64) -> Option<Duration> {
        if failures > self.max_retries {
            return None;
        }
        let doublings = failures.saturating_sub(1).min(31);
        let full = self.base.saturating_mul(1 << doublings).min(self.cap);
        let jitter = if jitter.is_nan() { 0.0 } else { jitter.clamp(0.0, 1.0) };
        // Half of any duration is one again; the whole, times 1.0, may be rounded to more than the longest.
        Some(full.saturating_sub(full.mul_f64(jitter / 2.0)))
    }
}
