//! Removing what ended long ago: rows in small batches, and a note of the files that go with them.
//!
//! A task that others wait for stays, and so does the one with the newest entry of the journal: SQLite would give
//! the number of that entry again, and whoever reads on after it would miss what comes next.

use crate::{Row, StoreError, Tx, read, task_row};
use chimera_core::{Digest, Status, TaskId, UnixMillis};

const CLAIM: &str = "UPDATE chores SET due_at = $1 WHERE name = 'prune' AND due_at <= $2";
const FIRST: &str = "INSERT INTO chores (name, due_at) VALUES ('prune', $1) ON CONFLICT (name) DO NOTHING";
const NEWEST: &str = "SELECT task_id FROM journal ORDER BY id DESC LIMIT 1";
const ENDED: &str = "SELECT task_id, project FROM tasks WHERE status = $1 AND created_at < $2 AND completed_at < $2 AND task_id <> $3 \
    AND NOT EXISTS (SELECT 1 FROM waits WHERE waits.after_id = tasks.task_id) ORDER BY created_at LIMIT $4";
const DISCARDED: &str = "SELECT task_id, project FROM tasks WHERE status = $1 AND created_at < $2 AND discarded_at < $2 AND task_id <> $3 \
    AND NOT EXISTS (SELECT 1 FROM waits WHERE waits.after_id = tasks.task_id) ORDER BY created_at LIMIT $4";
const COUNT: &str = "SELECT COUNT(*) FROM (";
const FILES: &str = "INSERT INTO trash (kind, name, project, at) SELECT DISTINCT 'evidence', sha256, '', CAST($1 AS BIGINT) \
    FROM evidence WHERE task_id = $2 ON CONFLICT (kind, name) DO UPDATE SET at = excluded.at";
const DIRECTORIES: &str = "INSERT INTO trash (kind, name, project, at) VALUES ('task', $1, $2, $3) ON CONFLICT (kind, name) DO NOTHING";
/// What belongs to a task; the task itself comes last.
const REMOVE: [&str; 5] = [
    "DELETE FROM evidence WHERE task_id = $1",
    "DELETE FROM idempotency WHERE task_id = $1",
    "DELETE FROM waits WHERE task_id = $1",
    "DELETE FROM journal WHERE task_id = $1",
    "DELETE FROM tasks WHERE task_id = $1",
];
const TRASH: &str =
    "SELECT name, project, at FROM trash WHERE kind = $1 AND name > $2 ORDER BY name LIMIT $3";
const FORGET: &str = "DELETE FROM trash WHERE at < $1";
const REFERRED: &str = "SELECT 1 FROM evidence WHERE sha256 = $1 LIMIT 1";

/// What may go: tasks that ended before these times. Nothing goes where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cutoffs {
    /// Delivered.
    pub completed: Option<UnixMillis>,
    /// Stopped.
    pub cancelled: Option<UnixMillis>,
    /// Dead letters, whether somebody looked at them or not.
    pub failed: Option<UnixMillis>,
    /// Dead letters that were given up before that time.
    pub discarded: Option<UnixMillis>,
}

impl Cutoffs {
    fn each(&self) -> impl Iterator<Item = (&'static str, Status, UnixMillis)> {
        let all = [
            (ENDED, Status::Completed, self.completed),
            (ENDED, Status::Cancelled, self.cancelled),
            (ENDED, Status::Failed, self.failed),
            (DISCARDED, Status::Failed, self.discarded),
        ];
        all.into_iter().filter_map(|(sql, status, before)| Some((sql, status, before?)))
    }
}

/// Files to remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trash {
    /// What lies in directories of the task, and its branch in the clone of its project.
    Task {
        /// The task.
        id: TaskId,
        /// Its project.
        project: String,
    },
    /// An evidence file, unless something else refers to it.
    Evidence(Digest),
}

/// Takes on the next round of pruning, if it is due: of all daemons on the database, one does.
///
/// # Errors
/// The database's.
pub fn take_on(tx: &mut Tx<'_>, now: UnixMillis, next: UnixMillis) -> Result<bool, StoreError> {
    tx.execute(FIRST, &[now.0.into()])?;
    Ok(tx.execute(CLAIM, &[next.0.into(), now.0.into()])? == 1)
}

/// Removes up to `limit` tasks, and gives them.
///
/// # Errors
/// The database's.
pub fn batch(
    tx: &mut Tx<'_>,
    cutoffs: &Cutoffs,
    now: UnixMillis,
    limit: u32,
) -> Result<Vec<TaskId>, StoreError> {
    let mut removed = Vec::new();
    for (sql, status, before) in cutoffs.each() {
        let left = i64::from(limit) - i64::try_from(removed.len()).unwrap_or(i64::MAX);
        if left <= 0 {
            break;
        }
        let params = [status.as_str().into(), before.0.into(), newest(tx)?.into(), left.into()];
        for row in tx.take_free(sql, &params)? {
            removed.push(remove(tx, &row, now)?);
        }
    }
    Ok(removed)
}

/// How many tasks would go.
///
/// # Errors
/// The database's.
pub fn count(tx: &read::Reading<'_>, cutoffs: &Cutoffs) -> Result<u64, StoreError> {
    let mut all = 0;
    for (sql, status, before) in cutoffs.each() {
        let params = [status.as_str().into(), before.0.into(), newest(tx)?.into(), i64::MAX.into()];
        let row = tx.first(&format!("{COUNT}{sql}) AS old"), &params)?;
        all += row.map_or(Ok(0), |row| row.int(0))?;
    }
    Ok(u64::try_from(all).unwrap_or(0))
}

fn newest(tx: &read::Reading<'_>) -> Result<String, StoreError> {
    tx.first(NEWEST, &[])?.map_or(Ok(String::new()), |row| row.text(0).map(str::to_owned))
}

fn remove(tx: &mut Tx<'_>, row: &Row, now: UnixMillis) -> Result<TaskId, StoreError> {
    let (id, project) = (task_row::id(row.text(0)?)?, row.text(1)?);
    tx.execute(FILES, &[now.0.into(), id.as_str().into()])?;
    tx.execute(DIRECTORIES, &[id.as_str().into(), project.into(), now.0.into()])?;
    for sql in REMOVE {
        tx.execute(sql, &[id.as_str().into()])?;
    }
    Ok(id)
}

/// A page of the files to remove: first those of tasks, then evidence, each in the order of the names. Entries
/// stay until [`forget`]: other machines may have files as well.
///
/// # Errors
/// The database's.
pub fn trash(tx: &read::Reading<'_>, after: Option<&Trash>, limit: u32) -> Result<Vec<Trash>, StoreError> {
    let (mut items, mut from) = (Vec::new(), "");
    if let Some(Trash::Task { id, .. }) = after {
        from = id.as_str();
    }
    if !matches!(after, Some(Trash::Evidence(_))) {
        for row in tx.query(TRASH, &["task".into(), from.into(), i64::from(limit).into()])? {
            items.push(Trash::Task { id: task_row::id(row.text(0)?)?, project: row.text(1)?.to_owned() });
        }
        if !items.is_empty() {
            return Ok(items);
        }
    }
    let from = if let Some(Trash::Evidence(sha256)) = after { sha256.as_str() } else { "" };
    for row in tx.query(TRASH, &["evidence".into(), from.into(), i64::from(limit).into()])? {
        let sha256 = Digest::parse(row.text(0)?).map_err(|err| StoreError::Corrupt(err.to_string()))?;
        items.push(Trash::Evidence(sha256));
    }
    Ok(items)
}

/// Whether a task has evidence of this hash.
///
/// # Errors
/// The database's.
pub fn is_referred_to(tx: &read::Reading<'_>, sha256: &Digest) -> Result<bool, StoreError> {
    Ok(tx.first(REFERRED, &[sha256.as_str().into()])?.is_some())
}

/// Drops the notes of files that every machine has had the time to remove.
///
/// # Errors
/// The database's.
pub fn forget(tx: &mut Tx<'_>, before: UnixMillis) -> Result<(), StoreError> {
    tx.execute(FORGET, &[before.0.into()]).map(drop)
}
