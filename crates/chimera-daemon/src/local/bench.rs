//! `bench`: how fast queue and engine are on this machine, with agents that do nothing.

use crate::engine::{Engine, Settings};
use crate::seams::{Clock, Dice};
use anyhow::{Context, Result};
use chimera_agent::runner::{Attempt, BoxFuture, Report, Runner};
use chimera_core::{
    Digest, GreenProof, Outcome, Phase, PhaseOutput, Policy, Priority, Reason, RedProof, Request, Setback,
    Task, TaskId, TestReport, TestResult, TestStatus, UnixMillis,
};
use chimera_store::submit::{NewTask, submit};
use chimera_store::{Database, Options, Store};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What was measured. Every write is durable (`synchronous=FULL`).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Workers of the engine.
    pub workers: u32,
    /// Tasks submitted one after the other, each when the one before has started.
    pub latency_tasks: u32,
    /// From the call of submit to the start of the first phase, milliseconds: median.
    pub start_latency_p50_ms: f64,
    /// The same, 99th percentile.
    pub start_latency_p99_ms: f64,
    /// The same, longest.
    pub start_latency_max_ms: f64,
    /// Tasks of five empty phases that were submitted at once.
    pub throughput_tasks: u32,
    /// Such tasks completed per second.
    pub workflows_per_second: f64,
    /// Processor time of this process while nothing was to do, as a share of one processor.
    pub idle_cpu_share: f64,
}

/// How long idleness is measured.
const IDLE: Duration = Duration::from_secs(3);

/// Measures on a scratch database in the system's directory for temporary files.
///
/// # Errors
/// If the database cannot be made or written.
pub async fn bench(tasks: u32, workers: u32) -> Result<Figures> {
    let dir = tempfile::tempdir().context("no room for a scratch database")?;
    let store = Store::open(&Database::Sqlite(dir.path().join("bench.db")), &Options::default())?;
    let (started, mut starts) = mpsc::unbounded_channel();
    let (ended, mut ends) = mpsc::unbounded_channel();
    let runner = Arc::new(Empty { started, ended });
    let engine = Engine::new(store.clone(), runner, settings(workers), Clock::system(), Dice::system());
    let (shutdown, now) = (CancellationToken::new(), CancellationToken::new());
    let running = tokio::spawn(engine.run(shutdown.clone(), now));
    let dice = Dice::system();

    let idle_cpu_share = idle().await?;
    let mut latencies = Vec::new();
    for _ in 0..tasks {
        let from = Instant::now();
        put(&store, dice.task_id()).await?;
        let at: Instant = starts.recv().await.context("the engine ended")?;
        latencies.push(at.saturating_duration_since(from).as_secs_f64() * 1000.0);
        ends.recv().await.context("the engine ended")?;
    }
    latencies.sort_by(f64::total_cmp);

    let from = Instant::now();
    let submitted = (0..tasks).map(|_| tokio::spawn(put_owned(store.clone(), dice.task_id())));
    for put in submitted.collect::<Vec<_>>() {
        put.await??;
    }
    for _ in 0..tasks {
        ends.recv().await.context("the engine ended")?;
    }
    let workflows_per_second = f64::from(tasks) / from.elapsed().as_secs_f64();
    shutdown.cancel();
    running.await?;
    store.close().await;
    Ok(Figures {
        workers,
        latency_tasks: tasks,
        start_latency_p50_ms: quantile(&latencies, 0.5),
        start_latency_p99_ms: quantile(&latencies, 0.99),
        start_latency_max_ms: quantile(&latencies, 1.0),
        throughput_tasks: tasks,
        workflows_per_second,
        idle_cpu_share,
    })
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
    }
}

/// The share of one processor that this process uses while it waits.
async fn idle() -> Result<f64> {
    let before = processor_time()?;
    tokio::time::sleep(IDLE).await;
    Ok((processor_time()? - before).as_secs_f64() / IDLE.as_secs_f64())
}

fn processor_time() -> Result<Duration> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).context("the processor's clock cannot be read")
}

async fn put_owned(store: Store, id: TaskId) -> Result<()> {
    put(&store, id).await
}

async fn put(store: &Store, id: TaskId) -> Result<()> {
    let request = Request {
        feature: "An empty feature".to_owned(),
        target_url: "http://127.0.0.1/".to_owned(),
        staging_url: None,
        priority: Priority::default(),
        acceptance: Vec::new(),
        project: None,
        not_before: None,
        labels: BTreeMap::new(),
    };
    let new =
        NewTask { id, request, project: "bench".to_owned(), now: Clock::system().now(), idempotency: None };
    store.write(move |tx| submit(tx, &new)).await?;
    Ok(())
}

fn quantile(sorted: &[f64], share: f64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a small index"
    )]
    let index = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(index).copied().unwrap_or_default()
}

/// Does nothing, and tells when it began and ended.
struct Empty {
    started: mpsc::UnboundedSender<Instant>,
    ended: mpsc::UnboundedSender<()>,
}

impl Runner for Empty {
    fn run(&self, attempt: Attempt, _stop: CancellationToken) -> BoxFuture<'_, Report> {
        if attempt.task.phase() == Phase::E2eTestGeneration {
            let _ = self.started.send(Instant::now());
        }
        let failed = || Outcome::Failed(Setback::new(Reason::Config, "the empty agent made no proof"));
        let outcome = nothing(attempt.task.phase()).map_or_else(failed, |output| Outcome::Passed { output });
        Box::pin(std::future::ready(outcome.into()))
    }

    fn finished<'a>(&'a self, _task: &'a Task) -> BoxFuture<'a, ()> {
        let _ = self.ended.send(());
        Box::pin(std::future::ready(()))
    }
}

/// What an empty phase produces.
fn nothing(phase: Phase) -> Option<PhaseOutput> {
    let digest = |digit: &str| Digest::parse(&digit.repeat(64)).ok();
    let at = UnixMillis(0);
    let report = |status| {
        let test =
            TestResult { id: "empty".to_owned(), status, assertions: 1, duration_ms: 0, message: None };
        TestReport { tests: vec![test], error: None }
    };
    let red = RedProof::judge(&report(TestStatus::AssertionFailed), digest("a")?, digest("b")?, at).ok()?;
    Some(match phase {
        Phase::E2eTestGeneration => PhaseOutput::E2eTestGeneration {
            test_path: "tests/e2e/test_empty.py".to_owned(),
            test_sha256: digest("a")?,
            base_commit: digest("b")?,
            test_commit: digest("c")?,
            red,
            target_run: "unreachable".to_owned(),
        },
        Phase::CodeImplementation => PhaseOutput::CodeImplementation {
            commit: digest("d")?,
            diff: digest("e")?,
            test_sha256: digest("a")?,
            code_pr_id: "local-empty".to_owned(),
        },
        Phase::GuardianReview => PhaseOutput::GuardianReview { commit: digest("d")? },
        Phase::StagingDeployment => {
            PhaseOutput::StagingDeployment { url: "http://127.0.0.1/".to_owned(), revision: digest("d")? }
        }
        Phase::E2eValidation => {
            let runs = [report(TestStatus::Passed), report(TestStatus::Passed)];
            PhaseOutput::E2eValidation {
                green: GreenProof::judge(&red, &runs, 2, digest("a")?, digest("d")?, at).ok()?,
            }
        }
        Phase::Complete | Phase::Failed => return None,
    })
}
