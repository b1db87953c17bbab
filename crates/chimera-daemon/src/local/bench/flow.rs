//! Engine and store together: idle, one task at a time, many at once.

use super::empty::{Empty, put};
use super::{Figure, Plan, process, quantile};
use crate::engine::{self, Engine, Settings};
use crate::seams::{Clock, Dice};
use anyhow::{Context, Result};
use chimera_core::Policy;
use chimera_store::{Database, Store, raw};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long idleness is measured.
const IDLE: Duration = Duration::from_secs(3);

struct Flow<'a> {
    store: &'a Store,
    starts: mpsc::UnboundedReceiver<Instant>,
    ends: mpsc::UnboundedReceiver<()>,
    dice: Dice,
}

pub(super) async fn measure(store: &Store, database: &Database, plan: &Plan) -> Result<Vec<Figure>> {
    let (started, starts) = mpsc::unbounded_channel();
    let (ended, ends) = mpsc::unbounded_channel();
    let runner = Arc::new(Empty { started, ended });
    let engine = Engine::new(store.clone(), runner, settings(plan.workers), Clock::system(), Dice::system());
    let (shutdown, now) = (CancellationToken::new(), CancellationToken::new());
    let running = tokio::spawn(engine.run(shutdown.clone(), now));
    let mut flow = Flow { store, starts, ends, dice: Dice::system() };

    let mut figures = vec![idle().await?];
    figures.extend(flow.latency(plan.tasks).await?);
    let mut rate = flow.rate(plan).await?;
    shutdown.cancel();
    running.await?;
    let (database, tasks, together) = (database.clone(), plan.tasks as usize, plan.workers as usize);
    let bare = tokio::task::spawn_blocking(move || raw::workflows(&database, tasks, together)).await??;
    rate.raw = Some(f64::from(plan.tasks) / bare.as_secs_f64());
    figures.push(rate);
    Ok(figures)
}

fn settings(workers: u32) -> Settings {
    Settings {
        max_workers: workers,
        poll_interval: Duration::from_secs(1),
        lease: Duration::from_secs(30),
        shutdown_grace: Duration::from_secs(1),
        limits: BTreeMap::new(),
        policy: Policy::default(),
        timeouts: BTreeMap::new(),
        patience: engine::PATIENCE,
    }
}

/// The share of one processor that this process uses while it waits.
async fn idle() -> Result<Figure> {
    let before = process::processor_time()?;
    tokio::time::sleep(IDLE).await;
    let share = (process::processor_time()? - before).as_secs_f64() / IDLE.as_secs_f64();
    Ok(Figure::new("idle_processor", share * 100.0, "%", format!("of one processor, over {IDLE:?}")))
}

impl Flow<'_> {
    /// From the call of submit to the start of the first phase, one task at a time.
    async fn latency(&mut self, tasks: u32) -> Result<Vec<Figure>> {
        let mut latencies = Vec::new();
        for _ in 0..tasks {
            let from = Instant::now();
            put(self.store.clone(), self.dice.task_id()).await?;
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
    async fn rate(&mut self, plan: &Plan) -> Result<Figure> {
        let from = Instant::now();
        let puts: Vec<_> =
            (0..plan.tasks).map(|_| tokio::spawn(put(self.store.clone(), self.dice.task_id()))).collect();
        for put in puts {
            put.await??;
        }
        for _ in 0..plan.tasks {
            self.ends.recv().await.context("the engine ended")?;
        }
        let rate = f64::from(plan.tasks) / from.elapsed().as_secs_f64();
        let how = format!(
            "workflows of five phases, {} at once, {} workers; submission included",
            plan.tasks, plan.workers
        );
        Ok(Figure::new("workflows", rate, "/s", how))
    }
}
