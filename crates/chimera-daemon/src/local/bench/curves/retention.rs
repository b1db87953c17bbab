//! How fast ended tasks are removed, and how long others wait meanwhile.

use super::{Figure, history, quantile};
use crate::care;
use crate::seams::Clock;
use anyhow::Result;
use chimera_store::Store;
use chimera_store::prune::Cutoffs;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Most tasks that are removed.
pub(super) const REMOVED: u32 = 50_000;
/// Between two looks at how long the writer lets others wait.
const LOOK: Duration = Duration::from_millis(20);

pub(super) async fn measure(store: &Store, history: u32) -> Result<Vec<Figure>> {
    let removed = REMOVED.min(history);
    let before = Some(history::beginning().plus(Duration::from_millis(u64::from(removed) + 1)));
    let cutoffs = Cutoffs { completed: before, failed: before, ..Cutoffs::default() };
    let over = CancellationToken::new();
    let waiting = tokio::spawn(others(store.clone(), over.clone()));
    let (from, clock) = (Instant::now(), Clock::system());
    let tasks = care::rows(store, &cutoffs, &clock).await?;
    let took = from.elapsed();
    over.cancel();
    let mut times = waiting.await?;
    #[expect(clippy::cast_precision_loss, reason = "a number for people")]
    let rate = tasks as f64 / took.as_secs_f64();
    let how = format!(
        "tasks with a journal of seven entries removed, {tasks} of {history}, with the pauses of retention: {:.0} million a day",
        rate * 86_400.0 / 1e6
    );
    let held = format!("that another caller of the writer waited meanwhile; 99 of 100 of {}", times.len());
    Ok(vec![
        Figure::new("retention", rate, "/s", how),
        Figure::new("retention_wait", quantile(&mut times, 0.99), "ms", held),
    ])
}

/// How long others wait for the writer, in milliseconds.
async fn others(store: Store, over: CancellationToken) -> Vec<f64> {
    let mut times = Vec::new();
    while !over.is_cancelled() {
        let from = Instant::now();
        if store.takes_changes().await.is_ok() {
            times.push(from.elapsed().as_secs_f64() * 1000.0);
        }
        tokio::time::sleep(LOOK).await;
    }
    times
}
