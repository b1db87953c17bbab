//! How tasks are executed: workers, limits, retries.

use super::check::{Environment, at_least, at_least_one, number, role};
use super::{ConfigError, Executor, Flags, duration, file};
use crate::engine::Throttle;
use chimera_core::gates::BreakerPolicy;
use chimera_core::{Policy, RetryPolicy};
use std::collections::BTreeMap;
use std::time::Duration;

/// Most workers of one daemon: each may hold a browser of several hundred megabytes.
const MOST_WORKERS: u32 = 1024;

/// What is left free by default: about a browser's worth, so that the running ones can still grow.
const FREE_MEMORY: u64 = 256 << 20;
/// A load at which a machine is all but stuck. Far more than full use: most of an agent's time is waiting.
const LOAD: f64 = 16.0;

pub(super) fn executor(
    file: &file::Executor,
    flags: &Flags,
    environment: &Environment,
) -> Result<Executor, ConfigError> {
    let max_workers = workers(file, flags, environment)?;
    let min_workers = file.min_workers.unwrap_or(max_workers);
    if !(1..=max_workers).contains(&min_workers) {
        let detail = format!("{min_workers} workers are not possible: give 1 to {max_workers}");
        return Err(ConfigError::value("executor.min_workers", detail));
    }
    let poll_interval = match environment.get("CHIMERA_POLL_INTERVAL") {
        Some(text) => {
            duration::parse(text).map_err(|why| ConfigError::value("CHIMERA_POLL_INTERVAL", why))?
        }
        None => file.poll_interval.map_or(Duration::from_secs(1), |span| span.0),
    };
    let lease = file.lease.map_or(Duration::from_secs(30), |span| span.0);
    at_least("executor.poll_interval", poll_interval, Duration::from_millis(10))?;
    at_least("executor.lease", lease, Duration::from_secs(3))?;
    let mut limits = BTreeMap::new();
    for (name, limit) in &file.limits {
        limits.insert(
            role(name, "executor.limits")?,
            at_least_one(&format!("executor.limits.{name}"), *limit)?,
        );
    }
    let shutdown_grace = file.shutdown_grace.map_or(Duration::from_secs(10), |span| span.0);
    Ok(Executor {
        min_workers,
        max_workers,
        throttle: throttle(file)?,
        start_paused: flags.start_paused,
        poll_interval,
        lease,
        shutdown_grace,
        limits,
        breaker: breaker(file)?,
    })
}

fn breaker(file: &file::Executor) -> Result<Option<BreakerPolicy>, ConfigError> {
    let failures = file.breaker_failures.unwrap_or(5);
    let cool_down = file.breaker_cool_down.map_or(Duration::from_secs(60), |span| span.0);
    at_least("executor.breaker_cool_down", cool_down, Duration::from_secs(1))?;
    Ok((failures > 0).then_some(BreakerPolicy { failures, cool_down }))
}

fn workers(file: &file::Executor, flags: &Flags, environment: &Environment) -> Result<u32, ConfigError> {
    let workers = match (flags.workers, environment.get("CHIMERA_MAX_WORKERS")) {
        (Some(workers), _) => workers,
        (None, Some(text)) => number("CHIMERA_MAX_WORKERS", text, 1..=MOST_WORKERS)?,
        (None, None) => file.max_workers.unwrap_or(5),
    };
    if !(1..=MOST_WORKERS).contains(&workers) {
        let detail = format!("{workers} workers are not possible: give 1 to {MOST_WORKERS}");
        return Err(ConfigError::value("executor.max_workers", detail));
    }
    Ok(workers)
}

fn throttle(file: &file::Executor) -> Result<Throttle, ConfigError> {
    let max_load = file.max_load.unwrap_or(LOAD);
    if !(max_load >= 0.0 && max_load.is_finite()) {
        let detail =
            format!("{max_load} is not a valid load: give the most per processor, or 0 for no limit");
        return Err(ConfigError::value("executor.max_load", detail));
    }
    let min_free_memory = file.min_free_memory.map_or(FREE_MEMORY, |size| size.0);
    Ok(Throttle { min_free_memory, max_load: (max_load > 0.0).then_some(max_load) })
}

pub(super) fn policy(file: &file::Executor) -> Policy {
    let default = Policy::default();
    Policy {
        retry: RetryPolicy {
            max_retries: file.max_retries.unwrap_or(default.retry.max_retries),
            base: file.retry_base.map_or(default.retry.base, |span| span.0),
            cap: file.retry_cap.map_or(default.retry.cap, |span| span.0),
        },
        max_iterations: file.max_iterations.unwrap_or(default.max_iterations),
        max_test_rounds: file.max_test_rounds.unwrap_or(default.max_test_rounds),
        max_review_rounds: file.max_review_rounds.unwrap_or(default.max_review_rounds),
        max_validation_rounds: file.max_validation_rounds.unwrap_or(default.max_validation_rounds),
        max_crashes: file.max_crashes.unwrap_or(default.max_crashes).max(1),
    }
}
