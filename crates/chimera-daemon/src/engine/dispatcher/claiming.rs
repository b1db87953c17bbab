//! Claims: ready tasks for the free slots.

use super::{Dispatcher, Running};
use crate::engine::brake::{Brake, Stop};
use crate::engine::told;
use crate::engine::worker::work;
use chimera_core::{Task, UnixMillis};
use chimera_store::queue::{self, Claim};
use chimera_store::suspects::{self, Turn};
use chimera_store::{StoreError, home, ready};
use tokio::time::Instant;

/// What a claim came to.
#[derive(Default)]
pub(super) struct Claimed {
    tasks: Vec<Task>,
    /// There may be more.
    filled: bool,
    /// Ready tasks stay behind that a limit held back: whatever ends or goes on may set one free.
    held_back: bool,
    /// When another claim may find something.
    next: Option<UnixMillis>,
    /// What came of the question for a task that must run alone, if it was asked.
    suspect: Option<Turn>,
}

impl Dispatcher {
    /// Whether a claim may begin as soon as it is wanted.
    pub(super) fn may_claim(&self) -> bool {
        let wanted = self.free() > 0 || self.may_make_room();
        self.claiming.is_idle() && self.context.lease.holds() && wanted
    }

    /// Begins to fill the free slots.
    pub(super) fn claim(&mut self) {
        if !self.claim_wanted || !self.may_claim() || self.claims.left().is_some() {
            return;
        }
        (self.claim_wanted, self.claim_began, self.next_ready) = (false, Some(Instant::now()), None);
        self.heard_since = false;
        let (context, limit) = (self.context.clone(), self.free());
        let alone = self.solo.ask().then(|| self.state());
        let store = context.store.clone();
        self.claiming.begin(async move {
            let claim = move |tx: &mut chimera_store::Tx<'_>| {
                // Here, not before: while this waited for its turn, the lease may have run out.
                if !context.lease.holds() {
                    return Ok(Claimed::default());
                }
                let now = context.clock.now();
                let gates = &context.gates();
                let claim = Claim { owner: context.owner.as_str(), now, limit, gates };
                let home = context.home.as_ref().map(|home| home.name.as_str());
                let suspect =
                    alone.as_ref().map(|state| suspects::claim(tx, &claim, home, state)).transpose()?;
                if limit == 0 || matches!(suspect, Some(Turn::MakeRoom(_) | Turn::Taken(_))) {
                    return Ok(Claimed { suspect, ..Claimed::default() });
                }
                let tasks = match &context.home {
                    None => queue::claim(tx, &claim)?,
                    Some(home) => home::claim(tx, &claim, &home.name)?,
                };
                let filled = tasks.len() >= limit as usize;
                let next = if filled { None } else { queue::next_event_at(tx, now)? };
                let held_back = !filled && gates.count_running() && ready::is_any(tx)?;
                Ok(Claimed { tasks, filled, held_back, next, suspect })
            };
            store.write_in_turn(claim).await
        });
    }

    /// Takes in what a claim came to.
    pub(super) fn claimed(&mut self, claimed: Result<Claimed, StoreError>) {
        match claimed {
            Ok(Claimed { tasks, filled, held_back, next, suspect }) => {
                self.claims.over();
                self.held_back = held_back;
                self.claim_wanted |= held_back && self.heard_since;
                (self.next_ready, self.moved) = (next.filter(|_| !self.draining.is_cancelled()), false);
                self.claim_wanted |= filled;
                tasks.into_iter().for_each(|task| self.start(task));
                if let Some(turn) = suspect {
                    self.suspect_looked_for(turn);
                }
            }
            Err(StoreError::Moved) => {
                self.claims.failed(&StoreError::Moved);
                self.moved();
            }
            Err(err) => {
                self.claim_wanted = true;
                self.claims.failed(&err);
            }
        }
    }

    pub(super) fn start(&mut self, task: Task) {
        let brake = Brake::default();
        let id = task.id.clone();
        told::claimed(&task);
        if task.cancel_requested {
            brake.pull(Stop::Cancelled);
        }
        let alone = task.workflow.is_suspect();
        let deadline = task.time_up().map(|(at, _)| at);
        let worker = work(self.context.clone(), task, brake.clone(), self.solo.phases());
        let handle = self.workers.spawn(worker);
        self.running.insert(handle.id(), Running { task: id, brake, deadline, alone, since: Instant::now() });
    }
}
