//! `prune`: removes what ended long ago, now.

use crate::care::{self, Places, Removed};
use crate::config::{Config, Retention};
use crate::seams::Clock;
use crate::wiring;
use anyhow::Result;
use chimera_agent::vault::Vault;
use chimera_agent::workspace::Workspaces;
use chimera_store::prune;
use std::time::Duration;

/// Removes what the configuration does not keep, or whatever ended longer ago than `older_than`. A dry run
/// only counts tasks.
///
/// # Errors
/// The database's.
pub async fn prune(config: &Config, older_than: Option<Duration>, dry_run: bool) -> Result<Removed> {
    let store = wiring::open(config)?;
    let clock = Clock::system();
    if let Some(time) = store.server_time().await? {
        clock.set(time);
    }
    let all = older_than.map(Some);
    let kept = config.retention;
    let retention = Retention {
        completed: all.unwrap_or(kept.completed),
        cancelled: all.unwrap_or(kept.cancelled),
        failed: all.unwrap_or(kept.failed),
        discarded: all.unwrap_or(kept.discarded),
    };
    let now = clock.now();
    let cutoffs = care::cutoffs(&retention, now);
    let removed = if dry_run {
        let tasks = store.patient().read(move |tx| prune::count(tx, &cutoffs)).await?;
        Removed { tasks, ..Removed::default() }
    } else {
        care::once(&store, &places(config)?, &cutoffs, &clock).await?
    };
    store.close().await;
    Ok(removed)
}

/// The files of this machine.
pub(crate) fn places(config: &Config) -> Result<Places> {
    let vault = Vault::new(&config.data_dir.join("evidence"))?;
    Ok(Places::new(&config.data_dir, vault, Workspaces::new(&config.data_dir)?))
}
