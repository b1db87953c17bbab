//! A task's journal, followed entry by entry, as somebody would who was there.

use super::Excuse;
use chimera_core::{Entry, EntryKind, Outcome, Phase, Reason, State, Status, Task, UnixMillis, replay};
use chimera_store::read::Event;

/// What a task has come to, by its journal.
#[derive(Default)]
pub(super) struct Replay {
    epoch: i64,
    attempt: u32,
    /// Who works on it.
    worker: Option<String>,
    passed: Vec<Phase>,
    ended: bool,
    /// A person was promised that it will be cancelled.
    cancelling: bool,
    /// When its time was found to be up, and which of the two limits that was.
    overdue: Option<UnixMillis>,
    expired: Option<UnixMillis>,
}

/// Follows a whole journal.
pub(super) fn follow(journal: &[Event], excused: &Excuse<'_>) -> Result<Replay, String> {
    let mut at = Replay::default();
    for (seq, event) in (1..).zip(journal) {
        if event.seq != seq {
            return Err(format!("the journal has {} where {seq} should be", event.seq));
        }
        at.follow(&event.entry, excused).map_err(|what| format!("entry {seq}: {what}"))?;
    }
    Ok(at)
}

/// Follows the journal of a task that is still there, and compares the task with it.
pub(super) fn compare(task: &Task, journal: &[Event], excused: &Excuse<'_>) -> Result<(), String> {
    let at = follow(journal, excused)?;
    if i64::try_from(journal.len()) != Ok(task.seq) {
        return Err(format!("the task counts {} changes, its journal has {}", task.seq, journal.len()));
    }
    let early = |limit: Option<UnixMillis>, ended: Option<UnixMillis>| {
        ended.is_some_and(|ended| limit.is_none_or(|limit| ended < limit))
    };
    match task.status {
        Status::Completed if at.passed != Phase::WORKING => Err(format!("completed after {:?}", at.passed)),
        Status::Failed if at.overdue.is_none() => Err("it failed, although nothing in it can".to_owned()),
        status if at.cancelling && status != Status::Cancelled => {
            Err(format!("it is {status}, although its cancellation was acknowledged"))
        }
        status if status.is_end() != at.ended => Err(format!("it is {status}, its journal says otherwise")),
        _ if early(task.request.deadline, at.overdue) => Err("it ended before its deadline".to_owned()),
        _ if early(task.request.expires_at, at.expired) => Err("it ended before it expired".to_owned()),
        _ => same_state(task, journal),
    }
}

/// The state that the task has must be the one that the rules make of its journal.
fn same_state(task: &Task, journal: &[Event]) -> Result<(), String> {
    let entries: Vec<Entry> = journal.iter().map(|event| event.entry.clone()).collect();
    let replayed = replay::replay(&entries).map_err(|broken| broken.to_string())?.state;
    let state = State { status: task.status, workflow: task.workflow.clone() };
    if replayed == state {
        return Ok(());
    }
    Err(format!("its state is {state:?}, its journal comes to {replayed:?}"))
}

impl Replay {
    /// Whether it has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    fn follow(&mut self, entry: &Entry, excused: &Excuse<'_>) -> Result<(), String> {
        if self.ended && !matches!(entry.kind, EntryKind::Requeued | EntryKind::Discarded) {
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
            EntryKind::Settled { result, reason, handed_back, .. } => {
                if self.worker.is_none() {
                    return Err("a result from somebody who does not work on it".to_owned());
                }
                if entry.attempt != self.attempt {
                    return Err(format!(
                        "a result of attempt {} during attempt {}",
                        entry.attempt, self.attempt
                    ));
                }
                if self.cancelling {
                    return Err("a result, although its cancellation was acknowledged".to_owned());
                }
                self.overdue = self.overdue.or((*reason == Some(Reason::Deadline)).then_some(entry.at));
                self.settled(result, entry.phase, entry.to)?;
                if *handed_back {
                    self.worker = None;
                }
            }
            EntryKind::Rescued { .. } => {
                let worker = self.worker.take().ok_or("rescued from nobody")?;
                excused(&worker, entry.at).map_err(|why| format!("taken from {worker}, to whom {why}"))?;
            }
            EntryKind::Cancelled => (self.worker, self.ended) = (None, true),
            EntryKind::Overdue => (self.worker, self.ended, self.overdue) = (None, true, Some(entry.at)),
            EntryKind::Expired => (self.worker, self.ended, self.expired) = (None, true, Some(entry.at)),
            EntryKind::CancelRequested => self.cancelling = true,
            EntryKind::Requeued => {
                (self.ended, self.cancelling) = (false, false);
                (self.overdue, self.expired) = (None, None);
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
            (self.worker, self.ended) = (None, to.is_end());
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
