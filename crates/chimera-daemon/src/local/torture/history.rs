//! Everything that was ever written into the journal, as somebody has it who reads on after the last entry, and the tasks
//! that were removed after their end.

use crate::care;
use crate::seams::Clock;
use chimera_agent::process::Identity;
use chimera_core::{EntryKind, Outcome, TaskId, UnixMillis};
use chimera_store::prune::{self, Cutoffs, Place, Trash};
use chimera_store::read::{self, Event};
use chimera_store::{Store, StoreError};
use std::collections::BTreeSet;
use std::time::Duration;

/// What was ever written.
#[derive(Default)]
pub(super) struct History {
    /// In the order of the commits.
    pub(super) events: Vec<Event>,
    /// Tasks that were removed.
    pub(super) pruned: BTreeSet<TaskId>,
    /// Tasks that run.
    running: BTreeSet<TaskId>,
    /// Tasks that have not ended.
    open: BTreeSet<TaskId>,
}

impl History {
    /// Reads on.
    pub(super) async fn follow(&mut self, store: &Store) -> Result<(), StoreError> {
        loop {
            let last = self.events.last().map_or(0, |event| event.id);
            let page = store.read(move |tx| read::events(tx, None, last, read::PAGE)).await?;
            if page.is_empty() {
                return Ok(());
            }
            page.iter().for_each(|event| self.note_running(event));
            self.events.extend(page);
        }
    }

    fn note_running(&mut self, event: &Event) {
        let ends = matches!(event.entry.kind, EntryKind::Cancelled | EntryKind::Overdue | EntryKind::Expired);
        if ends || event.entry.to.is_end() {
            self.open.remove(&event.task_id);
        } else {
            self.open.insert(event.task_id.clone());
        }
        match &event.entry.kind {
            EntryKind::Claimed { .. } => drop(self.running.insert(event.task_id.clone())),
            EntryKind::Settled { result: Outcome::Passed { .. }, handed_back: false, .. }
                if !event.entry.to.is_end() => {}
            EntryKind::PriorityChanged { .. } => {}
            // A second wish would change nothing.
            _ => drop(self.running.remove(&event.task_id)),
        }
    }

    /// The tasks that have not ended.
    pub(super) fn open(&self) -> Vec<TaskId> {
        self.open.iter().cloned().collect()
    }

    /// Whether every task has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.open.is_empty()
    }

    /// The tasks that run, as far as is known, and that nobody asked to cancel.
    pub(super) fn running(&self) -> Vec<TaskId> {
        self.running.iter().cloned().collect()
    }

    /// Removes the tasks that ended longer ago than they are kept for.
    pub(super) async fn prune(&mut self, store: &Store, kept: Duration) -> Result<(), StoreError> {
        // What ends from here on is younger.
        let before = Some(Clock::system().now().minus(kept));
        self.follow(store).await?;
        let cutoffs = Cutoffs { completed: before, cancelled: before, failed: before, discarded: before };
        let removed = care::rows(store, &cutoffs, &Clock::system()).await;
        // Also after an error: some may be gone.
        self.note_pruned(store).await?;
        removed.map(drop)
    }

    /// Takes note of what was removed so far.
    pub(super) async fn note_pruned(&mut self, store: &Store) -> Result<(), StoreError> {
        let mut place = Place::at(UnixMillis(i64::MIN));
        loop {
            let after = place.clone();
            let page = store.read(move |tx| prune::trash(tx, &after, read::PAGE)).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            place = last.clone();
            self.pruned.extend(page.into_iter().filter_map(|(_, trash)| match trash {
                Trash::Task { id, .. } => Some(id),
                Trash::Evidence(_) => None,
            }));
        }
    }

    /// How many claims there were: by all daemons but these, and by these.
    pub(super) fn claims(&self, others: &BTreeSet<u32>) -> [usize; 2] {
        let claimed = |event: &Event| match &event.entry.kind {
            EntryKind::Claimed { worker, .. } => {
                let process = worker.split_once('/').and_then(|(process, _)| Identity::parse(process));
                process.map(|process| others.contains(&process.pid()))
            }
            _ => None,
        };
        let by: Vec<bool> = self.events.iter().filter_map(claimed).collect();
        let of_others = by.iter().filter(|other| **other).count();
        [by.len() - of_others, of_others]
    }

    /// Whether what is in the journal now is what was read while it was written: whoever reads on misses nothing.
    pub(super) async fn is_whole(&self, store: &Store) -> Result<bool, StoreError> {
        let mut again = Self::default();
        again.follow(store).await?;
        let kept = self.events.iter().filter(|event| !self.pruned.contains(&event.task_id));
        let now = again.events.iter().filter(|event| !self.pruned.contains(&event.task_id));
        Ok(kept.eq(now))
    }
}
