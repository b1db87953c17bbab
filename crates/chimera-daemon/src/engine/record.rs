//! Recording what came of an attempt: again while the database is busy, full or out of reach; once more as unknown, in
//! words of our own, if what came of it cannot be recorded at all.

use super::Context;
use super::brake::{Brake, Stop};
use super::pause::Pause;
use chimera_agent::runner::Report;
use chimera_core::{
    Event, IllegalEvent, Next, Outcome, Reason, Setback, State, Task, Transition, Usage, step,
};
use chimera_store::StoreError;
use chimera_store::settle::{self, Onward, Settlement};
use std::sync::Arc;
use std::time::Duration;

/// How long a result is kept for a database that does not take it: people can make room on a disk meanwhile. Then the
/// worker leaves, and what its attempt did is done again.
const KEPT: Duration = Duration::from_secs(3600);
/// Tries at a result that the database refuses for what it is. Results are written together, so that the first refusal
/// may have been another one's.
const REFUSALS: u32 = 2;

/// Why nothing is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotRecorded {
    /// The lease is gone: the task has a new owner.
    LeaseLost,
    /// The database did not take it. The task still is this daemon's, without a worker.
    GaveUp,
}

/// Writes what came of an attempt, as long as the lease holds, and gives what followed. Whoever stops the task meanwhile
/// is heeded.
pub(super) async fn record(
    context: &Context,
    task: &Task,
    mut report: Report,
    brake: &Brake,
) -> Result<Transition, NotRecorded> {
    let (mut pause, mut refusals) = (Pause::new("record a result").of(&task.id), 0);
    let was_late = brake.reason() == Some(Stop::Deadline);
    loop {
        let transition = Arc::new(follow(context, task, &report, brake.reason(), was_late)?);
        let err = match settle(context, task, &transition, &report).await {
            Ok(onward) => {
                pause.over();
                return outcome(context, task, transition, onward);
            }
            Err(StoreError::LeaseLost { .. } | StoreError::Moved) => return Err(NotRecorded::LeaseLost),
            // Without a database there is nobody to tell; the daemon ends.
            Err(StoreError::Fatal(_)) => return Err(NotRecorded::GaveUp),
            Err(err) => err,
        };
        if !err.is_passing() || pause.lasts() >= KEPT {
            refusals += 1;
            if err.is_passing() || refusals > REFUSALS {
                tracing::error!(task = %task.id, error = %err, "cannot record a result; its phase will be done again");
                return Err(NotRecorded::GaveUp);
            }
            if refusals == REFUSALS {
                tracing::error!(task = %task.id, error = %err, "the database refuses a result; recording it as unknown");
                report = refused(&report);
                continue;
            }
        }
        pause.failed(&err);
        pause.wait(brake).await;
    }
}

/// What follows now. A deadline that passes only while the result waits to be recorded does not undo an end.
fn follow(
    context: &Context,
    task: &Task,
    report: &Report,
    stopped: Option<Stop>,
    was_late: bool,
) -> Result<Transition, NotRecorded> {
    let event = match stopped {
        Some(Stop::LeaseLost) => return Err(NotRecorded::LeaseLost),
        Some(Stop::Cancelled) => Event::Cancelled,
        _ => Event::Settled { outcome: report.outcome.clone(), usage: report.usage },
    };
    let mut transition = decide(context, task, event);
    let ends = transition.as_ref().is_ok_and(|transition| transition.next == Next::End);
    if stopped == Some(Stop::Deadline) && (was_late || !ends) {
        transition = decide(context, task, overdue(report.usage));
    }
    transition.map_err(|_| NotRecorded::LeaseLost)
}

/// What the task came to, told where it went.
fn outcome(
    context: &Context,
    task: &Task,
    transition: Arc<Transition>,
    onward: Onward,
) -> Result<Transition, NotRecorded> {
    match onward {
        Onward::AsDecided => Ok(Arc::unwrap_or_clone(transition)),
        Onward::HandedBack => Ok(Arc::unwrap_or_clone(transition).handed_back()),
        Onward::Cancelled => decide(context, task, Event::Cancelled).map_err(|_| NotRecorded::LeaseLost),
    }
}

async fn settle(
    context: &Context,
    task: &Task,
    transition: &Arc<Transition>,
    report: &Report,
) -> Result<Onward, StoreError> {
    let lost = || StoreError::LeaseLost { id: task.id.clone() };
    let settlement = Settlement {
        id: task.id.clone(),
        project: task.project.clone(),
        epoch: task.lease.as_ref().map(|lease| lease.epoch).ok_or_else(lost)?,
        transition: transition.clone(),
        evidence: report.evidence.clone(),
        agent: report.agent.clone(),
        gates: context.gates(),
        now: context.clock.now(),
    };
    settle::record(&context.store, settlement).await
}

/// What takes the place of a result that the database refuses: nothing in it is foreign text.
fn refused(report: &Report) -> Report {
    let why = "the database refused to record what came of the attempt; the daemon's log says why";
    let outcome = Outcome::Unknown(Setback::new(Reason::AgentError, why));
    Report { usage: report.usage, agent: report.agent.clone(), ..outcome.into() }
}

/// The end of a task whose deadline passed while it ran.
fn overdue(usage: Usage) -> Event {
    let outcome = Outcome::Failed(Setback::new(Reason::Deadline, "its deadline passed while it ran"));
    Event::Settled { outcome, usage }
}

/// The state machine's answer; an outcome that it refuses counts as unknown.
fn decide(context: &Context, task: &Task, event: Event) -> Result<Transition, IllegalEvent> {
    let state = State { status: task.status, workflow: task.workflow.clone() };
    let tick = context.dice.tick(context.clock.now());
    let policy = &context.settings.policy;
    step(&state, event, tick, policy).or_else(|illegal| {
        tracing::error!(task = %task.id, error = %illegal, "an attempt gave an outcome that does not belong here");
        let outcome = Outcome::Unknown(Setback::new(Reason::AgentError, illegal.to_string()));
        step(&state, Event::Settled { outcome, usage: Usage::default() }, tick, policy)
    })
}
