//! One claimed task, phase after phase, until it waits, ends, or the lease is gone.
//!
//! Each round is attempt, step, settle; the last is the only write, and it is fenced by the lease's epoch.

use super::brake::Brake;
use super::limit::{self, Lost};
use super::record::{NotRecorded, record};
use super::{Context, fence, told};
use chimera_agent::runner::{Attempt, Report};
use chimera_core::{Next, Outcome, Reason, Setback, Task, Transition};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How a worker left its task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// Settled, or in the hands of a new owner.
    Done,
    /// Held, with a result that cannot be recorded.
    GaveUp,
}

/// Works on a claimed task. `draining` is cancelled when no new phase may begin.
pub(super) async fn work(
    context: Arc<Context>,
    mut task: Task,
    brake: Brake,
    draining: CancellationToken,
) -> Left {
    let (alone, draining) = (task.workflow.is_suspect(), draining.child_token());
    loop {
        let began = context.clock.now();
        let report = attempt(&context, &task, &brake, &draining).await;
        let transition = match record(&context, &task, report, &brake).await {
            Ok(transition) => transition,
            Err(NotRecorded::LeaseLost) => return lost(&task),
            // The next heartbeat finds the task without a worker.
            Err(NotRecorded::GaveUp) => return Left::GaveUp,
        };
        told::settled(&task, &transition, context.clock.now().since(began));
        let Transition { state, next, .. } = transition;
        (task.status, task.workflow) = (state.status, state.workflow);
        task.seq += 1;
        match next {
            // The phase has ended in order: what comes next needs no daemon of its own.
            Next::Run if alone => draining.cancel(),
            Next::Run => {}
            Next::Wait(_) => return Left::Done,
            Next::End => {
                context.runner.finished(&task).await;
                return Left::Done;
            }
        }
    }
}

/// One attempt. A panic in it is an unknown outcome.
async fn attempt(context: &Arc<Context>, task: &Task, brake: &Brake, draining: &CancellationToken) -> Report {
    if brake.is_pulled() || draining.is_cancelled() {
        return Outcome::Interrupted.into();
    }
    let phase = task.phase();
    brake.begin(phase.acts_outside());
    // After that: who looks for what acts outside finds either this or a lease that has run out.
    if phase.acts_outside() && !context.lease.holds() {
        return Outcome::Interrupted.into();
    }
    let timeout = context.settings.timeouts.get(&phase).copied().unwrap_or(Duration::from_secs(600));
    let attempt = Attempt { task: task.clone(), timeout, fence: fence::of(context, task, brake) };
    let (runner, stop) = (context.runner.clone(), brake.child());
    let signal = stop.clone();
    let running = tokio::spawn(async move { runner.run(attempt, signal).await });
    match limit::bounded(running, (timeout, context.settings.patience), brake, &stop).await {
        Ok(report) => report,
        Err(Lost::Hung) => hung(task, timeout, brake),
        Err(Lost::Broke(err)) => {
            tracing::error!(task = %task.id, %phase, error = %err, "an attempt broke");
            Outcome::Unknown(Setback::new(
                Reason::AgentError,
                "the attempt broke inside the daemon; see its log",
            ))
            .into()
        }
    }
}

/// An attempt that had to be given up. Told to stop, it counts as stopped; else it is tried again.
fn hung(task: &Task, timeout: Duration, brake: &Brake) -> Report {
    let phase = task.phase();
    tracing::error!(task = %task.id, %phase, "an attempt did not end when it had to and was given up");
    if brake.is_pulled() {
        return Outcome::Interrupted.into();
    }
    let why = format!("{phase} was not done within {timeout:?}, and did not end itself");
    Outcome::Transient { setback: Setback::new(Reason::AgentError, why), retry_after: None }.into()
}

fn lost(task: &Task) -> Left {
    tracing::warn!(task = %task.id, phase = %task.phase(), "the lease is lost; leaving the task to its new owner");
    Left::Done
}
