//! What may hold tasks back in a torture, and the search for those that were not held back: limits, shared staging, pauses.

use super::pauses::Paused;
use super::verdict::Violation;
use chimera_core::gates::{Deployer, Gates};
use chimera_core::{EntryKind, Outcome, Scope, TaskId, UnixMillis};
use chimera_store::read::Event;
use std::collections::{BTreeMap, BTreeSet};

/// A project that has a limit.
pub(super) const LIMITED: &str = "limited";
/// A project whose tasks share a place of staging.
pub(super) const SHARED: &str = "shared";
/// Tasks of the limited project that may run at a time.
const LIMIT: usize = 2;
/// How far the clocks of a daemon and of the torturer may be apart, in milliseconds.
const CLOCKS: i64 = 100;

/// What the daemons are set up with. Without limits, claims take another way: half of the tortures go each.
pub(super) fn gates(limited: bool) -> Gates {
    if !limited {
        return Gates::default();
    }
    let limit = u32::try_from(LIMIT).unwrap_or(u32::MAX);
    let deployer = Deployer { agent: "deployer".to_owned(), shared: true };
    Gates {
        projects: BTreeMap::from([(LIMITED.to_owned(), limit)]),
        deployers: BTreeMap::from([(SHARED.to_owned(), deployer)]),
        ..Gates::default()
    }
}

/// Looks for what ran although something held it back. `projects` are those of the tasks that are known.
pub(super) fn let_through(
    events: &[Event],
    projects: &BTreeMap<TaskId, String>,
    limited: bool,
    pauses: &[Paused],
    clocks_agree: impl Fn(UnixMillis) -> bool,
) -> Vec<Violation> {
    let (mut running, mut found) = (BTreeSet::new(), Vec::new());
    for Event { id, task_id, entry, .. } in events {
        let project = projects.get(task_id).map(String::as_str);
        let begins = match &entry.kind {
            EntryKind::Claimed { .. } => {
                running.insert(task_id);
                true
            }
            EntryKind::Settled { result: Outcome::Passed { .. }, handed_back: false, .. }
                if !entry.to.is_end() =>
            {
                true
            }
            EntryKind::Settled { .. }
            | EntryKind::Rescued { .. }
            | EntryKind::Cancelled
            | EntryKind::Overdue
            | EntryKind::Expired => {
                running.remove(task_id);
                false
            }
            _ => false,
        };
        let of_limited = |id: &&&TaskId| projects.get(**id).is_some_and(|name| name == LIMITED);
        if limited && begins && project == Some(LIMITED) && running.iter().filter(of_limited).count() > LIMIT
        {
            let what = format!("began although {LIMIT} tasks of its project ran");
            found.push(Violation { task: Some(task_id.clone()), what });
        }
        let at = entry.at.0;
        let held = |pause: &&Paused| {
            let inside = (pause.entries.0.saturating_add(1)..=pause.entries.1).contains(id)
                && at > pause.from.0.saturating_add(CLOCKS);
            inside
                && match &pause.scope {
                    Scope::Queue => true,
                    Scope::Project(name) => project == Some(name.as_str()),
                    Scope::Role(role) => entry.to.role() == Some(*role),
                    Scope::Agent(_) => false,
                }
        };
        if begins
            && let Some(pause) = pauses.iter().find(held)
            && clocks_agree(entry.at)
        {
            let (what, scope) = (entry.kind.as_str(), pause.scope.kind());
            let since = at - pause.from.0;
            let what = format!("{} began (`{what}`) {since} ms after {scope} was paused", entry.to);
            found.push(Violation { task: Some(task_id.clone()), what });
        }
    }
    found
}
