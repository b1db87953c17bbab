//! Whether the machine has room and tools for more, and what the daemon says of itself.

use super::Dispatcher;
use chimera_core::gates::DaemonState;
use chimera_store::{StoreError, ready};

impl Dispatcher {
    /// Sees whether the machine has room for more.
    pub(super) fn look_at_machine(&mut self) {
        if !self.pool.is_due() {
            return;
        }
        if !self.pool.is_automatic() {
            return self.take_in(0);
        }
        self.pool.put_off();
        if self.counting.is_idle() {
            let (store, now) = (self.context.store.clone(), self.context.clock.now());
            let most = self.settings().max_workers;
            self.counting.begin(async move { store.read_apart(move |tx| ready::depth(tx, most, now)).await });
        }
    }

    /// The tasks that wait have been counted, for a pool that follows them.
    pub(super) fn counted(&mut self, ready: Result<u32, StoreError>) {
        match ready {
            Ok(ready) => self.take_in(ready),
            // The claim that fails as well says so.
            Err(err) => tracing::debug!(error = %err, "cannot count the tasks that wait"),
        }
    }

    fn take_in(&mut self, ready: u32) {
        if self.pool.look(&self.context.machine.strain(), ready, self.running.len()) {
            let (workers, throttled) = (self.pool.workers(), self.pool.throttled());
            tracing::info!(workers, throttled, "the pool changes");
            self.claim_wanted = true;
            // Says at once what the next heartbeat would say.
            self.beat();
        }
    }

    /// Says which tools are missing now; the next claim goes by it.
    pub(super) fn tools_changed(&mut self) {
        let missing = self.context.missing_tools();
        if missing.is_empty() {
            tracing::info!("the tools that were missing are there: tasks that waited for them go on");
        }
        for tool in missing {
            tracing::warn!("{}; tasks that need it wait", tool.detail);
        }
        self.claim_wanted = true;
        self.beat();
    }

    pub(super) fn state(&self) -> DaemonState {
        DaemonState {
            workers: self.pool.workers(),
            roles: self.settings().gates.roles.clone(),
            throttled: self.pool.throttled().map(str::to_owned),
            missing_tools: self.context.missing_tools(),
            alone_for: self.solo.task().cloned(),
        }
    }
}
