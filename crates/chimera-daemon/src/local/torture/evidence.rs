//! Evidence that the empty agents leave: which, anybody can tell from the attempt, so that the index can be searched for
//! what is missing and for what should not be there.

use super::history::History;
use super::verdict::Violation;
use anyhow::Result;
use chimera_core::{Digest, EntryKind, Evidence, EvidenceKind, Outcome, Phase, TaskId};
use chimera_store::{Store, read};
use std::collections::BTreeMap;

/// One attempt in so many leaves evidence.
const LEAVING: u64 = 3;

/// What an attempt leaves: nothing, or a file of its own and one that others have left as well.
pub(super) fn left_by(task: &TaskId, attempt: u32, phase: Phase) -> Vec<Evidence> {
    let mark =
        task.as_str().bytes().fold(u64::from(attempt), |sum, byte| sum.wrapping_mul(31) + u64::from(byte));
    if !mark.is_multiple_of(LEAVING) {
        return Vec::new();
    }
    let file = |digits: String, name: &str| {
        let sha256 = Digest::parse(&digits).ok()?;
        Some(Evidence { sha256, kind: EvidenceKind::Log, name: name.to_owned(), size: 1, phase, attempt })
    };
    let own = file(format!("{mark:064x}"), "own.log");
    own.into_iter().chain(file(format!("{:064x}", mark % 7), "shared.log")).collect()
}

/// Compares the index of the tasks that are still there with what the attempts on record left.
pub(super) async fn search(store: &Store, history: &History) -> Result<Vec<Violation>> {
    let mut passed: BTreeMap<&TaskId, Vec<(u32, Phase)>> = BTreeMap::new();
    for event in history.events.iter().filter(|event| !history.pruned.contains(&event.task_id)) {
        let attempts = passed.entry(&event.task_id).or_default();
        if matches!(&event.entry.kind, EntryKind::Settled { result: Outcome::Passed { .. }, .. }) {
            attempts.push((event.entry.attempt, event.entry.phase));
        }
    }
    let mut found = Vec::new();
    for (id, attempts) in passed {
        let wanted = id.clone();
        let index = store.read(move |tx| read::evidence(tx, &wanted)).await?;
        let of = |attempt: u32| index.iter().filter(move |one| one.attempt == attempt).cloned();
        let missing =
            attempts.iter().find(|(attempt, phase)| !of(*attempt).eq(left_by(id, *attempt, *phase)));
        let foreign = index.iter().find(|one| !of(one.attempt).eq(left_by(id, one.attempt, one.phase)));
        if missing.is_some() || foreign.is_some() {
            let what = format!("its evidence does not fit its attempts: {missing:?}, {foreign:?}");
            found.push(Violation { task: Some(id.clone()), what });
        }
    }
    Ok(found)
}
