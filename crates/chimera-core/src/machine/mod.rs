//! The one place that decides what follows.
//!
//! [`step`] takes the state of a task and an event and returns the next state together with the journal
//! entry that tells it; an event that cannot happen in that state is an error value. It does no IO and reads
//! no clock. Map: one function per event here, one per outcome in `settled`, one per passed phase in `product`.
//! The table of all of it is printed into `docs/state-machine.md` by a test.

mod product;
mod settled;

use crate::{
    Entry, EntryKind, Feedback, Outcome, Phase, Reason, RetryPolicy, Status, Tick, UnixMillis, Usage,
    Workflow, limits,
};
use serde::{Deserialize, Serialize};

/// The limits of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// When transient troubles are tried again.
    pub retry: RetryPolicy,
    /// Phase executions after a task was first sent back.
    pub max_iterations: u32,
    /// Times a test may be refused: its form, or its run on the unchanged application.
    pub max_test_rounds: u32,
    /// Times a reviewer may say no.
    pub max_review_rounds: u32,
    /// Times the change may fail on staging: its build, its start or its test.
    pub max_validation_rounds: u32,
    /// Crashes of the daemon during one phase until the task is set aside as poisoned. Above
    /// [`limits::SUSPECT_CRASHES`], the last of them found it alone.
    pub max_crashes: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            retry: RetryPolicy::default(),
            max_iterations: 10,
            max_test_rounds: 3,
            max_review_rounds: 3,
            max_validation_rounds: 3,
            max_crashes: limits::SUSPECT_CRASHES + 1,
        }
    }
}

/// What [`step`] starts from.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// The status of the task.
    pub status: Status,
    /// Its workflow.
    pub workflow: Workflow,
}

/// What happened to a task.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A worker took it from the queue.
    Claimed {
        /// The daemon incarnation.
        worker: String,
        /// The new epoch of its lease.
        epoch: i64,
    },
    /// The running attempt ended.
    Settled {
        /// What came of it.
        outcome: Outcome,
        /// What it used.
        usage: Usage,
    },
    /// The lease ran out, or its owner is known to be gone.
    Rescued,
    /// Somebody stopped it.
    Cancelled,
    /// Its deadline passed while it waited.
    Overdue,
    /// It had not begun when it expired.
    Expired,
    /// A person sends an ended task back into the queue.
    Requeued {
        /// The phase to start from; it must not lie beyond what has been reached.
        from: Phase,
    },
}

/// What the worker does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Keep the lease and run the workflow's phase.
    Run,
    /// Release the lease; nobody may claim the task before that time.
    Wait(UnixMillis),
    /// The task has ended.
    End,
}

/// The answer of [`step`].
#[derive(Debug, Clone, PartialEq)]
pub struct Transition {
    /// The next state.
    pub state: State,
    /// The journal entry that tells it.
    pub entry: Entry,
    /// What the worker does next.
    pub next: Next,
}

impl Transition {
    /// The same end of an attempt, but the next phase does not begin with it: the task goes back into the queue,
    /// ready at once. A transition after which no phase begins stays as it is.
    #[must_use]
    pub fn handed_back(mut self) -> Self {
        if let (Next::Run, EntryKind::Settled { handed_back, .. }) = (self.next, &mut self.entry.kind) {
            *handed_back = true;
            self.next = Next::Wait(self.entry.at);
            self.state.status = Status::Queued;
            // The claim begins it, and numbers it.
            self.state.workflow.attempt -= 1;
        }
        self
    }
}

/// The event cannot happen in this state; nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{event} is not possible: the task is {status} (phase {phase})")]
pub struct IllegalEvent {
    /// The event, in words.
    pub event: &'static str,
    /// The status at the time.
    pub status: Status,
    /// The phase at the time.
    pub phase: Phase,
}

/// Decides what follows from an event.
///
/// # Errors
/// [`IllegalEvent`] if the event cannot happen in that state.
pub fn step(state: &State, event: Event, tick: Tick, policy: &Policy) -> Result<Transition, IllegalEvent> {
    let name = event_name(&event);
    // No store holds a waiting or running task that stands at an end; if one does, nothing may build on it.
    let coherent = state.status.is_end() || !state.workflow.phase.is_end();
    let moved = match (state.status, event) {
        _ if !coherent => None,
        (Status::Queued, Event::Claimed { worker, epoch }) => Some(claimed(state, worker, epoch)),
        (Status::Running, Event::Settled { outcome, usage }) => {
            settled::settled(&state.workflow, outcome, usage, tick, policy)
        }
        (Status::Running, Event::Rescued) => Some(rescued(&state.workflow, tick, policy)),
        (Status::Queued | Status::Running, Event::Cancelled) => Some(cancelled(&state.workflow)),
        (Status::Queued, Event::Overdue) => Some(overdue(&state.workflow)),
        (Status::Queued, Event::Expired) if state.workflow.attempt == 0 => Some(expired(&state.workflow)),
        (Status::Completed, Event::Requeued { .. }) => None,
        (status, Event::Requeued { from }) if status.is_end() => requeued(&state.workflow, from, tick),
        _ => None,
    };
    let Some(Move { state: after, kind, next }) = moved else {
        return Err(IllegalEvent { event: name, status: state.status, phase: state.workflow.phase });
    };
    let entry = Entry {
        at: tick.now,
        phase: state.workflow.phase,
        to: after.workflow.phase,
        attempt: if matches!(kind, EntryKind::Claimed { .. }) {
            after.workflow.attempt
        } else {
            state.workflow.attempt
        },
        kind,
    };
    Ok(Transition { state: after, entry, next })
}

struct Move {
    state: State,
    kind: EntryKind,
    next: Next,
}

fn event_name(event: &Event) -> &'static str {
    match event {
        Event::Claimed { .. } => "a claim",
        Event::Settled { .. } => "the end of an attempt",
        Event::Rescued => "a rescue",
        Event::Cancelled => "a cancellation",
        Event::Overdue => "the end by its deadline",
        Event::Expired => "an expiry",
        Event::Requeued { .. } => "a retry from that phase",
    }
}

fn claimed(state: &State, worker: String, epoch: i64) -> Move {
    let mut workflow = state.workflow.clone();
    workflow.attempt += 1;
    Move {
        state: State { status: Status::Running, workflow },
        kind: EntryKind::Claimed { worker, epoch },
        next: Next::Run,
    }
}

fn rescued(before: &Workflow, tick: Tick, policy: &Policy) -> Move {
    let mut workflow = before.clone();
    workflow.crashes += 1;
    if workflow.crashes >= policy.max_crashes {
        let why = format!("the daemon crashed {} times while it worked on this phase", workflow.crashes);
        settled::fail(&mut workflow, Reason::Poisoned, why);
        let kind = EntryKind::Rescued { reason: Some(Reason::Poisoned) };
        return Move { state: State { status: Status::Failed, workflow }, kind, next: Next::End };
    }
    Move {
        state: State { status: Status::Queued, workflow },
        kind: EntryKind::Rescued { reason: None },
        next: Next::Wait(tick.now),
    }
}

fn cancelled(before: &Workflow) -> Move {
    Move {
        state: State { status: Status::Cancelled, workflow: before.clone() },
        kind: EntryKind::Cancelled,
        next: Next::End,
    }
}

/// A deadline that passes while the task runs ends its attempt, which fails with the same reason.
fn overdue(before: &Workflow) -> Move {
    let mut workflow = before.clone();
    settled::fail(&mut workflow, Reason::Deadline, "its deadline passed while it waited".to_owned());
    Move { state: State { status: Status::Failed, workflow }, kind: EntryKind::Overdue, next: Next::End }
}

/// Nobody wants it any more, as its request said: that is no failure that waits for a person.
fn expired(before: &Workflow) -> Move {
    let mut workflow = before.clone();
    workflow.reason = Some(Reason::Deadline);
    workflow.error = Some("it had not begun when it expired".to_owned());
    Move { state: State { status: Status::Cancelled, workflow }, kind: EntryKind::Expired, next: Next::End }
}

/// What a coder is told whose dispute a person has refused: without it, it would say the same again.
fn dispute_refused(before: &Workflow) -> Feedback {
    let said = before.error.as_deref().unwrap_or("nothing");
    let mut summary = format!(
        "the frozen test was disputed; a person looked at it and keeps it as it is, so make it pass. The dispute said: {said}"
    );
    limits::truncate(&mut summary, limits::SUMMARY_BYTES);
    Feedback { from: Phase::CodeImplementation, summary, findings: Vec::new(), files: Vec::new() }
}

fn requeued(before: &Workflow, from: Phase, tick: Tick) -> Option<Move> {
    let reached = before.failed_in.unwrap_or(before.phase);
    if from.is_end() || from > reached {
        return None;
    }
    let mut workflow = before.clone();
    workflow.phase = from;
    workflow.forget_counts();
    (workflow.reason, workflow.failed_in, workflow.error, workflow.last_failure) = (None, None, None, None);
    workflow.artifacts.forget_from(from);
    // The last no is what an author who starts again has to answer; to anybody else it means nothing.
    if before.reason == Some(Reason::TestDisputed) && from == Phase::CodeImplementation {
        workflow.feedback = Some(dispute_refused(before));
    } else if before.feedback.as_ref().is_none_or(|no| no.from.sends_back_to() != from) {
        workflow.feedback = None;
    }
    Some(Move {
        state: State { status: Status::Queued, workflow },
        kind: EntryKind::Requeued,
        next: Next::Wait(tick.now),
    })
}
