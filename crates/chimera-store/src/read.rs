//! Questions to the store.

use crate::session::Dialect;
use crate::task_row::{self, columns, task as read_task};
use crate::{StoreError, Value};
use chimera_core::{Entry, Evidence, Phase, Reason, Status, Task, TaskId, UnixMillis};

pub use crate::counts::{Counts, counts};

/// A transaction to read from; writing ones can be read from as well.
pub type Reading<'a> = crate::ReadTx<'a>;

/// Most items of one page.
pub const PAGE: u32 = 200;
/// Most tasks that one page of a filter without an index looks at: some hundredths of a second.
pub const EXAMINED: u32 = 20_000;
/// Most tasks counted ahead of a waiting one; beyond it nobody cares for the exact number.
pub const AHEAD: u32 = 1000;

const TASK: &str = concat!("SELECT ", columns!(), " FROM tasks WHERE task_id = $1");
const LAST_EXAMINED: &str = "SELECT created_at, task_id FROM tasks WHERE (created_at, task_id) < ($1, $2) \
    ORDER BY created_at DESC, task_id DESC LIMIT 1 OFFSET $3";
/// Those of one status have an index of their own.
const LAST_OF_STATUS: &str = "SELECT created_at, task_id FROM tasks WHERE status = $4 AND (created_at, task_id) < ($1, $2) \
    ORDER BY created_at DESC, task_id DESC LIMIT 1 OFFSET $3";
const EVENTS_OF: &str =
    "SELECT id, task_id, seq, entry FROM journal WHERE task_id = $1 AND id > $2 ORDER BY id LIMIT $3";
const EVENTS: &str = "SELECT id, task_id, seq, entry FROM journal WHERE id > $1 ORDER BY id LIMIT $2";
const LAST_EVENT: &str = "SELECT COALESCE(MAX(id), 0) FROM journal";
const EVIDENCE: &str = "SELECT entry FROM evidence WHERE task_id = $1 ORDER BY position";
const AHEAD_OF: &str = "SELECT COUNT(*) FROM (SELECT 1 FROM tasks WHERE parked = 0 \
    AND (rank < $1 OR (rank = $1 AND task_id < $2)) LIMIT $3) AS earlier";

/// Which tasks to list; an empty filter lists all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Any of these.
    pub status: Vec<Status>,
    /// This project.
    pub project: Option<String>,
    /// All of these labels.
    pub label: Vec<(String, String)>,
    /// This text within the feature, whatever its case in ASCII.
    pub text: Option<String>,
    /// Ended for this reason.
    pub reason: Option<Reason>,
    /// Failed in this phase.
    pub failed_in: Option<Phase>,
    /// Ended before this time.
    pub ended_before: Option<UnixMillis>,
    /// Ended at this time or later.
    pub ended_after: Option<UnixMillis>,
    /// Only what no person has given up.
    pub undiscarded: bool,
}

impl Filter {
    /// Whether an index gives just the tasks that it lets through, in their order.
    fn is_walked(&self) -> bool {
        let by_status = Self { status: self.status.clone(), ..Self::default() };
        self.status.len() <= 1 && *self == by_status
    }
}

/// A part of a longer list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next part begins, if there is one.
    pub next: Option<String>,
}

/// A journal entry with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Ascending over all tasks, in the order of the commits.
    pub id: i64,
    /// The task.
    pub task_id: TaskId,
    /// Ascending by one within the task.
    pub seq: i64,
    /// The entry.
    pub entry: Entry,
}

/// A task.
///
/// # Errors
/// The database's.
pub fn task(tx: &Reading<'_>, id: &TaskId) -> Result<Option<Task>, StoreError> {
    tx.first(TASK, &[id.as_str().into()])?.as_ref().map(read_task).transpose()
}

/// A task that the transaction is about to change.
pub(crate) fn task_to_change(tx: &mut crate::Tx<'_>, id: &TaskId) -> Result<Option<Task>, StoreError> {
    tx.take_first(TASK, &[id.as_str().into()])?.as_ref().map(read_task).transpose()
}

/// The same, busy if somebody else is changing it.
pub(crate) fn task_to_change_now(tx: &mut crate::Tx<'_>, id: &TaskId) -> Result<Option<Task>, StoreError> {
    tx.take_now(TASK, &[id.as_str().into()])?.as_ref().map(read_task).transpose()
}

/// Tasks, newest first; at most [`PAGE`] of them. Looks at [`EXAMINED`] tasks at most: a page of a filter that lets few
/// through may hold fewer than asked for, or none, and still name the next.
///
/// # Errors
/// [`StoreError::BadCursor`] if the cursor is none of ours.
pub fn list(
    tx: &Reading<'_>,
    filter: &Filter,
    cursor: Option<&str>,
    limit: u32,
) -> Result<Page<Task>, StoreError> {
    let limit = limit.clamp(1, PAGE);
    let after = cursor.map(parse_cursor).transpose()?;
    let last = if filter.is_walked() { None } else { last_examined(tx, filter, after.as_ref())? };
    let (sql, params) = list_query(tx.dialect(), filter, after.as_ref(), last.as_ref(), limit);
    let rows = tx.query(&sql, &params)?;
    let mut items: Vec<Task> = rows.iter().filter_map(readable).collect::<Result<_, _>>()?;
    let more = items.len() > limit as usize;
    items.truncate(limit as usize);
    let place = |at: UnixMillis, id: &TaskId| format!("{}.{id}", at.0);
    let next = if more {
        items.last().map(|last| place(last.created_at, &last.id))
    } else {
        last.map(|(at, id)| place(at, &id))
    };
    Ok(Page { items, next })
}

/// A task for a list; one that cannot be read is told in the log, and hides none of the others.
fn readable(row: &crate::Row) -> Option<Result<Task, StoreError>> {
    match read_task(row) {
        Err(StoreError::Corrupt(detail)) => {
            tracing::error!(
                task = row.text(0).unwrap_or_default(),
                detail,
                "the row of a task cannot be read"
            );
            None
        }
        task => Some(task),
    }
}

/// The last task that may be looked at, if there are more: of the filter's status, if it is one.
fn last_examined(
    tx: &Reading<'_>,
    filter: &Filter,
    after: Option<&(UnixMillis, TaskId)>,
) -> Result<Option<(UnixMillis, TaskId)>, StoreError> {
    let from = after.map_or((i64::MAX, ""), |(at, id)| (at.0, id.as_str()));
    let params = [from.0.into(), from.1.into(), i64::from(EXAMINED).into()];
    let row = match filter.status[..] {
        [only] => tx.first(LAST_OF_STATUS, &[&params[..], &[only.as_str().into()]].concat())?,
        _ => tx.first(LAST_EXAMINED, &params)?,
    };
    row.map(|row| Ok((UnixMillis(row.int(0)?), task_row::id(row.text(1)?)?))).transpose()
}

fn list_query(
    dialect: &Dialect,
    filter: &Filter,
    after: Option<&(UnixMillis, TaskId)>,
    last: Option<&(UnixMillis, TaskId)>,
    limit: u32,
) -> (String, Vec<Value>) {
    let mut sql = concat!("SELECT ", columns!(), " FROM tasks WHERE 1 = 1").to_owned();
    let mut params: Vec<Value> = Vec::new();
    let mut mark = |value: Value| {
        params.push(value);
        format!("${}", params.len())
    };
    if !filter.status.is_empty() {
        let marks: Vec<String> = filter.status.iter().map(|status| mark(status.as_str().into())).collect();
        sql += &format!(" AND status IN ({})", marks.join(", "));
    }
    if let Some(project) = &filter.project {
        sql += &format!(" AND project = {}", mark(project.as_str().into()));
    }
    if let Some(text) = &filter.text {
        let pattern = format!("%{}%", escape_like(&text.to_ascii_lowercase()));
        let [from, to] = dialect.ascii_small;
        sql += &format!(" AND {from}feature_description{to} LIKE {} ESCAPE '!'", mark(pattern.into()));
    }
    let named =
        [("reason", filter.reason.map(Reason::as_str)), ("failed_in", filter.failed_in.map(Phase::as_str))];
    for (name, value) in named {
        let Some(value) = value else { continue };
        // Canonical JSON of our own making as well: within a text, the quotes would be escaped.
        let pattern = format!("%{}%", escape_like(&format!("\"{name}\":\"{value}\"")));
        sql += &format!(" AND workflow_state LIKE {} ESCAPE '!'", mark(pattern.into()));
    }
    for (bound, at) in [("<", filter.ended_before), (">=", filter.ended_after)] {
        let Some(at) = at else { continue };
        sql += &format!(" AND completed_at {bound} {}", mark(at.0.into()));
    }
    if filter.undiscarded {
        sql += " AND discarded_at IS NULL";
    }
    for (key, value) in &filter.label {
        // The request is canonical JSON of our own making, in which a label reads exactly like this.
        let pair = format!("{}:{}", serde_json::json!(key), serde_json::json!(value));
        let pattern = format!("%\"labels\":{{%{}%", escape_like(&pair));
        sql += &format!(" AND request LIKE {} ESCAPE '!'", mark(pattern.into()));
    }
    for (bound, place) in [("<", after), (">=", last)] {
        let Some((at, id)) = place else { continue };
        let (at, id) = (mark(at.0.into()), mark(id.as_str().into()));
        sql += &format!(" AND (created_at, task_id) {bound} ({at}, {id})");
    }
    sql += &format!(" ORDER BY created_at DESC, task_id DESC LIMIT {}", mark((i64::from(limit) + 1).into()));
    (sql, params)
}

fn escape_like(text: &str) -> String {
    text.replace('!', "!!").replace('%', "!%").replace('_', "!_")
}

fn parse_cursor(cursor: &str) -> Result<(UnixMillis, TaskId), StoreError> {
    let (at, id) = cursor.split_once('.').ok_or(StoreError::BadCursor)?;
    let at = at.parse().map_err(|_| StoreError::BadCursor)?;
    Ok((UnixMillis(at), TaskId::parse(id).map_err(|_| StoreError::BadCursor)?))
}

/// Events after one, in the order of the commits; of one task, or of all.
///
/// # Errors
/// The database's.
pub fn events(
    tx: &Reading<'_>,
    task: Option<&TaskId>,
    after: i64,
    limit: u32,
) -> Result<Vec<Event>, StoreError> {
    let limit = i64::from(limit.clamp(1, PAGE));
    let rows = match task {
        Some(task) => tx.query(EVENTS_OF, &[task.as_str().into(), after.into(), limit.into()])?,
        None => tx.query(EVENTS, &[after.into(), limit.into()])?,
    };
    rows.iter()
        .map(|row| {
            let entry = serde_json::from_str(row.text(3)?)?;
            Ok(Event { id: row.int(0)?, task_id: task_row::id(row.text(1)?)?, seq: row.int(2)?, entry })
        })
        .collect()
}

/// The id of the newest event; 0 if there is none.
///
/// # Errors
/// The database's.
pub fn last_event_id(tx: &Reading<'_>) -> Result<i64, StoreError> {
    tx.first(LAST_EVENT, &[])?.map_or(Ok(0), |row| row.int(0))
}

/// The evidence of a task, in the order in which it was left.
///
/// # Errors
/// The database's.
pub fn evidence(tx: &Reading<'_>, id: &TaskId) -> Result<Vec<Evidence>, StoreError> {
    let rows = tx.query(EVIDENCE, &[id.as_str().into()])?;
    rows.iter().map(|row| Ok(serde_json::from_str(row.text(0)?)?)).collect()
}

/// How many ready tasks stand before this one, counted up to [`AHEAD`].
///
/// # Errors
/// The database's.
pub fn ahead(tx: &Reading<'_>, task: &Task) -> Result<u32, StoreError> {
    let params = [task.rank.0.into(), task.id.as_str().into(), i64::from(AHEAD).into()];
    match tx.first(AHEAD_OF, &params)? {
        Some(row) => Ok(u32::try_from(row.int(0)?).unwrap_or(AHEAD)),
        None => Ok(0),
    }
}
