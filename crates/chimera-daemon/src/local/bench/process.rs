//! What this process uses.

use super::Figure;
use anyhow::{Context, Result};
use std::time::Duration;

/// Memory that is really there.
pub(super) fn memory(name: &str, how: &str) -> Result<Figure> {
    let status = std::fs::read_to_string("/proc/self/status").context("/proc is not there")?;
    let kilobytes: f64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .context("the system does not tell the memory in use")?;
    Ok(Figure::new(name, kilobytes / 1024.0, "MB", how))
}

/// Processor time of all threads so far.
pub(super) fn processor_time() -> Result<Duration> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).context("the processor's clock cannot be read")
}

/// Bytes that all threads have handed to the system to be written, so far.
pub(super) fn bytes_written() -> Result<u64> {
    let counters = std::fs::read_to_string("/proc/self/io").context("/proc is not there")?;
    let written = counters.lines().find_map(|line| line.strip_prefix("wchar:")?.trim().parse().ok());
    written.context("the system does not tell what was written")
}
