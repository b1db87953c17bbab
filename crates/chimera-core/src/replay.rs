//! Following a journal through the rules again.
//!
//! Whoever reads a journal need not believe it: [`replay`] takes every entry as the event that it tells, has
//! [`step`] decide, and demands that the decision is the one on record. What came of it is the state that the
//! task must be in.

use crate::{
    Entry, EntryKind, Event, Phase, Policy, RetryPolicy, State, Status, Tick, Transition, Workflow, step,
};
use std::time::Duration;

/// What a journal comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Replayed {
    /// Where the task stands.
    pub state: State,
    /// The attempt whose red run is on record, if one is.
    pub red_attempt: Option<u32>,
    /// The attempt whose green runs are on record, if one is.
    pub green_attempt: Option<u32>,
}

/// The journal does not follow the rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("entry {number} of the journal: {why}")]
pub struct Broken {
    /// Which entry, from 1.
    pub number: usize,
    /// What is wrong with it.
    pub why: String,
}

/// Follows a journal from its beginning.
///
/// The limits under which a daemon decided are not in the journal, so an entry holds if it follows under some
/// limits; which of two ends a task reached never depends on them, only whether it was given another try. The
/// times of retries are taken as they are.
///
/// # Errors
/// [`Broken`] at the first entry that does not follow.
pub fn replay(journal: &[Entry]) -> Result<Replayed, Broken> {
    let mut follower = Follower::default();
    for (number, entry) in (1..).zip(journal) {
        follower.follow(entry).map_err(|why| Broken { number, why })?;
    }
    match follower.state {
        None => Err(Broken { number: 1, why: "it is empty".to_owned() }),
        Some(state) => Ok(Replayed {
            red_attempt: follower.red_attempt.filter(|_| state.workflow.artifacts.red.is_some()),
            green_attempt: follower.green_attempt.filter(|_| state.workflow.artifacts.green.is_some()),
            state,
        }),
    }
}

#[derive(Default)]
struct Follower {
    state: Option<State>,
    epoch: i64,
    red_attempt: Option<u32>,
    green_attempt: Option<u32>,
}

impl Follower {
    fn follow(&mut self, entry: &Entry) -> Result<(), String> {
        let Some(state) = &self.state else {
            self.state = Some(accepted(entry)?);
            return Ok(());
        };
        let event = match &entry.kind {
            EntryKind::Accepted => return Err("the task is accepted a second time".to_owned()),
            EntryKind::CancelRequested if state.status == Status::Running => return remark(state, entry),
            EntryKind::PriorityChanged { .. } if !state.status.is_end() => return remark(state, entry),
            EntryKind::Released if state.status == Status::Queued => return remark(state, entry),
            EntryKind::Discarded if state.status == Status::Failed => return remark(state, entry),
            EntryKind::CancelRequested
            | EntryKind::PriorityChanged { .. }
            | EntryKind::Released
            | EntryKind::Discarded => {
                return Err(format!("`{}` while the task is {}", entry.kind.as_str(), state.status));
            }
            EntryKind::Claimed { epoch, .. } if *epoch <= self.epoch => {
                return Err(format!("the epoch {epoch} of the lease does not come after {}", self.epoch));
            }
            EntryKind::Claimed { worker, epoch } => {
                self.epoch = *epoch;
                Event::Claimed { worker: worker.clone(), epoch: *epoch }
            }
            EntryKind::Settled { result, usage, .. } => {
                Event::Settled { outcome: result.clone(), usage: *usage }
            }
            EntryKind::Rescued { .. } => Event::Rescued,
            EntryKind::Cancelled => Event::Cancelled,
            EntryKind::Overdue => Event::Overdue,
            EntryKind::Expired => Event::Expired,
            EntryKind::Requeued => Event::Requeued { from: entry.to },
        };
        let after = decided(state, &event, entry)?;
        match (entry.phase, entry.to) {
            (Phase::E2eTestGeneration, Phase::CodeImplementation) => self.red_attempt = Some(entry.attempt),
            (Phase::E2eValidation, Phase::Complete) => self.green_attempt = Some(entry.attempt),
            _ => {}
        }
        self.state = Some(after.state);
        Ok(())
    }
}

fn accepted(entry: &Entry) -> Result<State, String> {
    let first = Workflow::new();
    let begins = (entry.phase, entry.to, entry.attempt) == (first.phase, first.phase, first.attempt);
    if matches!(entry.kind, EntryKind::Accepted) && begins {
        Ok(State { status: Status::Queued, workflow: first })
    } else {
        Err("a journal begins with the acceptance of the task".to_owned())
    }
}

/// An entry that moves nothing.
fn remark(state: &State, entry: &Entry) -> Result<(), String> {
    let workflow = &state.workflow;
    if (entry.phase, entry.to, entry.attempt) == (workflow.phase, workflow.phase, workflow.attempt) {
        Ok(())
    } else {
        Err(format!(
            "`{}` is told of {}, but the task stands in {}",
            entry.kind.as_str(),
            entry.phase,
            workflow.phase
        ))
    }
}

/// The transition that the entry tells, if some limits lead to it.
fn decided(state: &State, event: &Event, entry: &Entry) -> Result<Transition, String> {
    let tick = Tick { now: entry.at, jitter: 0.0 };
    let mut would = None;
    for policy in limits() {
        let after = step(state, event.clone(), tick, &policy).map_err(|illegal| illegal.to_string())?;
        // What is held back at a moment is not in the journal either.
        let after = if is_handed_back(entry) { after.handed_back() } else { after };
        if settled_alike(&after.entry, entry) {
            return Ok(after);
        }
        would.get_or_insert(after.entry.to);
    }
    let to = would.unwrap_or(state.workflow.phase);
    Err(format!("`{}` leads from {} to {to}, not to {}", entry.kind.as_str(), entry.phase, entry.to))
}

fn is_handed_back(entry: &Entry) -> bool {
    matches!(entry.kind, EntryKind::Settled { handed_back: true, .. })
}

/// Whether two entries tell the same, but for the time of a retry.
fn settled_alike(decided: &Entry, told: &Entry) -> bool {
    let mut decided = decided.clone();
    if let (EntryKind::Settled { retry_at: ours, .. }, EntryKind::Settled { retry_at: theirs, .. }) =
        (&mut decided.kind, &told.kind)
        && ours.is_some() == theirs.is_some()
    {
        *ours = *theirs;
    }
    decided == *told
}

/// Without any limit, at every limit, and with nothing but the phase executions used up.
fn limits() -> [Policy; 3] {
    let wait = |max_retries| RetryPolicy { max_retries, base: Duration::ZERO, cap: Duration::ZERO };
    let with = |most: u32, max_iterations: u32| Policy {
        retry: wait(most),
        max_iterations,
        max_test_rounds: most,
        max_review_rounds: most,
        max_validation_rounds: most,
        max_crashes: most,
    };
    [with(u32::MAX, u32::MAX), with(0, 0), with(u32::MAX, 0)]
}
