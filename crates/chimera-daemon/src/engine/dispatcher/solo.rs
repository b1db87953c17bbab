//! A task that may be what crashes daemons runs alone: room is made for it, and nothing begins beside it.

use super::Dispatcher;
use chimera_core::TaskId;
use chimera_store::suspects::Turn;
use tokio_util::sync::CancellationToken;

/// What this daemon does for a task that must run alone.
pub(super) struct Solo {
    /// Such a task waits somewhere.
    waits: bool,
    /// The next claim asks for it: once a heartbeat, and whenever nothing runs any more. Everybody's claims wait meanwhile.
    asks: bool,
    /// The one that runs here, or for which the running phases end.
    task: Option<TaskId>,
    /// Cancelled when no new phase may begin.
    phases: CancellationToken,
    shutdown: CancellationToken,
}

impl Solo {
    pub(super) fn new(shutdown: &CancellationToken) -> Self {
        let phases = shutdown.child_token();
        Self { waits: false, asks: false, task: None, phases, shutdown: shutdown.clone() }
    }

    /// The task for which everything else is put aside.
    pub(super) fn task(&self) -> Option<&TaskId> {
        self.task.as_ref()
    }

    /// Cancelled when no new phase may begin, for whatever begins now.
    pub(super) fn phases(&self) -> CancellationToken {
        self.phases.clone()
    }

    /// Whether the claim that begins now asks for one.
    pub(super) fn ask(&mut self) -> bool {
        std::mem::take(&mut self.asks)
    }

    /// Phases begin one after the other again, and other tasks.
    fn over(&mut self) -> bool {
        // Only then: workers hold the one that was there when they began.
        if self.phases.is_cancelled() {
            self.phases = self.shutdown.child_token();
        }
        self.task.take().is_some()
    }
}

impl Dispatcher {
    /// Tasks that may be begun now. For one that must run alone: none before the others have ended, and none beside it.
    pub(super) fn free(&self) -> u32 {
        match self.solo.task() {
            Some(_) if !self.running.is_empty() => 0,
            _ => self.pool.free(self.running.len()),
        }
    }

    /// Whether a claim is to ask whether this daemon makes room, although it is full.
    pub(super) fn may_make_room(&self) -> bool {
        self.solo.asks && self.solo.task.is_none() && !self.running.is_empty()
    }

    /// A heartbeat has shown whether a task waits that must run alone.
    pub(super) fn suspects_wait(&mut self, wait: bool) {
        (self.solo.waits, self.solo.asks) = (wait, wait);
        self.claim_wanted |= wait;
        // Somebody else took it, or a person did.
        if !wait && !self.running.values().any(|running| running.alone) {
            self.claim_wanted |= self.solo.over();
        }
    }

    /// A worker has ended, which may have been the last one, or the one that ran alone.
    pub(super) fn one_less(&mut self, alone: bool) {
        if alone {
            self.solo.over();
        }
        self.solo.asks |= self.solo.waits && (alone || self.running.is_empty());
        // What others put into the queue meanwhile was left there.
        self.claim_wanted |= alone || self.solo.asks;
    }

    /// A claim has asked for such a task.
    pub(super) fn suspect_looked_for(&mut self, turn: Turn) {
        match turn {
            Turn::Elsewhere | Turn::None => self.claim_wanted |= self.solo.over(),
            Turn::MakeRoom(task) => {
                if self.solo.task.is_none() {
                    tracing::warn!(
                        %task,
                        running = self.running.len(),
                        "makes room for a task that must run alone, as its daemon crashed twice in this phase: running phases end, no new one begins"
                    );
                }
                self.solo.task = Some(task);
                self.solo.phases.cancel();
            }
            Turn::Taken(task) => {
                self.solo.over();
                tracing::warn!(task = %task.id, "runs alone, as its daemon crashed twice in this phase");
                self.solo.task = Some(task.id.clone());
                self.start(*task);
                // The others see at once who does it.
                self.beat();
            }
        }
    }
}
