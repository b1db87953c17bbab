//! Which gate holds a ready task back, in words.

use super::time::rfc3339;
use super::waiting::{WaitingFor, WaitingKind};
use chimera_core::gates::{Board, Candidate, Obstacle};
use chimera_core::{Gates, Lane, Scope, Task};

/// What stands in the way of a ready task, whichever daemon would take it; nothing if it only waits for its turn.
pub(super) fn held_by(task: &Task, gates: &Gates, board: &Board<'_>) -> Option<WaitingFor> {
    let candidate = Candidate {
        task: task.id.clone(),
        lane: Lane::new(task.project.clone(), task.phase()),
        place: gates.place(&task.project, task.request.staging_url.as_deref()),
    };
    board.obstacle(&candidate).map(told).or_else(|| without_worker(board)).or_else(|| alone(task, board))
}

fn told(obstacle: Obstacle) -> WaitingFor {
    match obstacle {
        Obstacle::Paused(pause) => {
            let why = pause.reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            let until = pause.until.map(rfc3339);
            let end = until.as_ref().map(|until| format!(" until {until}")).unwrap_or_default();
            let detail =
                format!("{} has been paused since {}{end}{why}", what(&pause.scope), rfc3339(pause.since));
            WaitingFor { kind: WaitingKind::Paused, until, detail }
        }
        Obstacle::Breaker { scope, until, probe, error } => {
            let until = until.map(rfc3339);
            let next = match (&until, probe) {
                (Some(until), _) => format!("one task may try again at {until}"),
                (None, Some(task)) => format!("{task} tries whether it works again"),
                (None, None) => "one task may try again".to_owned(),
            };
            let detail = format!("{} keeps failing, {next}; last: {error}", what(&scope));
            WaitingFor { kind: WaitingKind::Breaker, until, detail }
        }
        Obstacle::Staging { place, task } => {
            let detail = format!("waits until {task}, whose change is staged at {place}, is validated");
            WaitingFor { kind: WaitingKind::Staging, until: None, detail }
        }
        Obstacle::Tools { detail } => {
            let detail = format!("no daemon has the tools that it needs: {detail}");
            WaitingFor { kind: WaitingKind::Tools, until: None, detail }
        }
        Obstacle::Limit { scope, limit } => {
            let tasks = if limit == 1 { "task" } else { "tasks" };
            let detail = format!("{} is at its limit of {limit} running {tasks}", what(&scope));
            WaitingFor { kind: WaitingKind::Limit, until: None, detail }
        }
    }
}

fn what(scope: &Scope) -> String {
    match scope {
        Scope::Queue => "the queue".to_owned(),
        scope => format!("the {} {}", scope.kind(), scope.name()),
    }
}

/// No daemon that could take it, whatever it is.
fn without_worker(board: &Board<'_>) -> Option<WaitingFor> {
    let daemons = &board.facts().daemons;
    if daemons.is_empty() {
        let detail =
            "no daemon is running that takes tasks: start one with `chimera-daemon start`".to_owned();
        return Some(WaitingFor { kind: WaitingKind::NoDaemon, until: None, detail });
    }
    let reasons: Option<Vec<&str>> = daemons.iter().map(|daemon| daemon.state.throttled.as_deref()).collect();
    let reason = reasons?.first().copied().unwrap_or_default();
    let detail = format!("no daemon takes tasks at the moment: {reason}");
    Some(WaitingFor { kind: WaitingKind::Throttled, until: None, detail })
}

/// A daemon that runs nothing else, for a task that may be what crashes daemons.
fn alone(task: &Task, board: &Board<'_>) -> Option<WaitingFor> {
    if !task.workflow.is_suspect() {
        return None;
    }
    let making_room = board.facts().daemons.iter().find_map(|daemon| daemon.state.alone_for.as_ref());
    let until = match making_room {
        Some(other) if *other != task.id => format!("after {other}, which runs alone before it"),
        Some(_) => "once the phases have ended that its daemon still runs".to_owned(),
        None => "as soon as a daemon has made room for it".to_owned(),
    };
    let detail = format!(
        "its daemon crashed {} times in {}: it runs alone until it is known whether it was the cause, {until}",
        task.workflow.crashes,
        task.phase()
    );
    Some(WaitingFor { kind: WaitingKind::Alone, until: None, detail })
}

#[cfg(test)]
mod tests;
