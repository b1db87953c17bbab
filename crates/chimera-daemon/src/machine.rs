//! What Linux tells about memory and load; elsewhere nothing is known.

use crate::seams::Strain;

/// How busy this machine is. Where a control group (a container) leaves less memory, that counts.
pub(crate) fn strain() -> Strain {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let left = read("/sys/fs/cgroup/memory.max")
        .zip(read("/sys/fs/cgroup/memory.current"))
        .and_then(|(most, used)| left_of_group(&most, &used));
    let available = read("/proc/meminfo").and_then(|text| available(&text));
    let processors =
        std::thread::available_parallelism().map_or(1.0, |n| u32::try_from(n.get()).map_or(1.0, f64::from));
    Strain {
        free_memory: available.into_iter().chain(left).min(),
        load: read("/proc/loadavg").and_then(|text| load(&text)).map(|load| load / processors),
    }
}

/// What programs could still get, from `/proc/meminfo`.
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// What is left of a control group's memory; nothing if it has no limit (`max`).
fn left_of_group(most: &str, used: &str) -> Option<u64> {
    let (most, used): (u64, u64) = (most.trim().parse().ok()?, used.trim().parse().ok()?);
    Some(most.saturating_sub(used))
}

/// The load of the last minute, from `/proc/loadavg`.
fn load(loadavg: &str) -> Option<f64> {
    loadavg.split_whitespace().next()?.parse().ok().filter(|load: &f64| load.is_finite())
}

#[cfg(test)]
mod tests;
