//! What the log says of tasks: when they begin, go on, wait and end, and why.

use crate::web::rfc3339;
use chimera_core::{EntryKind, Next, Outcome, Reason, Task, Transition};
use std::time::Duration;

pub(super) fn claimed(task: &Task) {
    let epoch = task.lease.as_ref().map(|lease| lease.epoch);
    let (phase, attempt) = (task.phase(), task.workflow.attempt);
    tracing::info!(task = %task.id, project = task.project, %phase, attempt, epoch, "claimed");
}

/// What came of an attempt that took so long, and where the task stands now. `task` is what it was before.
pub(super) fn settled(task: &Task, transition: &Transition, took: Duration) {
    let (task, attempt, phase) = (&task.id, task.workflow.attempt, transition.entry.phase);
    let (outcome, error) = said(&transition.entry.kind);
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    match transition.next {
        Next::Run => {
            let to = transition.entry.to;
            tracing::info!(%task, %phase, attempt, outcome, error, took_ms, %to, "next phase");
        }
        Next::Wait(until) => {
            let (to, until) = (transition.entry.to, rfc3339(until));
            tracing::info!(%task, %phase, attempt, outcome, error, took_ms, %to, until, "waiting");
        }
        Next::End => {
            let workflow = &transition.state.workflow;
            let (status, reason) = (transition.state.status, workflow.reason.map(Reason::as_str));
            let error = workflow.error.as_deref().or(error);
            tracing::info!(%task, %phase, attempt, outcome, took_ms, %status, reason, error, "ended");
        }
    }
}

/// The outcome's word, and what went wrong.
fn said(kind: &EntryKind) -> (Option<&'static str>, Option<&str>) {
    let EntryKind::Settled { result, .. } = kind else { return (None, None) };
    let (word, setback) = match result {
        Outcome::Passed { .. } => ("passed", None),
        Outcome::Interrupted => ("interrupted", None),
        Outcome::Rejected(setback) => ("rejected", Some(setback)),
        Outcome::Failed(setback) => ("failed", Some(setback)),
        Outcome::Unknown(setback) => ("unknown", Some(setback)),
        Outcome::Transient { setback, .. } => ("transient", Some(setback)),
        Outcome::Unavailable { setback, .. } => ("unavailable", Some(setback)),
    };
    (Some(word), setback.map(|setback| setback.summary.as_str()))
}
