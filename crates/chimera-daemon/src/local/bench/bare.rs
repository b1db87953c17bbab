//! The raw limit of each figure: a bare loop of the same rows and commits, in the same run.

use super::{Figure, quantile};
use anyhow::Result;
use chimera_store::{Database, raw};
use std::time::Duration;

/// Workflows that are run one at a time.
const ALONE: u32 = 300;

/// What the bare loop does with so many at once.
pub(super) struct Bare {
    tasks: u32,
    times: Vec<raw::Times>,
}

impl Bare {
    /// Runs it. No engine may be at work on the database, which would take its tasks.
    pub(super) async fn run(database: &Database, tasks: u32, together: u32) -> Result<Self> {
        let database = database.clone();
        let run = move || raw::workflows(&database, tasks as usize, together as usize);
        Ok(Self { tasks, times: tokio::task::spawn_blocking(run).await?? })
    }

    /// One at a time.
    pub(super) async fn alone(database: &Database) -> Result<Self> {
        Self::run(database, ALONE, 1).await
    }

    /// Workflows per second.
    pub(super) fn workflows(&self) -> f64 {
        self.rate(|times| times.iter().sum())
    }

    /// Submissions per second: the first commit of each.
    pub(super) fn submissions(&self) -> f64 {
        self.rate(|times| times[0])
    }

    /// From submit to start in milliseconds: two commits.
    pub(super) fn start(&self, share: f64) -> f64 {
        self.millis(share, |times| times[0] + times[1])
    }

    /// A claim in milliseconds: the second commit.
    pub(super) fn claim(&self) -> f64 {
        self.millis(0.5, |times| times[1])
    }

    fn rate(&self, part: impl Fn(&raw::Times) -> Duration) -> f64 {
        f64::from(self.tasks) / self.times.iter().map(part).sum::<Duration>().as_secs_f64()
    }

    fn millis(&self, share: f64, part: impl Fn(&raw::Times) -> Duration) -> f64 {
        let mut times: Vec<f64> = self.times.iter().map(|times| part(times).as_secs_f64() * 1000.0).collect();
        quantile(&mut times, share)
    }
}

impl Figure {
    /// The same, beside its raw limit.
    pub(super) fn beside(mut self, raw: f64) -> Self {
        self.raw = Some(raw);
        self
    }
}
