//! Engine and store together: idle, one task at a time, many at once.

use super::empty::{Empty, put, task};
use super::{Figure, Plan, process, quantile};
use crate::engine::{self, Engine, Settings, Throttle};
use crate::seams::{Clock, Dice};
use anyhow::{Context, Result};
use chimera_core::Policy;
use chimera_store::{Store, StoreError};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long idleness is measured: from one heartbeat to the next, the first claims included.
const IDLE: Duration = Duration::from_secs(10);
/// Submissions for each task of the plan: one is quick.
const PER_TASK: u32 = 10;

/// An engine at work, and what its agents tell.
pub(super) struct Flow {
    store: Store,
    pub(super) starts: mpsc::UnboundedReceiver<Instant>,
    pub(super) ends: mpsc::UnboundedReceiver<()>,
    dice: Dice,
    shutdown: CancellationToken,
    running: JoinHandle<Result<(), StoreError>>,
}

/// Idle, and one task at a time.
pub(super) async fn calm(store: &Store, plan: &Plan) -> Result<Vec<Figure>> {
    let mut flow = Flow::start(store, plan.workers.first().copied().unwrap_or(1));
    let mut figures = idle(store).await?;
    figures.extend(flow.latency(plan.tasks).await?);
    flow.stop().await?;
    Ok(figures)
}

/// Many at once, beside the raw limit.
pub(super) async fn rate(store: &Store, plan: &Plan, workers: u32) -> Result<Figure> {
    let mut flow = Flow::start(store, workers);
    let figure = flow.rate(plan.tasks, workers).await;
    flow.stop().await?;
    figure
}

/// Submissions by calls of the library.
pub(super) async fn submissions(store: &Store, plan: &Plan) -> Result<Figure> {
    let (tasks, from) = (plan.tasks * PER_TASK, Instant::now());
    put_all(store, &Dice::system(), tasks).await?;
    let rate = f64::from(tasks) / from.elapsed().as_secs_f64();
    Ok(Figure::new("submissions", rate, "/s", format!("calls of the library, {tasks} at once")))
}

/// Submits tasks, all at once.
pub(super) async fn put_all(store: &Store, dice: &Dice, tasks: u32) -> Result<()> {
    let puts: Vec<_> = (0..tasks).map(|_| tokio::spawn(put(store.clone(), task(dice)))).collect();
    for put in puts {
        put.await??;
    }
    Ok(())
}

pub(super) fn settings(workers: u32) -> Settings {
    Settings {
        min_workers: workers,
        max_workers: workers,
        throttle: Throttle::default(),
        poll_interval: Duration::from_secs(1),
        lease: Duration::from_secs(30),
        shutdown_grace: Duration::from_secs(1),
        gates: Arc::default(),
        policy: Policy::default(),
        timeouts: BTreeMap::new(),
        patience: engine::PATIENCE,
    }
}

/// The share of one processor that this process uses while it waits, and what it asks the database for.
async fn idle(store: &Store) -> Result<Vec<Figure>> {
    let (before, asked) = (process::processor_time()?, store.transactions());
    tokio::time::sleep(IDLE).await;
    let share = (process::processor_time()? - before).as_secs_f64() / IDLE.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    let asked = (store.transactions() - asked) as f64 / IDLE.as_secs_f64();
    Ok(vec![
        Figure::new("idle_processor", share * 100.0, "%", format!("of one processor, over {IDLE:?}")),
        Figure::new("idle_queries", asked, "transactions/s", format!("of the engine, over {IDLE:?}")),
    ])
}

impl Flow {
    pub(super) fn start(store: &Store, workers: u32) -> Self {
        let (started, starts) = mpsc::unbounded_channel();
        let (ended, ends) = mpsc::unbounded_channel();
        let runner = Arc::new(Empty { started, ended, lasting: Duration::ZERO });
        let engine = Engine::new(store.clone(), runner, settings(workers), Clock::system(), Dice::system());
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(engine.run(shutdown.clone(), CancellationToken::new()));
        Self { store: store.clone(), starts, ends, dice: Dice::system(), shutdown, running }
    }

    pub(super) async fn stop(self) -> Result<()> {
        self.shutdown.cancel();
        Ok(self.running.await.context("the engine broke")??)
    }

    /// From the call of submit to the start of the first phase, one task at a time.
    async fn latency(&mut self, tasks: u32) -> Result<Vec<Figure>> {
        let mut latencies = Vec::new();
        for _ in 0..tasks {
            let from = Instant::now();
            put(self.store.clone(), task(&self.dice)).await?;
            let at: Instant = self.starts.recv().await.context("the engine ended")?;
            latencies.push(at.saturating_duration_since(from).as_secs_f64() * 1000.0);
            self.ends.recv().await.context("the engine ended")?;
        }
        let how = format!("submit to start of the first phase, {tasks} tasks one at a time");
        Ok([("start_p50", 0.5), ("start_p99", 0.99), ("start_max", 1.0)]
            .map(|(name, share)| Figure::new(name, quantile(&mut latencies, share), "ms", how.clone()))
            .into())
    }

    /// Tasks of five empty phases, submitted at once.
    async fn rate(&mut self, tasks: u32, workers: u32) -> Result<Figure> {
        let from = Instant::now();
        put_all(&self.store, &self.dice, tasks).await?;
        for _ in 0..tasks {
            self.ends.recv().await.context("the engine ended")?;
        }
        let rate = f64::from(tasks) / from.elapsed().as_secs_f64();
        let how =
            format!("workflows of five phases, {tasks} at once, {workers} workers; submission included");
        Ok(Figure::new(format!("workflows_{workers}"), rate, "/s", how))
    }
}
