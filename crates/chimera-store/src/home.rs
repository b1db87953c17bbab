//! Homes: which data directory has the branch of a task, where machines do not share their branches.
//!
//! From its first commit on, a task stays with the home that has it. Before, and once a home has been silent for too
//! long, any daemon may take it.

use crate::commits::News;
use crate::queue::{self, Claim};
use crate::read::Reading;
use crate::ready::{Ready, ready};
use crate::{StoreError, Tx, suspects};
use chimera_core::{Task, TaskId, UnixMillis};
use std::time::Duration;

/// What a claim takes for a home; parameter 1 is how many. Nothing is committed yet in the first phase.
const READY: Ready = ready!(" AND (home IS NULL OR home = $2 OR phase = 'E2E_TEST_GENERATION')");
const BIND: &str = "UPDATE tasks SET home = $1 WHERE lease_owner = $2 AND status = 'running' AND (home IS NULL OR home <> $1)";
const PRESENT: &str = "INSERT INTO homes (home, seen_at, expires_at) VALUES ($1, $2, $3) \
    ON CONFLICT (home) DO UPDATE SET seen_at = excluded.seen_at, expires_at = excluded.expires_at";
/// Whether a home has been silent that has waiting tasks.
const SILENT: &str = "SELECT 1 FROM homes WHERE seen_at < $1 \
    AND EXISTS (SELECT 1 FROM tasks WHERE tasks.home = homes.home AND tasks.parked IS NOT NULL) LIMIT 1";
const GIVE_UP: &str = "UPDATE tasks SET home = NULL WHERE home IS NOT NULL AND parked IS NOT NULL \
    AND home IN (SELECT home FROM homes WHERE seen_at < $1)";
const AWAY: &str = "SELECT homes.home, homes.seen_at FROM tasks JOIN homes ON homes.home = tasks.home \
    WHERE tasks.task_id = $1 AND (tasks.parked = 0 OR tasks.ready_at = $3) AND tasks.phase <> 'E2E_TEST_GENERATION' AND homes.expires_at < $2";

/// A home that has the branch of a waiting task, and is silent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Away {
    /// Its name.
    pub home: String,
    /// When it was last heard of.
    pub seen_at: UnixMillis,
}

/// Takes ready tasks by ascending rank that no other home has the branch of.
///
/// # Errors
/// The database's.
pub fn claim(tx: &mut Tx<'_>, claim: &Claim<'_>, home: &str) -> Result<Vec<Task>, StoreError> {
    let taken = queue::claim_from(tx, claim, &READY, Some(home))?;
    if !taken.is_empty() {
        bind(tx, claim.owner, home)?;
    }
    Ok(taken)
}

/// Says that the branches of an owner's tasks are at a home from now on.
pub(crate) fn bind(tx: &mut Tx<'_>, owner: &str, home: &str) -> Result<(), StoreError> {
    tx.later(BIND, &[home.into(), owner.into()])
}

/// Says that a home is there, for `lease` from now on.
///
/// # Errors
/// The database's.
pub fn present(tx: &mut Tx<'_>, home: &str, now: UnixMillis, lease: Duration) -> Result<(), StoreError> {
    tx.later(PRESENT, &[home.into(), now.0.into(), now.plus(lease).0.into()])
}

/// Whether [`give_up`] would give up any home.
///
/// # Errors
/// The database's.
pub fn is_any_silent(tx: &Reading<'_>, since: UnixMillis) -> Result<bool, StoreError> {
    Ok(tx.first(SILENT, &[since.0.into()])?.is_some())
}

/// Gives up homes that have been silent since that time: their tasks may be taken by anybody.
///
/// # Errors
/// The database's.
pub fn give_up(tx: &mut Tx<'_>, since: UnixMillis) -> Result<(), StoreError> {
    if tx.execute(GIVE_UP, &[since.0.into()])? > 0 {
        tx.tells(News::CLAIMABLE);
    }
    Ok(())
}

/// The silent home that a waiting task waits for, if it does.
///
/// # Errors
/// The database's.
pub fn away(tx: &Reading<'_>, id: &TaskId, now: UnixMillis) -> Result<Option<Away>, StoreError> {
    let row = tx.first(AWAY, &[id.as_str().into(), now.0.into(), suspects::PARKED.0.into()])?;
    row.map(|row| Ok(Away { home: row.text(0)?.to_owned(), seen_at: UnixMillis(row.int(1)?) })).transpose()
}
