//! `bench`: how fast queue and engine are on this machine, with agents that do nothing.
//!
//! Map: [`bench`] runs the parts one after the other; `flow` measures engine and store together, `depth` the claim
//! by the length of the queue, `http` submissions over the API, `process` what this process uses, `empty` are
//! the agents.

mod depth;
pub(crate) mod empty;
mod flow;
mod http;
mod process;

use anyhow::{Context, Result, bail};
use chimera_store::{Database, Options, Store, read};
use serde::Serialize;

/// What to measure.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Tasks for each figure.
    pub tasks: u32,
    /// Workers of the engine.
    pub workers: u32,
    /// Longest queue whose claim is measured.
    pub depth: u32,
    /// An empty database to use; absent: a scratch file of SQLite.
    pub database: Option<Database>,
}

/// One measured figure. Every write behind it is durable.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    /// Its name for programs.
    pub name: &'static str,
    /// The value.
    pub value: f64,
    /// What it counts.
    pub unit: &'static str,
    /// The limit of a bare loop of the same rows and commits, measured in the same run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<f64>,
    /// How it was measured, for people.
    pub how: String,
}

impl Figure {
    fn new(name: &'static str, value: f64, unit: &'static str, how: impl Into<String>) -> Self {
        Self { name, value, unit, raw: None, how: how.into() }
    }
}

/// Measures on a scratch database in the system's directory for temporary files, or on the one given.
///
/// # Errors
/// If the database cannot be made or written, or is not empty.
pub async fn bench(plan: &Plan) -> Result<Vec<Figure>> {
    let dir = tempfile::tempdir().context("no room for a scratch database")?;
    let database = plan.database.clone().unwrap_or_else(|| Database::Sqlite(dir.path().join("bench.db")));
    let store = Store::open(&database, &Options::default())?;
    let counts = store.read(read::counts).await?;
    if counts != read::Counts::default() {
        bail!("{database} has tasks in it: give an empty database, which `bench` will fill");
    }
    let mut figures = vec![process::memory()?];
    figures.extend(flow::measure(&store, &database, plan).await?);
    figures.extend(depth::measure(&store, &database, plan).await?);
    figures.extend(http::measure(&store, plan, dir.path()).await?);
    store.close().await;
    Ok(figures)
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
