//! Why a queued task is not running: always an answer.

use super::time::rfc3339;
use chimera_core::{Status, Task, UnixMillis};
use chimera_store::after::{HELD, Waits};
use chimera_store::home::Away;
use chimera_store::suspects;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a queued task waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WaitingFor {
    /// What it is.
    pub kind: WaitingKind,
    /// When the wait ends, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub until: Option<String>,
    /// The same for people.
    #[schema(example = "waits for a free worker; 2 tasks are ahead of it")]
    pub detail: String,
}

/// The kinds of waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WaitingKind {
    /// The phase failed for a passing reason and is tried again at a time.
    Retry,
    /// The request asked for a later start.
    NotBefore,
    /// Tasks that the request named are not completed.
    After,
    /// The machine that has its branch is silent.
    Machine,
    /// People have paused the queue, or something that it needs.
    Paused,
    /// An agent or the project keeps failing and is left alone for a while.
    Breaker,
    /// Another task's change is at its place of staging.
    Staging,
    /// A tool that its phase needs is missing on every daemon.
    Tools,
    /// As many run of its project, its agent or its role as may.
    Limit,
    /// Its daemon crashed twice in this phase: it runs alone until it is known whether it was the cause.
    Alone,
    /// No daemon that takes tasks was heard of.
    NoDaemon,
    /// The machines have too little memory, or too much to do.
    Throttled,
    /// All workers are busy.
    Worker,
}

/// What is known of the tasks around one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Around {
    /// The number of ready tasks before it, if known.
    pub ahead: Option<u32>,
    /// Those that it waits for.
    pub after: Waits,
    /// The silent machine that has its branch.
    pub away: Option<Away>,
    /// The gate that holds it back.
    pub held: Option<WaitingFor>,
}

/// What a task waits for; nothing unless it is queued.
pub fn waiting_for(task: &Task, around: &Around, now: UnixMillis) -> Option<WaitingFor> {
    if task.status != Status::Queued {
        return None;
    }
    if task.ready_at == HELD {
        let detail = others(&around.after);
        return Some(WaitingFor { kind: WaitingKind::After, until: None, detail });
    }
    if task.ready_at > now && task.ready_at != suspects::PARKED {
        let until = rfc3339(task.ready_at);
        let failures = task.workflow.failures;
        let (kind, detail) = if task.workflow.waits > 0 {
            let detail = format!("{} was put off by its agent until {until}", task.phase());
            (WaitingKind::Retry, detail)
        } else if failures > 0 {
            let phase = task.phase();
            (WaitingKind::Retry, format!("{phase} failed {} and is tried again at {until}", times(failures)))
        } else {
            (WaitingKind::NotBefore, format!("is not to start before {until}"))
        };
        return Some(WaitingFor { kind, until: Some(until), detail });
    }
    if let Some(Away { home, seen_at }) = &around.away {
        let detail = format!(
            "waits for a daemon on the data directory {home}, which has its branch and was last heard of at {}",
            rfc3339(*seen_at)
        );
        return Some(WaitingFor { kind: WaitingKind::Machine, until: None, detail });
    }
    if let Some(held) = &around.held {
        return Some(held.clone());
    }
    let detail = match around.ahead {
        None => "waits for a free worker".to_owned(),
        Some(0) => "waits for a free worker; it is the next".to_owned(),
        Some(1) => "waits for a free worker; 1 task is ahead of it".to_owned(),
        Some(n) if n >= chimera_store::read::AHEAD => {
            format!("waits for a free worker; {n} tasks or more are ahead of it")
        }
        Some(n) => format!("waits for a free worker; {n} tasks are ahead of it"),
    };
    Some(WaitingFor { kind: WaitingKind::Worker, until: None, detail })
}

/// Which tasks it waits for, and what a person may have to do.
fn others(waits: &Waits) -> String {
    let Waits { some, all } = waits;
    let named: Vec<String> = some.iter().map(|(id, status)| format!("{id} ({status})")).collect();
    let mut detail = format!("waits for {}", named.join(", "));
    if *all > some.len() as u64 {
        detail += &format!(" and {} more", all - some.len() as u64);
    }
    if some.iter().any(|(_, status)| status.is_end()) {
        detail += "; one that failed or was cancelled does not start it: retry that one, or cancel this one";
    }
    detail
}

fn times(failures: u32) -> String {
    if failures == 1 { "once".to_owned() } else { format!("{failures} times") }
}
