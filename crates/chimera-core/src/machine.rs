//! The one place that decides what follows.
//!
//! [`step`] takes the state of a task and an event and returns the next state together with the journal
//! entry that tells it; an event that cannot happen in that state is an error value. It does no IO and reads
//! no clock. Map: one function per event, one per outcome, one per passed phase.

use crate::workflow::Feedback;
use crate::{
    Entry, EntryKind, Outcome, Phase, PhaseOutput, Reason, RetryPolicy, Setback, Status, Tick, UnixMillis,
    Usage, Workflow,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The limits of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// When transient troubles are tried again.
    pub retry: RetryPolicy,
    /// Phase executions after a task was first sent back.
    pub max_iterations: u32,
    /// Times a reviewer may say no.
    pub max_review_rounds: u32,
    /// Times the staged change may fail its test.
    pub max_validation_rounds: u32,
    /// Crashes of the daemon during one phase until the task is set aside as poisoned.
    pub max_crashes: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            retry: RetryPolicy::default(),
            max_iterations: 10,
            max_review_rounds: 3,
            max_validation_rounds: 3,
            max_crashes: 5,
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

/// The event cannot happen in this state; nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{event} is not possible while the task is {status} in {phase}")]
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
    let moved = match (state.status, event) {
        (Status::Queued, Event::Claimed { worker, epoch }) => Some(claimed(state, worker, epoch)),
        (Status::Running, Event::Settled { outcome, usage }) => {
            settled(&state.workflow, outcome, usage, tick, policy)
        }
        (Status::Running, Event::Rescued) => Some(rescued(&state.workflow, tick, policy)),
        (Status::Queued | Status::Running, Event::Cancelled) => Some(cancelled(&state.workflow)),
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
        fail(&mut workflow, Reason::Poisoned, why);
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

fn requeued(before: &Workflow, from: Phase, tick: Tick) -> Option<Move> {
    let reached = before.failed_in.unwrap_or(before.phase);
    if from.is_end() || from > reached {
        return None;
    }
    let mut workflow = before.clone();
    workflow.phase = from;
    (workflow.iteration, workflow.review_rounds, workflow.validation_rounds) = (0, 0, 0);
    (workflow.failures, workflow.crashes) = (0, 0);
    (workflow.reason, workflow.failed_in, workflow.error, workflow.last_failure) = (None, None, None, None);
    workflow.artifacts.forget_from(from);
    if from == Phase::E2eTestGeneration {
        workflow.feedback = None;
    }
    Some(Move {
        state: State { status: Status::Queued, workflow },
        kind: EntryKind::Requeued,
        next: Next::Wait(tick.now),
    })
}

/// `None` if the outcome is the product of another phase.
fn settled(before: &Workflow, outcome: Outcome, usage: Usage, tick: Tick, policy: &Policy) -> Option<Move> {
    let mut workflow = before.clone();
    workflow.usage = workflow.usage.plus(usage);
    let result = outcome.clone();
    let verdict = match outcome {
        Outcome::Interrupted => {
            return Some(Move {
                state: State { status: Status::Queued, workflow },
                kind: EntryKind::Settled { result, reason: None, retry_at: None },
                next: Next::Wait(tick.now),
            });
        }
        Outcome::Passed { output } if output.phase() != before.phase => return None,
        Outcome::Passed { output } => passed(&mut workflow, output),
        Outcome::Rejected(setback) => rejected(&mut workflow, setback, policy),
        Outcome::Failed(setback) => Verdict::Fail(setback.reason, setback.summary),
        Outcome::Transient { setback, retry_after } => {
            again(&mut workflow, setback, retry_after, tick, policy)
        }
        Outcome::Unknown(setback) => again(&mut workflow, setback, None, tick, policy),
    };
    workflow.crashes = 0;
    Some(conclude(workflow, result, verdict, policy))
}

enum Verdict {
    GoTo(Phase),
    RetryAt(UnixMillis),
    Fail(Reason, String),
}

fn conclude(mut workflow: Workflow, result: Outcome, verdict: Verdict, policy: &Policy) -> Move {
    let mut status = Status::Running;
    let (mut reason, mut retry_at) = (None, None);
    let mut next = Next::Run;
    match verdict {
        Verdict::GoTo(Phase::Complete) => {
            workflow.phase = Phase::Complete;
            (status, next) = (Status::Completed, Next::End);
        }
        Verdict::GoTo(phase) => match enter(&mut workflow, phase, policy) {
            Ok(()) => {}
            Err(why) => {
                fail(&mut workflow, Reason::MaxIterations, why);
                reason = Some(Reason::MaxIterations);
            }
        },
        Verdict::RetryAt(at) => {
            retry_at = Some(at);
            (status, next) = (Status::Queued, Next::Wait(at));
        }
        Verdict::Fail(why, summary) => {
            fail(&mut workflow, why, summary);
            reason = Some(why);
        }
    }
    if reason.is_some() {
        (status, next) = (Status::Failed, Next::End);
    }
    let kind = EntryKind::Settled { result, reason, retry_at };
    Move { state: State { status, workflow }, kind, next }
}

/// Begins the next attempt, counting it as an iteration once the task has been sent back.
fn enter(workflow: &mut Workflow, phase: Phase, policy: &Policy) -> Result<(), String> {
    let sent_back = workflow.review_rounds + workflow.validation_rounds > 0;
    if sent_back && workflow.iteration >= policy.max_iterations {
        return Err(format!(
            "{} phase executions after the first pass did not lead to a proof",
            workflow.iteration
        ));
    }
    workflow.iteration += u32::from(sent_back);
    workflow.phase = phase;
    workflow.attempt += 1;
    workflow.failures = 0;
    Ok(())
}

fn fail(workflow: &mut Workflow, reason: Reason, summary: String) {
    workflow.failed_in = Some(workflow.phase);
    workflow.phase = Phase::Failed;
    workflow.reason = Some(reason);
    workflow.error = Some(summary);
}

fn again(
    workflow: &mut Workflow,
    setback: Setback,
    retry_after: Option<Duration>,
    tick: Tick,
    policy: &Policy,
) -> Verdict {
    workflow.failures += 1;
    match policy.retry.delay(workflow.failures, tick.jitter) {
        None => Verdict::Fail(setback.reason, setback.summary),
        Some(delay) => {
            workflow.error = Some(setback.summary);
            Verdict::RetryAt(tick.now.plus(delay.max(retry_after.unwrap_or_default())))
        }
    }
}

fn rejected(workflow: &mut Workflow, setback: Setback, policy: &Policy) -> Verdict {
    let rounds_left = match workflow.phase {
        Phase::GuardianReview => {
            workflow.review_rounds += 1;
            workflow.review_rounds <= policy.max_review_rounds
        }
        Phase::E2eValidation => {
            workflow.validation_rounds += 1;
            let same = setback.fingerprint.is_some() && setback.fingerprint == workflow.last_failure;
            workflow.last_failure.clone_from(&setback.fingerprint);
            workflow.validation_rounds <= policy.max_validation_rounds && !same
        }
        _ => false,
    };
    if !rounds_left {
        return Verdict::Fail(setback.reason, setback.summary);
    }
    workflow.feedback =
        Some(Feedback { from: workflow.phase, summary: setback.summary, findings: setback.findings });
    workflow.artifacts.forget_verdicts();
    Verdict::GoTo(Phase::CodeImplementation)
}

/// Takes over the product of the phase, if it holds against what is on record.
fn passed(workflow: &mut Workflow, output: PhaseOutput) -> Verdict {
    workflow.error = None;
    let have = &mut workflow.artifacts;
    match output {
        PhaseOutput::E2eTestGeneration {
            test_path,
            test_sha256,
            base_commit,
            test_commit,
            red,
            target_run,
        } => {
            if *red.test_sha256() != test_sha256 {
                return Verdict::Fail(Reason::RedNotProvable, "the red run judged another test".to_owned());
            }
            have.test_path = Some(test_path);
            have.test_sha256 = Some(test_sha256);
            have.base_commit = Some(base_commit);
            have.head_commit = Some(test_commit);
            have.red = Some(red);
            have.target_run = Some(target_run);
            Verdict::GoTo(Phase::CodeImplementation)
        }
        PhaseOutput::CodeImplementation { commit, diff, test_sha256, code_pr_id } => {
            if have.test_sha256.as_ref() != Some(&test_sha256) {
                return tampered();
            }
            if have.diff.as_ref() == Some(&diff) {
                let why = "the coder made the same change again that was rejected before";
                return Verdict::Fail(Reason::NoChange, why.to_owned());
            }
            (have.head_commit, have.diff, have.code_pr_id) = (Some(commit), Some(diff), Some(code_pr_id));
            workflow.feedback = None;
            Verdict::GoTo(Phase::GuardianReview)
        }
        PhaseOutput::GuardianReview { commit } => {
            if have.head_commit.as_ref() != Some(&commit) {
                let why = format!("the review approved {commit}, which is not the head of the branch");
                return Verdict::Fail(Reason::AgentError, why);
            }
            have.approved_commit = Some(commit);
            Verdict::GoTo(Phase::StagingDeployment)
        }
        PhaseOutput::StagingDeployment { url, revision } => {
            if have.approved_commit.as_ref() != Some(&revision) {
                return stale(&format!("staging serves {revision}, which is not the approved commit"));
            }
            (have.deployment_url, have.deployed_revision) = (Some(url), Some(revision));
            Verdict::GoTo(Phase::E2eValidation)
        }
        PhaseOutput::E2eValidation { green } => {
            if have.red.is_none() {
                let why = "no red run is on record, so a green one proves nothing";
                return Verdict::Fail(Reason::RedNotProvable, why.to_owned());
            }
            if have.test_sha256.as_ref() != Some(green.test_sha256()) {
                return tampered();
            }
            if have.deployed_revision.as_ref() != Some(green.revision()) {
                return stale("the green run judged another revision than the deployed one");
            }
            have.green = Some(green);
            Verdict::GoTo(Phase::Complete)
        }
    }
}

fn tampered() -> Verdict {
    Verdict::Fail(Reason::TestTampered, "the frozen test was changed after it was recorded".to_owned())
}

fn stale(why: &str) -> Verdict {
    Verdict::Fail(Reason::StaleStaging, why.to_owned())
}
