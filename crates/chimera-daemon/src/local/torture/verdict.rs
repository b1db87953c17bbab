//! The search: every task's journal is replayed against what must never happen.
//!
//! The torture of real daemons and the simulation use the same search.

use anyhow::Result;
use chimera_core::{EntryKind, Outcome, Phase, Status, Task, TaskId, UnixMillis};
use chimera_store::counts::{self, Recount};
use chimera_store::{Store, read};
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
    /// How often a task was taken over from a daemon that was gone.
    pub rescues: usize,
    /// What must never happen and did.
    pub violations: Vec<Violation>,
}

/// Tells whether something was done to the daemon of that name, by that time, that costs it its lease; if not, how far it
/// was from that, in words.
pub type Excuse<'a> = dyn Fn(&str, UnixMillis) -> Result<(), String> + Sync + 'a;

/// Looks at every task and every entry of the journal, in a database whose tasks nothing but a person's wish keeps
/// from being completed.
///
/// # Errors
/// If the database cannot be read.
pub async fn search(store: &Store, accepted: &[TaskId], excused: &Excuse<'_>) -> Result<Audit> {
    let mut violations = Vec::new();
    let mut journals: BTreeMap<TaskId, Vec<read::Event>> = BTreeMap::new();
    let mut last = 0;
    loop {
        let events = store.read(move |tx| read::events(tx, None, last, read::PAGE)).await?;
        let Some(newest) = events.last() else { break };
        last = newest.id;
        for event in events {
            journals.entry(event.task_id.clone()).or_default().push(event);
        }
    }
    for id in accepted.iter().filter(|id| !journals.contains_key(id)) {
        violations.push(Violation::of(id, "accepted, and not in the journal"));
    }
    let (mut statuses, mut rescues) = (Vec::new(), 0);
    for (id, journal) in &journals {
        let wanted = id.clone();
        let Some(task) = store.read(move |tx| read::task(tx, &wanted)).await? else {
            violations.push(Violation::of(id, "in the journal, but not in the queue"));
            continue;
        };
        statuses.push(task.status);
        rescues +=
            journal.iter().filter(|event| matches!(event.entry.kind, EntryKind::Rescued { .. })).count();
        if let Err(what) = replay(&task, journal, excused) {
            violations.push(Violation::of(id, what));
        }
    }
    let Recount { kept, counted } = store.read(counts::recount).await?;
    if kept != counted {
        let what = format!("the counts that are kept are {kept:?}, the tasks are {counted:?}");
        violations.push(Violation { task: None, what });
    }
    let count = |wanted: Status| statuses.iter().filter(|status| **status == wanted).count();
    let (completed, cancelled) = (count(Status::Completed), count(Status::Cancelled));
    Ok(Audit { completed, cancelled, rescues, violations })
}

/// What a task has come to, by its journal.
#[derive(Default)]
struct Replay {
    epoch: i64,
    attempt: u32,
    /// Who works on it.
    worker: Option<String>,
    passed: Vec<Phase>,
    ended: bool,
    /// A person was promised that it will be cancelled.
    cancelling: bool,
}

fn replay(task: &Task, journal: &[read::Event], excused: &Excuse<'_>) -> Result<(), String> {
    let mut at = Replay::default();
    for (seq, event) in (1..).zip(journal) {
        if event.seq != seq {
            return Err(format!("the journal has {} where {seq} should be", event.seq));
        }
        at.follow(event, excused).map_err(|what| format!("entry {seq}: {what}"))?;
    }
    if i64::try_from(journal.len()) != Ok(task.seq) {
        return Err(format!("the task counts {} changes, its journal has {}", task.seq, journal.len()));
    }
    match task.status {
        Status::Completed if at.passed != Phase::WORKING => Err(format!("completed after {:?}", at.passed)),
        Status::Failed => Err("it failed, although nothing in it can".to_owned()),
        status if at.cancelling && status != Status::Cancelled => {
            Err(format!("it is {status}, although its cancellation was acknowledged"))
        }
        status if status.is_end() != at.ended => Err(format!("it is {status}, its journal says otherwise")),
        _ => Ok(()),
    }
}

impl Replay {
    fn follow(&mut self, event: &read::Event, excused: &Excuse<'_>) -> Result<(), String> {
        let entry = &event.entry;
        if self.ended && !matches!(entry.kind, EntryKind::Requeued) {
            return Err(format!("`{}` after the end", entry.kind.as_str()));
        }
        match &entry.kind {
            EntryKind::Claimed { worker, epoch } => {
                if let Some(other) = &self.worker {
                    return Err(format!("claimed while {other} works on it"));
                }
                if *epoch <= self.epoch {
                    return Err(format!("epoch {epoch} after epoch {}", self.epoch));
                }
                if self.cancelling {
                    return Err("claimed, although its cancellation was acknowledged".to_owned());
                }
                (self.worker, self.epoch, self.attempt) = (Some(worker.clone()), *epoch, entry.attempt);
            }
            EntryKind::Settled { result, handed_back, .. } => {
                if self.worker.is_none() {
                    return Err("a result from somebody who does not work on it".to_owned());
                }
                if entry.attempt != self.attempt {
                    return Err(format!(
                        "a result of attempt {} during attempt {}",
                        entry.attempt, self.attempt
                    ));
                }
                self.settled(result, entry.phase, entry.to)?;
                if *handed_back {
                    self.worker = None;
                }
            }
            EntryKind::Rescued { .. } => {
                let worker = self.worker.take().ok_or("rescued from nobody")?;
                excused(&worker, entry.at).map_err(|why| format!("taken from {worker}, to whom {why}"))?;
            }
            EntryKind::Cancelled | EntryKind::Overdue | EntryKind::Expired => {
                (self.worker, self.ended) = (None, true);
            }
            EntryKind::CancelRequested => self.cancelling = true,
            EntryKind::Requeued => {
                (self.ended, self.cancelling) = (false, false);
                self.passed.retain(|phase| *phase < entry.to);
            }
            EntryKind::Accepted
            | EntryKind::Released
            | EntryKind::Discarded
            | EntryKind::PriorityChanged { .. } => {}
        }
        Ok(())
    }

    fn settled(&mut self, result: &Outcome, phase: Phase, to: Phase) -> Result<(), String> {
        if !matches!(result, Outcome::Passed { .. }) {
            self.worker = None;
            return Ok(());
        }
        if Phase::WORKING.get(self.passed.len()) != Some(&phase) {
            return Err(format!("{phase} passed after {:?}", self.passed));
        }
        self.passed.push(phase);
        self.attempt += 1;
        self.ended = to.is_end();
        Ok(())
    }
}
