//! A database that was restored from a backup begins a new life, of which those who knew the old one are told.

use super::backup::SEAL;
use super::transfer;
use crate::config::Config;
use anyhow::{Context, Result};
use chimera_core::UnixMillis;
use chimera_store::{Database, Store, restored};
use std::fs::File;
use std::io::ErrorKind;

/// What the seal of a backup is called once the backup is worked on.
const BROKEN: &str = "restored.json";

/// Says that the database of the configuration was restored; gives the number of tasks that were running.
///
/// # Errors
/// If the database cannot be opened or written.
pub async fn restored(config: &Config) -> Result<usize> {
    let (store, clock) = transfer::open(config).await?;
    let were_running = declare(&store, clock.now()).await?;
    store.close().await;
    Ok(were_running)
}

async fn declare(store: &Store, now: UnixMillis) -> Result<usize> {
    Ok(store.patient().write_alone(move |tx| restored::declare(tx, now)).await?)
}

/// The same, once, for a data directory that is a copy of a backup, with its file of SQLite.
///
/// # Errors
/// If the seal or the database cannot be read or written.
pub(crate) async fn notice_restored(config: &Config, store: &Store, now: UnixMillis) -> Result<()> {
    let seal = config.data_dir.join(SEAL);
    let is_here = matches!(&config.database, Database::Sqlite(path) if path.starts_with(&config.data_dir));
    if !is_here {
        return Ok(());
    }
    let unreadable = || format!("cannot read {}", seal.display());
    let held = match File::open(&seal) {
        Err(err) if err.kind() == ErrorKind::NotFound => return Ok(()),
        held => held.with_context(unreadable)?,
    };
    // Of two daemons that start at once, one does it, and the other waits until it is done.
    let held =
        tokio::task::spawn_blocking(move || held.lock().map(|()| held)).await?.with_context(unreadable)?;
    if seal.exists() {
        let were_running = declare(store, now).await?;
        std::fs::rename(&seal, config.data_dir.join(BROKEN))
            .with_context(|| format!("cannot rename {}", seal.display()))?;
        tracing::warn!(
            were_running,
            "restored from a backup: running tasks wait again, and leases of before hold no more"
        );
    }
    drop(held);
    Ok(())
}
