//! Keeps database and disk from growing without bound: what ended long ago is removed.
//!
//! A round removes rows in small batches with pauses between them, then the files that go with them; `files` knows
//! where those lie. Only what was noted as removed is deleted: a file that the database does not know is left
//! alone, because the database might be the wrong one.

mod files;

pub use files::Places;

use crate::config::Retention;
use crate::seams::Clock;
use anyhow::Result;
use chimera_core::UnixMillis;
use chimera_store::prune::{self, Cutoffs, Trash};
use chimera_store::{Store, StoreError};
use serde::Serialize;
use std::time::Duration;

/// Between two rounds.
const ROUND: Duration = Duration::from_secs(3600);
/// Before the first one: a daemon that starts has better things to do.
const FIRST: Duration = Duration::from_secs(60);
/// Tasks removed by one transaction: a few milliseconds of the writer.
const AT_ONCE: u32 = 20;
/// Between two transactions.
const PAUSE: Duration = Duration::from_millis(50);
/// Most tasks of one round; the next one goes on.
const MOST: u64 = 10_000;
/// Notes of files read at once.
const PAGE: u32 = 200;
/// How long files are noted: a machine that was off for longer keeps its files of the tasks pruned meanwhile.
const NOTED: Duration = Duration::from_secs(30 * 24 * 3600);

/// What a round removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Removed {
    /// Tasks, with journal, evidence index and idempotency keys.
    pub tasks: u64,
    /// Evidence files and directories of tasks on this machine.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// The times before which tasks must have ended to be removed now.
pub fn cutoffs(retention: &Retention, now: UnixMillis) -> Cutoffs {
    let before = |kept: Option<Duration>| {
        kept.map(|kept| UnixMillis(now.0.saturating_sub(i64::try_from(kept.as_millis()).unwrap_or(i64::MAX))))
    };
    Cutoffs {
        completed: before(retention.completed),
        cancelled: before(retention.cancelled),
        failed: before(retention.failed),
        discarded: before(retention.discarded),
    }
}

/// Prunes round after round; never returns. Rows are removed by one daemon of the database at a time, files by
/// each on its machine.
pub async fn run(store: Store, places: Places, retention: Retention, clock: Clock) {
    tokio::time::sleep(FIRST).await;
    loop {
        let now = clock.now();
        let turn = store.write(move |tx| prune::take_on(tx, now, now.plus(ROUND))).await;
        let tasks = match turn {
            Ok(true) => rows(&store, &cutoffs(&retention, now), now, MOST).await,
            Ok(false) => Ok(0),
            Err(err) => Err(err),
        };
        match files_and_notes(&store, &places, now, tasks).await {
            Ok(Removed { tasks: 0, files: 0, .. }) => {}
            Ok(Removed { tasks, files, bytes }) => tracing::info!(tasks, files, bytes, "pruned"),
            Err(err) => tracing::error!(error = %err, "cannot prune; trying again in an hour"),
        }
        tokio::time::sleep(ROUND).await;
    }
}

async fn files_and_notes(
    store: &Store,
    places: &Places,
    now: UnixMillis,
    tasks: Result<u64, StoreError>,
) -> Result<Removed> {
    let tasks = tasks?;
    Ok(Removed { tasks, ..files(store, places, now).await? })
}

/// Prunes once, to the end.
///
/// # Errors
/// The database's.
pub async fn once(store: &Store, places: &Places, cutoffs: &Cutoffs, now: UnixMillis) -> Result<Removed> {
    let tasks = rows(store, cutoffs, now, u64::MAX).await;
    files_and_notes(store, places, now, tasks).await
}

async fn rows(store: &Store, cutoffs: &Cutoffs, now: UnixMillis, most: u64) -> Result<u64, StoreError> {
    let (cutoffs, mut tasks) = (*cutoffs, 0);
    while tasks < most {
        match store.write(move |tx| prune::batch(tx, &cutoffs, now, AT_ONCE)).await {
            Ok(removed) if removed.is_empty() => break,
            Ok(removed) => tasks += removed.len() as u64,
            // Somebody changes what was to be removed: the next round finds it as it is then.
            Err(StoreError::Busy) => break,
            Err(err) => return Err(err),
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(tasks)
}

/// Removes the files that are noted.
async fn files(store: &Store, places: &Places, now: UnixMillis) -> Result<Removed> {
    let (mut removed, mut last) = (Removed::default(), None::<Trash>);
    loop {
        let after = last.clone();
        let page = store.read(move |tx| prune::trash(tx, after.as_ref(), PAGE)).await?;
        let Some(newest) = page.last() else { break };
        last = Some(newest.clone());
        for item in page {
            match remove(store, places, &item, now).await {
                Ok(bytes) => {
                    removed.files += u64::from(bytes.is_some());
                    removed.bytes += bytes.unwrap_or(0);
                }
                Err(err) => tracing::warn!(?item, error = %err, "cannot remove its files"),
            }
        }
    }
    let before = UnixMillis(now.0.saturating_sub(i64::try_from(NOTED.as_millis()).unwrap_or(i64::MAX)));
    store.write(move |tx| prune::forget(tx, before)).await?;
    Ok(removed)
}

/// The bytes that went, if anything did.
async fn remove(store: &Store, places: &Places, item: &Trash, now: UnixMillis) -> Result<Option<u64>> {
    match item {
        Trash::Task { id, project } => places.remove_task(id, project).await,
        Trash::Evidence(sha256) => {
            if !places.has(sha256) {
                return Ok(None);
            }
            let hash = sha256.clone();
            if store.read(move |tx| prune::is_referred_to(tx, &hash)).await? {
                return Ok(None);
            }
            places.remove_evidence(sha256, now)
        }
    }
}
