//! `bench`: how fast queue and engine are on this machine, with agents that do nothing.
//!
//! Map: [`bench`] runs the parts one after the other; `flow` measures engine and store together, `crew` daemons in
//! processes of their own, `depth` the claim by the length of the queue, `http` submissions over the API, `process`
//! what this process uses; `empty` are the agents, `bare` is the raw limit of each figure, `targets` what they ought to be.

mod bare;
mod crew;
mod curves;
mod depth;
pub(crate) mod empty;
mod flow;
mod http;
mod process;
mod targets;

pub use crew::{Hand, run_hand};
pub use curves::{Curves, curves};

use anyhow::{Context, Result, bail};
use bare::Bare;
use chimera_agent::scratch::Scratch;
use chimera_store::{Database, Options, Store, counts};
use serde::Serialize;
use std::path::Path;

/// As many submissions share a commit of the bare loop as may share one of the store.
const SHARING: u32 = 256;

/// What to measure.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Tasks for each figure.
    pub tasks: u32,
    /// Workers of the engine, one run for each number.
    pub workers: Vec<u32>,
    /// Daemons in processes of their own, for one more run; fewer than two: none.
    pub daemons: u32,
    /// Longest queue whose claim is measured.
    pub depth: u32,
    /// An empty database to use; absent: a scratch file of SQLite.
    pub database: Option<String>,
}

/// One measured figure. Every write behind it is durable.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    /// Its name for programs.
    pub name: String,
    /// The value.
    pub value: f64,
    /// What it counts.
    pub unit: &'static str,
    /// The limit of a bare loop of the same rows and commits, measured in the same run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<f64>,
    /// What it ought to be, if that was decided on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Whether it is that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub met: Option<bool>,
    /// How it was measured, for people.
    pub how: String,
}

impl Figure {
    fn new(name: impl Into<String>, value: f64, unit: &'static str, how: impl Into<String>) -> Self {
        Self { name: name.into(), value, unit, raw: None, target: None, met: None, how: how.into() }
    }
}

/// Measures on a scratch database in the system's directory for temporary files, or on the one given. `tell` hears
/// what is being measured.
///
/// # Errors
/// If the database cannot be made or written, or is not empty.
pub async fn bench(plan: &Plan, tell: impl Fn(&str)) -> Result<Vec<Figure>> {
    let dir = Scratch::system().dir().context("no room for a scratch database")?;
    let (database, url) = opened(plan.database.as_deref(), dir.path()).await?;
    let store = Store::open(&database, &Options::default())?;
    tell("idle, and one task at a time");
    let mut figures = vec![process::memory("idle_memory", "resident, with the database open")?];
    let calm = flow::calm(&store, plan).await?;
    let alone = Bare::alone(&database).await?;
    figures.extend(calm.into_iter().map(|figure| match figure.name.as_str() {
        "start_p50" => figure.beside(alone.start(0.5)),
        "start_p99" => figure.beside(alone.start(0.99)),
        _ => figure,
    }));
    for workers in &plan.workers {
        tell(&format!("{} workflows with {workers} workers, and the bare loop", plan.tasks));
        let rate = flow::rate(&store, plan, *workers).await?;
        figures.push(rate.beside(Bare::run(&database, plan.tasks, *workers).await?.workflows()));
    }
    if plan.daemons > 1 {
        let workers = plan.workers.first().copied().unwrap_or(1);
        tell(&format!("{} workflows with {} daemons of {workers} workers", plan.tasks, plan.daemons));
        let rate = crew::rate(&store, &url, plan, workers).await?;
        figures.push(rate.beside(Bare::run(&database, plan.tasks, workers).await?.workflows()));
    }
    figures.push(process::memory("load_memory", "resident, after all of these workflows")?);
    tell("a daemon killed, and the next one");
    figures.push(crew::recovery(&store, &url, &database).await?);
    tell(&format!("the claim, by the length of the queue up to {}", plan.depth));
    figures.extend(depth::measure(&store, &database, plan, alone.claim()).await?);
    tell("submissions, and the bare loop");
    let raw = Bare::run(&database, plan.tasks, SHARING).await?.submissions();
    figures.push(flow::submissions(&store, plan).await?.beside(raw));
    figures.extend(http::measure(&store, plan, dir.path(), raw).await?);
    store.close().await;
    let server = matches!(database, Database::Postgres(_));
    for figure in &mut figures {
        (figure.target, figure.met) = targets::judge(figure, server).unzip();
    }
    Ok(figures)
}

/// The database to use, which is empty, and its URL.
async fn opened(url: Option<&str>, scratch: &Path) -> Result<(Database, String)> {
    let url = url.map_or_else(|| format!("sqlite:{}", scratch.join("bench.db").display()), str::to_owned);
    let here = std::env::current_dir()?;
    let database =
        Database::parse(&url, &here, None).map_err(|detail| anyhow::anyhow!("--database: {detail}"))?;
    let store = Store::open(&database, &Options::default())?;
    let counts = store.read(counts::counts).await?;
    store.close().await;
    if counts != counts::Counts::default() {
        bail!("{database} has tasks in it: give an empty database, which `bench` will fill");
    }
    Ok((database, url))
}

fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a small index"
    )]
    let index = ((values.len() as f64 * share) as usize).min(values.len().saturating_sub(1));
    values.get(index).copied().unwrap_or_default()
}
