//! Why a task that is watched does not run. No event tells it: it depends on what happens around the task.

use super::{News, State};
use crate::cli::client::Client;
use serde_json::Value;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

/// How often a task that does not run is looked at. The first look comes as late: most tasks run by then.
const LOOK: Duration = Duration::from_secs(1);

/// Looks at the task at `path` while it does not run, and tells what it waits for whenever that becomes another thing;
/// returns once it has ended, or when nobody hears it any more.
pub(super) fn look(client: &Client, path: &str, state: &State, news: &SyncSender<News>) {
    let mut told = None;
    while !state.over.load(Ordering::Relaxed) {
        std::thread::sleep(LOOK);
        if state.running.load(Ordering::Relaxed) {
            told = None;
            continue;
        }
        // A daemon that does not answer is told by whoever reads the events.
        let Ok(task) = client.get(path) else { continue };
        let waits = &task["waiting_for"];
        let kind = kind(waits);
        if kind.is_some() && kind != told && news.send(News::Waits(waits.clone())).is_err() {
            return;
        }
        told = kind;
    }
}

/// What makes one wait differ from another: its text without its figures, which change all the time. Nothing for a retry,
/// whose time stands beside the trouble that it follows.
fn kind(waits: &Value) -> Option<String> {
    let kind = waits["kind"].as_str().filter(|kind| *kind != "retry")?;
    let until = waits["until"].as_str().unwrap_or_default();
    let detail = waits["detail"].as_str().unwrap_or_default();
    let plain: String = match kind {
        "worker" | "throttled" => String::new(),
        _ => detail.to_owned(),
    };
    Some(format!("{kind} {until} {plain}"))
}

#[cfg(test)]
mod tests {
    use super::kind;
    use serde_json::json;

    #[test]
    fn figures_that_change_are_no_other_wait() {
        let ahead = |detail: &str| kind(&json!({"kind": "worker", "detail": detail}));
        assert_eq!(ahead("2 tasks are ahead"), ahead("1 task is ahead"));
        let paused = |why: &str| kind(&json!({"kind": "paused", "detail": why}));
        assert_ne!(paused("lunch"), paused("dinner"));
        assert_eq!(kind(&json!({"kind": "retry", "until": "x"})), None);
        assert_eq!(kind(&serde_json::Value::Null), None);
    }
}
