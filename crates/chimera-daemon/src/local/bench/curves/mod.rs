//! `bench --curves`: what must not grow with what there is.
//!
//! Map: `heartbeat` by running tasks, `fleet` the claim by daemons, `history` counts and lists by ended tasks, and
//! `retention`, which removes them again.

mod fleet;
mod heartbeat;
mod history;
mod retention;

use super::{Figure, opened, quantile, targets};
use anyhow::Result;
use chimera_agent::scratch::Scratch;
use chimera_store::{Database, Options, Store};

/// The shortest history that is measured.
const SHORTEST: u32 = 10_000;

/// What to measure.
#[derive(Debug, Clone)]
pub struct Curves {
    /// Ended tasks of the longest history.
    pub history: u32,
    /// An empty database to use; absent: a scratch file of SQLite.
    pub database: Option<String>,
}

/// Measures on a scratch database in the system's directory for temporary files, or on the one given. `tell` hears
/// what is being measured.
///
/// # Errors
/// If the database cannot be made or written, or is not empty.
pub async fn curves(plan: &Curves, tell: impl Fn(&str)) -> Result<Vec<Figure>> {
    let dir = Scratch::system().dir()?;
    let (database, _) = opened(plan.database.as_deref(), dir.path()).await?;
    let server = matches!(database, Database::Postgres(_));
    tell("the heartbeat, by running tasks");
    let mut figures = heartbeat::measure(&database).await?;
    tell("the claim, by daemons");
    figures.extend(fleet::measure(&database).await?);
    let store = Store::open(&database, &Options::default())?;
    tell(&format!("counts and lists, by ended tasks up to {}", plan.history));
    figures.extend(history::measure(&store, plan.history).await?);
    tell("retention");
    figures.extend(retention::measure(&store, plan.history).await?);
    store.close().await;
    for figure in &mut figures {
        (figure.target, figure.met) = targets::judge(figure, server).unzip();
    }
    Ok(figures)
}
