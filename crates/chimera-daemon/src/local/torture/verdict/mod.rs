//! The search: every task's journal is replayed against what must never happen.
//!
//! The torture of real daemons and the simulation use the same search.

mod replay;

use super::history::History;
use anyhow::Result;
use chimera_core::{EntryKind, Status, Task, TaskId, UnixMillis};
use chimera_store::counts::{self, Recount};
use chimera_store::read::{self, Event};
use chimera_store::{Store, StoreError};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Something that must never happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The task, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// What happened.
    pub what: String,
}

impl Violation {
    fn of(task: &TaskId, what: impl Into<String>) -> Self {
        Self { task: Some(task.clone()), what: what.into() }
    }

    pub(super) fn of_all(what: impl Into<String>) -> Self {
        Self { task: None, what: what.into() }
    }

    pub(super) fn open(task: TaskId) -> Self {
        Self { task: Some(task), what: "it has not ended".to_owned() }
    }

    /// Something was still waiting or running.
    pub fn unended(limit: Duration) -> Self {
        Self { task: None, what: format!("some tasks have not ended {limit:?} after the torture was over") }
    }
}

/// What a search found.
#[derive(Debug, Default)]
pub struct Audit {
    /// Tasks completed.
    pub completed: usize,
    /// Tasks cancelled, as asked.
    pub cancelled: usize,
    /// Tasks whose time was up.
    pub overdue: usize,
    /// Tasks removed after their end.
    pub pruned: usize,
    /// How often a task was taken over from a daemon that was gone.
    pub rescues: usize,
    /// The project of each task that is still there.
    pub projects: BTreeMap<TaskId, String>,
    /// What must never happen and did.
    pub violations: Vec<Violation>,
}

/// Tells whether something was done to the daemon of that name, by that time, that costs it its lease; if not, how far it
/// was from that, in words.
pub type Excuse<'a> = dyn Fn(&str, UnixMillis) -> Result<(), String> + Sync + 'a;

/// The label that bears the key under which a task was submitted.
pub(super) const KEY: &str = "key";

/// Looks at every task and every entry of the journal, in a database whose tasks nothing but a person's wish or the time
/// keeps from being completed.
///
/// # Errors
/// If the database cannot be read.
pub async fn search(store: &Store, accepted: &[TaskId], excused: &Excuse<'_>) -> Result<Audit> {
    let mut history = History::default();
    history.follow(store).await?;
    judge(store, &history, accepted, excused).await
}

/// As [`search`], where some tasks were pruned since.
pub(super) async fn judge(
    store: &Store,
    history: &History,
    accepted: &[TaskId],
    excused: &Excuse<'_>,
) -> Result<Audit> {
    let mut violations = Vec::new();
    let mut journals: BTreeMap<&TaskId, Vec<Event>> = BTreeMap::new();
    for event in &history.events {
        journals.entry(&event.task_id).or_default().push(event.clone());
    }
    for id in accepted.iter().filter(|id| !journals.contains_key(id)) {
        violations.push(Violation::of(id, "accepted, and not in the journal"));
    }
    let rescued = |event: &&Event| matches!(event.entry.kind, EntryKind::Rescued { .. });
    let mut audit = Audit { rescues: history.events.iter().filter(rescued).count(), ..Audit::default() };
    let mut keys = BTreeMap::new();
    for (id, journal) in &journals {
        let task = match task(store, id).await? {
            Found::Task(task) => *task,
            Found::Unreadable(why) => {
                violations.push(Violation::of(id, format!("its row cannot be read: {why}")));
                continue;
            }
            Found::Nothing if history.pruned.contains(*id) => {
                audit.pruned += 1;
                match replay::follow(journal, excused) {
                    Ok(replayed) if replayed.has_ended() => {}
                    Ok(_) => violations.push(Violation::of(id, "pruned, although it had not ended")),
                    Err(what) => violations.push(Violation::of(id, what)),
                }
                continue;
            }
            Found::Nothing => {
                violations.push(Violation::of(id, "in the journal, but not in the queue"));
                continue;
            }
        };
        audit.projects.insert(task.id.clone(), task.project.clone());
        match task.status {
            Status::Completed => audit.completed += 1,
            Status::Cancelled => audit.cancelled += 1,
            Status::Failed => audit.overdue += 1,
            _ => {}
        }
        if let Err(what) = replay::compare(&task, journal, excused) {
            violations.push(Violation::of(id, what));
        }
        if let Some(key) = task.request.labels.get(KEY)
            && let Some(other) = keys.insert(key.clone(), task.id.clone())
        {
            violations.push(Violation::of(id, format!("submitted with the same key as {other}")));
        }
    }
    let Recount { kept, counted } = store.read(counts::recount).await?;
    if kept != counted {
        let what = format!("the counts that are kept are {kept:?}, the tasks are {counted:?}");
        violations.push(Violation { task: None, what });
    }
    Ok(Audit { violations, ..audit })
}

enum Found {
    Task(Box<Task>),
    Nothing,
    Unreadable(String),
}

async fn task(store: &Store, id: &TaskId) -> Result<Found> {
    let wanted = id.clone();
    match store.read(move |tx| read::task(tx, &wanted)).await {
        Ok(Some(task)) => Ok(Found::Task(Box::new(task))),
        Ok(None) => Ok(Found::Nothing),
        Err(StoreError::Corrupt(why)) => Ok(Found::Unreadable(why)),
        Err(err) => Err(err.into()),
    }
}
