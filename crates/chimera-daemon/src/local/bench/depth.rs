//! The claim, by the length of the queue; and how soon a long queue is back after a restart.

use super::empty::task;
use super::{Figure, Plan, quantile};
use crate::seams::{Clock, Dice};
use anyhow::{Context, Result};
use chimera_core::{Gates, Outcome, Policy, State, Tick, Usage, step};
use chimera_store::queue::{self, Claim};
use chimera_store::settle::{Settlement, settle};
use chimera_store::submit::submit;
use chimera_store::{Database, Options, Store, StoreError, Tx};
use tokio::time::Instant;

/// The shortest queue that is measured.
const SHORTEST: u32 = 1000;
/// Tasks submitted in one transaction, to fill the queue.
const BATCH: u32 = 1000;
/// Claims whose median counts.
const CLAIMS: usize = 300;

/// `raw` is what the commit of a claim takes.
pub(super) async fn measure(
    store: &Store,
    database: &Database,
    plan: &Plan,
    raw: f64,
) -> Result<Vec<Figure>> {
    let (mut figures, mut queued, dice) = (Vec::new(), 0, Dice::system());
    let mut medians = Vec::new();
    for depth in
        std::iter::successors(Some(SHORTEST), |depth| depth.checked_mul(10)).take_while(|d| *d <= plan.depth)
    {
        while queued < depth {
            let batch = BATCH.min(depth - queued);
            let news: Vec<_> = (0..batch).map(|_| task(&dice)).collect();
            store
                .patient()
                .write(move |tx| news.iter().try_for_each(|new| submit(tx, new).map(drop)))
                .await?;
            queued += batch;
        }
        let mut times = Vec::with_capacity(CLAIMS);
        for _ in 0..CLAIMS {
            times.push(claim(store, "bench").await?);
        }
        let how = format!("claim of one task out of {depth}, committed; median of {CLAIMS}");
        let median = quantile(&mut times, 0.5);
        medians.push(median);
        figures.push(Figure::new(format!("claim_{depth}"), median, "ms", how).beside(raw));
    }
    if let (Some(shortest), Some(longest)) = (medians.first(), medians.last()) {
        let how = "the claim out of the longest queue, as a multiple of that out of the shortest";
        figures.push(Figure::new("claim_growth", longest / shortest, "", how));
    }
    let from = Instant::now();
    let again = Store::open(database, &Options { readers: 1, ..Options::default() })?;
    claim(&again, "bench").await?;
    let ready = from.elapsed().as_secs_f64() * 1000.0;
    figures.push(Figure::new("reopen", ready, "ms", format!("open, and claim out of {queued} queued tasks")));
    if let Database::Sqlite(path) = database {
        let bytes = std::fs::metadata(path)?.len();
        let counts = store.read(chimera_store::read::counts).await?;
        #[expect(clippy::cast_precision_loss, reason = "a number for people")]
        let tasks = (counts.queued + counts.completed) as f64;
        #[expect(clippy::cast_precision_loss, reason = "a size for people")]
        let each = bytes as f64 / tasks;
        figures.push(Figure::new(
            "size",
            each,
            "bytes",
            format!("of the database per task, {} queued and {} ended", counts.queued, counts.completed),
        ));
    }
    Ok(figures)
}

/// Claims a task and hands it back; the time of the claim in milliseconds.
pub(super) async fn claim(store: &Store, owner: &str) -> Result<f64> {
    let (now, owner) = (Clock::system().now(), owner.to_owned());
    let take = move |tx: &mut Tx<'_>| {
        let gates = &Gates::default();
        queue::claim(tx, &Claim { owner: &owner, now, limit: 1, gates })
    };
    let from = Instant::now();
    let mut tasks = store.write(take).await?;
    let time = from.elapsed().as_secs_f64() * 1000.0;
    let task = tasks.pop().context("the queue is empty")?;
    let state = State { status: task.status, workflow: task.workflow.clone() };
    let event = chimera_core::Event::Settled { outcome: Outcome::Interrupted, usage: Usage::default() };
    let transition = step(&state, event, Tick { now, jitter: 0.0 }, &Policy::default())?;
    let epoch = task.lease.as_ref().map(|lease| lease.epoch).context("a claimed task has a lease")?;
    let back = move |tx: &mut Tx<'_>| -> Result<(), StoreError> {
        let settlement = Settlement::new(&task, epoch, transition, now);
        settle(tx, &settlement).map(drop)
    };
    store.write(back).await?;
    Ok(time)
}
