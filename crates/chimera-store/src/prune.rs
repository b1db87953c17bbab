//! Removing what ended long ago: rows in small batches, and a note of the files that go with them.
//!
//! A task that others wait for stays, and so does the one with the newest entry of the journal: SQLite would give
//! the number of that entry again, and whoever reads on after it would miss what comes next.

use crate::change::marks;
use crate::hold::at_its_place;
use crate::{Row, StoreError, Tx, Value, read, task_row};
use chimera_core::{Digest, Status, TaskId, UnixMillis};
use std::sync::OnceLock;

const NEWEST: &str = "SELECT task_id FROM journal ORDER BY id DESC LIMIT 1";
/// The ended tasks behind a place, in the order of an index: what was removed before, and what has to stay, is not looked
/// at again by each batch. Parameter 1 is the status, 2 the time, 3 the task that stays, 4 and 5 the place, 6 the limit.
const ENDED: &str = "SELECT task_id, project, created_at FROM tasks WHERE status = $1 AND created_at < $2 AND completed_at < $2 \
    AND task_id <> $3 AND (created_at, task_id) > ($4, $5) \
    AND NOT EXISTS (SELECT 1 FROM waits WHERE waits.after_id = tasks.task_id) ORDER BY created_at, task_id LIMIT $6";
const DISCARDED: &str = "SELECT task_id, project, discarded_at FROM tasks WHERE status = $1 AND discarded_at < $2 \
    AND task_id <> $3 AND (discarded_at, task_id) > ($4, $5) \
    AND NOT EXISTS (SELECT 1 FROM waits WHERE waits.after_id = tasks.task_id) ORDER BY discarded_at, task_id LIMIT $6";
const COUNT: &str = "SELECT COUNT(*) FROM (";
/// Tasks that one statement removes; the last one is repeated to make up the number.
const TOGETHER: usize = 100;
/// What goes with so many tasks, whose ids stand at `{}`; the tasks themselves come last. Parameter 1 of the notes of
/// files is the time.
const REMOVE: [&str; 7] = [
    "INSERT INTO trash (kind, name, project, at) SELECT DISTINCT 'evidence', sha256, '', CAST($1 AS BIGINT) \
     FROM evidence WHERE task_id IN ({}) ON CONFLICT (kind, name) DO UPDATE SET at = excluded.at",
    "INSERT INTO trash (kind, name, project, at) SELECT 'task', task_id, project, CAST($1 AS BIGINT) \
     FROM tasks WHERE task_id IN ({}) ON CONFLICT (kind, name) DO NOTHING",
    "DELETE FROM evidence WHERE task_id IN ({})",
    "DELETE FROM idempotency WHERE task_id IN ({})",
    "DELETE FROM waits WHERE task_id IN ({})",
    "DELETE FROM journal WHERE task_id IN ({})",
    "DELETE FROM tasks WHERE task_id IN ({})",
];
/// The notes among them.
const NOTES: usize = 2;
const TRASH: &str = "SELECT at, kind, name, project FROM trash WHERE (at, kind, name) > ($1, $2, $3) ORDER BY at, kind, name LIMIT $4";
const FORGET: &str = "DELETE FROM trash WHERE at < $1";
/// Homes that were given up long ago: no task says any more that its branch is there.
const FORGET_HOMES: &str = "DELETE FROM homes WHERE seen_at < $1 \
    AND NOT EXISTS (SELECT 1 FROM tasks WHERE tasks.home = homes.home AND tasks.status IN ('queued', 'running'))";
/// Places of staging whose last task has left them long ago.
const FORGET_STAGINGS: &str = concat!(
    "DELETE FROM stagings WHERE since < $1 AND NOT EXISTS (SELECT 1 FROM tasks WHERE tasks.task_id = stagings.task_id AND ",
    at_its_place!("tasks"),
    ")"
);
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

/// One after the other; [`Round::kind`] counts them.
type Kind = (&'static str, Status, Option<UnixMillis>);

impl Cutoffs {
    fn kinds(&self) -> [Kind; 4] {
        [
            (ENDED, Status::Completed, self.completed),
            (ENDED, Status::Cancelled, self.cancelled),
            (ENDED, Status::Failed, self.failed),
            (DISCARDED, Status::Failed, self.discarded),
        ]
    }
}

/// How far a walk through all that may go has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    cutoffs: Cutoffs,
    kind: usize,
    after: (i64, String),
}

impl Round {
    /// At its beginning.
    pub fn new(cutoffs: Cutoffs) -> Self {
        Self { cutoffs, kind: 0, after: (i64::MIN, String::new()) }
    }

    /// Whether nothing more will be found by it.
    pub fn is_over(&self) -> bool {
        self.kind >= self.cutoffs.kinds().len()
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

/// Removes up to `limit` tasks, and gives them; the round then is behind them.
///
/// # Errors
/// The database's.
pub fn batch(
    tx: &mut Tx<'_>,
    mut round: Round,
    now: UnixMillis,
    limit: u32,
) -> Result<(Vec<TaskId>, Round), StoreError> {
    let (mut removed, newest) = (Vec::new(), newest(tx)?);
    while let Some((sql, status, before)) = round.cutoffs.kinds().get(round.kind).copied() {
        let wanted = i64::from(limit) - i64::try_from(removed.len()).unwrap_or(i64::MAX);
        let rows = match before {
            Some(before) if wanted > 0 => {
                let (at, id) = (round.after.0.into(), round.after.1.as_str().into());
                let params = [status.as_str().into(), before.0.into(), newest.as_str().into(), at, id];
                tx.take_free(sql, &[&params[..], &[wanted.into()]].concat())?
            }
            Some(_) => break,
            None => Vec::new(),
        };
        for row in &rows {
            round.after = (row.int(2)?, row.text(0)?.to_owned());
            removed.push(task_row::id(row.text(0)?)?);
        }
        if i64::try_from(rows.len()).is_ok_and(|found| found < wanted) {
            round = Round { kind: round.kind + 1, ..Round::new(round.cutoffs) };
        }
    }
    removed.chunks(TOGETHER).try_for_each(|some| remove(tx, some, now))?;
    Ok((removed, round))
}

/// How many tasks would go.
///
/// # Errors
/// The database's.
pub fn count(tx: &read::Reading<'_>, cutoffs: &Cutoffs) -> Result<u64, StoreError> {
    let (mut all, newest) = (0, newest(tx)?);
    for (sql, status, before) in cutoffs.kinds() {
        let Some(before) = before else { continue };
        let from = [i64::MIN.into(), "".into(), i64::MAX.into()];
        let params = [status.as_str().into(), before.0.into(), newest.as_str().into()];
        let row = tx.first(&format!("{COUNT}{sql}) AS old"), &[&params[..], &from[..]].concat())?;
        all += row.map_or(Ok(0), |row| row.int(0))?;
    }
    Ok(u64::try_from(all).unwrap_or(0))
}

fn newest(tx: &read::Reading<'_>) -> Result<String, StoreError> {
    tx.first(NEWEST, &[])?.map_or(Ok(String::new()), |row| row.text(0).map(str::to_owned))
}

/// Removes at most [`TOGETHER`] tasks, in one round trip.
fn remove(tx: &mut Tx<'_>, some: &[TaskId], now: UnixMillis) -> Result<(), StoreError> {
    static TEXTS: OnceLock<Vec<String>> = OnceLock::new();
    let texts = TEXTS.get_or_init(|| {
        let text = |(place, sql): (usize, &&str)| {
            sql.replace("{}", &marks(if place < NOTES { 2 } else { 1 }, TOGETHER))
        };
        REMOVE.iter().enumerate().map(text).collect()
    });
    let Some(last) = some.last() else { return Ok(()) };
    let padded = some.iter().chain(std::iter::repeat(last)).take(TOGETHER);
    let ids: Vec<Value> = padded.map(|id| id.as_str().into()).collect();
    for (place, sql) in texts.iter().enumerate() {
        if place < NOTES {
            tx.later(sql, &[&[now.0.into()], &ids[..]].concat())?;
        } else if place + 1 < texts.len() {
            tx.later(sql, &ids)?;
        } else {
            // Its answer is that of them all: none of them fails after this.
            tx.execute(sql, &ids)?;
        }
    }
    Ok(())
}

/// Where files were noted, in the order in which they are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// When the task was removed.
    pub at: UnixMillis,
    kind: String,
    name: String,
}

impl Place {
    /// Before everything that was noted at that time or later.
    pub fn at(at: UnixMillis) -> Self {
        Self { at, kind: String::new(), name: String::new() }
    }
}

/// A page of the files to remove behind a place, in the order in which they were noted. Entries stay until [`forget`]:
/// other machines may have files as well.
///
/// # Errors
/// The database's.
pub fn trash(tx: &read::Reading<'_>, after: &Place, limit: u32) -> Result<Vec<(Place, Trash)>, StoreError> {
    let place = [after.at.0.into(), after.kind.as_str().into(), after.name.as_str().into()];
    let rows = tx.query(TRASH, &[&place[..], &[i64::from(limit).into()]].concat())?;
    rows.iter().map(noted).collect()
}

fn noted(row: &Row) -> Result<(Place, Trash), StoreError> {
    let (kind, name) = (row.text(1)?.to_owned(), row.text(2)?.to_owned());
    let item = if kind == "task" {
        Trash::Task { id: task_row::id(&name)?, project: row.text(3)?.to_owned() }
    } else {
        Trash::Evidence(Digest::parse(&name).map_err(|err| StoreError::Corrupt(err.to_string()))?)
    };
    Ok((Place { at: UnixMillis(row.int(0)?), kind, name }, item))
}

/// Whether a task has evidence of this hash.
///
/// # Errors
/// The database's.
pub fn is_referred_to(tx: &read::Reading<'_>, sha256: &Digest) -> Result<bool, StoreError> {
    Ok(tx.first(REFERRED, &[sha256.as_str().into()])?.is_some())
}

/// Drops the notes of files that every machine has had the time to remove, and of homes and places of staging that nobody
/// has used since.
///
/// # Errors
/// The database's.
pub fn forget(tx: &mut Tx<'_>, before: UnixMillis) -> Result<(), StoreError> {
    [FORGET, FORGET_HOMES, FORGET_STAGINGS]
        .iter()
        .try_for_each(|sql| tx.execute(sql, &[before.0.into()]).map(drop))
}
