//! How many tasks this daemon runs side by side at the moment, and whether it may begin any.
//!
//! Looks at the machine at most once a [`LOOK`]. Short of memory or of computing time, no task is begun; those that run are
//! left alone. Between the smallest and the largest number of workers, one more is added per look while ready tasks
//! wait and the machine has room, and one is taken away once nothing waits.

use super::Settings;
use crate::seams::Strain;
use std::time::Duration;
use tokio::time::Instant;

/// Between two looks: the system's averages change no faster, and a new task shows its weight only after a while.
pub(super) const LOOK: Duration = Duration::from_secs(1);
/// The part of the largest load up to which workers are added: beyond, they would only run into the limit.
const ROOMY: f64 = 0.75;

/// When no further task is begun.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Throttle {
    /// Least free memory, in bytes; 0: any will do.
    pub min_free_memory: u64,
    /// Most load per processor; absent: any will do.
    pub max_load: Option<f64>,
}

impl Throttle {
    /// Why no task may begin, if none may. What the system does not tell is no reason.
    fn reason(&self, strain: &Strain) -> Option<String> {
        const MIB: u64 = 1 << 20;
        let memory = strain.free_memory.filter(|free| *free < self.min_free_memory).map(|free| {
            format!(
                "{} MiB of memory are free, {} MiB are to stay so",
                free / MIB,
                self.min_free_memory / MIB
            )
        });
        let load = || {
            let (load, most) = (strain.load?, self.max_load?);
            (load > most).then(|| format!("the load is {load:.1} per processor, {most:.1} at most"))
        };
        memory.or_else(load)
    }

    /// Whether one more task would do.
    fn has_room(&self, strain: &Strain) -> bool {
        let memory = strain.free_memory.is_none_or(|free| free / 2 >= self.min_free_memory);
        let load = strain.load.zip(self.max_load).is_none_or(|(load, most)| load <= most * ROOMY);
        memory && load
    }
}

/// The pool's size at the moment.
#[derive(Debug)]
pub(super) struct Pool {
    min: u32,
    max: u32,
    workers: u32,
    throttle: Throttle,
    throttled: Option<String>,
    look_at: Instant,
}

impl Pool {
    pub(super) fn new(settings: &Settings) -> Self {
        Self::between(settings.min_workers, settings.max_workers, settings.throttle)
    }

    fn between(min: u32, max: u32, throttle: Throttle) -> Self {
        let min = min.min(max);
        Self { min, max, workers: min, throttle, throttled: None, look_at: Instant::now() }
    }

    /// Tasks that may run side by side at the moment.
    pub(super) fn workers(&self) -> u32 {
        self.workers
    }

    /// Why no task is begun, if none is.
    pub(super) fn throttled(&self) -> Option<&str> {
        self.throttled.as_deref()
    }

    /// Tasks that may be begun now, beside so many that run.
    pub(super) fn free(&self, running: usize) -> u32 {
        let running = u32::try_from(running).unwrap_or(u32::MAX);
        if self.throttled.is_some() { 0 } else { self.workers.saturating_sub(running) }
    }

    /// Whether the number of workers changes by itself.
    pub(super) fn is_automatic(&self) -> bool {
        self.min < self.max
    }

    /// Whether it is time to look at the machine.
    pub(super) fn is_due(&self) -> bool {
        Instant::now() >= self.look_at
    }

    /// How long until the next look, if something depends on it.
    pub(super) fn nap(&self) -> Option<Duration> {
        let waits = self.throttled.is_some() || (self.is_automatic() && self.workers != self.min);
        waits.then(|| self.look_at.saturating_duration_since(Instant::now()))
    }

    /// Not now: what a look needs is being found out.
    pub(super) fn put_off(&mut self) {
        self.look_at = Instant::now() + LOOK;
    }

    /// Takes in what the machine shows; `ready` tasks wait, `running` run. Says whether anything is different now.
    pub(super) fn look(&mut self, strain: &Strain, ready: u32, running: usize) -> bool {
        let before = (self.workers, self.throttled.take());
        self.look_at = Instant::now() + LOOK;
        self.throttled = self.throttle.reason(strain);
        let full = running >= self.workers as usize;
        if self.throttled.is_some() || (ready == 0 && !full) {
            self.workers = self.workers.saturating_sub(1).max(self.min);
        } else if ready > 0 && full && self.throttle.has_room(strain) {
            self.workers = self.workers.saturating_add(1).min(self.max);
        }
        // The figures in the reason change all the time.
        before.0 != self.workers || before.1.is_some() != self.throttled.is_some()
    }
}

#[cfg(test)]
mod tests;
