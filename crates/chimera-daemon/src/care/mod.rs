//! Keeps database and disk from growing without bound: what ended long ago is removed.
//!
//! A round removes rows in batches of a bounded time with pauses between them, then the files that go with them; `files` knows
//! where those lie. Only what was noted as removed is deleted: a file that the database does not know is left
//! alone, because the database might be the wrong one.

mod files;

pub use files::Places;

use crate::config::Retention;
use crate::seams::Clock;
use anyhow::Result;
use chimera_core::UnixMillis;
use chimera_store::chores::{Chore, take_on};
use chimera_store::prune::{self, Cutoffs, Place, Trash};
use chimera_store::{Store, StoreError, counts};
use serde::Serialize;
use std::time::Duration;
use tokio::time::Instant;

/// Between two rounds.
const ROUND: Duration = Duration::from_secs(3600);
/// Before the first one: a daemon that starts has better things to do.
const FIRST: Duration = Duration::from_secs(60);
/// What a transaction that removes tasks may take, so that nobody waits for the writer for long. Where others write too,
/// it takes longer, and the next one removes fewer.
const HOLD: Duration = Duration::from_millis(25);
/// Tasks that the first transaction of a round removes.
const AT_FIRST: u32 = 20;
/// Most tasks of one transaction: those of a fast disk in [`HOLD`].
const MOST: u32 = 1000;
/// Shortest pause between two transactions; a longer one lasts as long as the transaction before it.
const PAUSE: Duration = Duration::from_millis(5);
/// How often in a row others may be in the way before the next round goes on.
const BUSY: u32 = 10;
/// Between two comparisons of the counts with the tasks, which read the whole index of statuses.
const RECOUNT: Duration = Duration::from_secs(24 * 3600);
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
    let before = |kept: Option<Duration>| kept.map(|kept| earlier(now, kept));
    Cutoffs {
        completed: before(retention.completed),
        cancelled: before(retention.cancelled),
        failed: before(retention.failed),
        discarded: before(retention.discarded),
    }
}

/// Prunes round after round, each to its end; never returns. Rows are removed by one daemon of the database at a time,
/// files by each on its machine.
pub async fn run(store: Store, places: Places, retention: Retention, clock: Clock) {
    tokio::time::sleep(FIRST).await;
    // What was noted before this has been looked at here.
    let mut seen = UnixMillis(i64::MIN);
    loop {
        let began = clock.now();
        let turn = store.write(move |tx| take_on(tx, Chore::Prune, began, began.plus(ROUND))).await;
        let tasks = match turn {
            Ok(true) => rows(&store, &cutoffs(&retention, began), &clock).await,
            Ok(false) => Ok(0),
            Err(err) => Err(err),
        };
        match files_and_notes(&store, &places, &clock, seen, tasks).await {
            Ok(removed) => {
                // A round of another daemon may note now what it removed a while ago.
                seen = earlier(began, ROUND);
                if let Removed { tasks: 1.., .. } | Removed { files: 1.., .. } = removed {
                    let Removed { tasks, files, bytes } = removed;
                    tracing::info!(tasks, files, bytes, "pruned");
                }
            }
            Err(err) => tracing::error!(error = %err, "cannot prune; trying again in an hour"),
        }
        if let Err(err) = recount(&store, began).await {
            tracing::error!(error = %err, "cannot compare the counts with the tasks; trying again in a day");
        }
        tokio::time::sleep(ROUND).await;
    }
}

/// Compares the counts with the tasks, if that is due, and corrects them.
async fn recount(store: &Store, now: UnixMillis) -> Result<(), StoreError> {
    if !store.write(move |tx| take_on(tx, Chore::Recount, now, now.plus(RECOUNT))).await? {
        return Ok(());
    }
    let found = store.read(counts::recount).await?;
    if found.kept != found.counted {
        tracing::warn!(kept = ?found.kept, counted = ?found.counted, "the counts were wrong, and are corrected");
        store.write(move |tx| counts::correct(tx, &found)).await?;
    }
    Ok(())
}

fn earlier(now: UnixMillis, by: Duration) -> UnixMillis {
    UnixMillis(now.0.saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
}

async fn files_and_notes(
    store: &Store,
    places: &Places,
    clock: &Clock,
    since: UnixMillis,
    tasks: Result<u64, StoreError>,
) -> Result<Removed> {
    let tasks = tasks?;
    Ok(Removed { tasks, ..files(store, places, clock.now(), since).await? })
}

/// Prunes once, to the end.
///
/// # Errors
/// The database's.
pub async fn once(store: &Store, places: &Places, cutoffs: &Cutoffs, clock: &Clock) -> Result<Removed> {
    let tasks = rows(store, cutoffs, clock).await;
    files_and_notes(store, places, clock, UnixMillis(i64::MIN), tasks).await
}

/// Removes all that may go. What waits for a task keeps it, and goes before it: hence more than one walk.
///
/// # Errors
/// The database's.
pub async fn rows(store: &Store, cutoffs: &Cutoffs, clock: &Clock) -> Result<u64, StoreError> {
    let (mut all, mut at_once, mut busy) = (0, AT_FIRST, 0);
    loop {
        let (mut round, before) = (prune::Round::new(*cutoffs), all);
        while !round.is_over() {
            let (place, now, from) = (round.clone(), clock.now(), Instant::now());
            match store.write(move |tx| prune::batch(tx, place, now, at_once)).await {
                Ok((removed, next)) => {
                    (round, busy) = (next, 0);
                    all += removed.len() as u64;
                }
                // Somebody changes what was to be removed.
                Err(StoreError::Busy) if busy < BUSY => busy += 1,
                Err(StoreError::Busy) => return Ok(all),
                Err(err) => return Err(err),
            }
            let took = from.elapsed();
            at_once = fitting(at_once, took);
            tokio::time::sleep(took.max(PAUSE)).await;
        }
        if all == before {
            return Ok(all);
        }
    }
}

/// As many tasks as the next transaction may remove, after one of so many took so long.
fn fitting(at_once: u32, took: Duration) -> u32 {
    if took > HOLD {
        (at_once / 2).max(1)
    } else if took < HOLD / 2 {
        at_once.saturating_mul(2).min(MOST)
    } else {
        at_once
    }
}

/// Removes the files that were noted since then.
async fn files(store: &Store, places: &Places, now: UnixMillis, since: UnixMillis) -> Result<Removed> {
    let (mut removed, mut last) = (Removed::default(), Place::at(since));
    loop {
        let after = last.clone();
        let page = store.read(move |tx| prune::trash(tx, &after, PAGE)).await?;
        let Some((newest, _)) = page.last() else { break };
        last = newest.clone();
        for (_, item) in page {
            match remove(store, places, &item, now).await {
                Ok(bytes) => {
                    removed.files += u64::from(bytes.is_some());
                    removed.bytes += bytes.unwrap_or(0);
                }
                Err(err) => tracing::warn!(?item, error = %err, "cannot remove its files"),
            }
        }
    }
    store.write(move |tx| prune::forget(tx, earlier(now, NOTED))).await?;
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

#[cfg(test)]
mod tests;
