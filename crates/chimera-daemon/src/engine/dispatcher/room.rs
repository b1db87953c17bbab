//! Whether the machine has room and tools for more, and what the daemon says of itself.

use super::Dispatcher;
use chimera_core::gates::DaemonState;
use chimera_store::{Tx, ready, roster};

impl Dispatcher {
    /// Sees whether the machine has room for more.
    pub(super) async fn look_at_machine(&mut self) {
        if !self.pool.is_due() {
            return;
        }
        let (most, now) = (self.settings().max_workers, self.context.clock.now());
        let ready = if self.pool.is_automatic() {
            self.context.store.read(move |tx| ready::depth(tx, most, now)).await.unwrap_or_else(|err| {
                tracing::error!(error = %err, "cannot count the tasks that wait");
                0
            })
        } else {
            0
        };
        if self.pool.look(&self.context.machine.strain(), ready, self.running.len()) {
            let (workers, throttled) = (self.pool.workers(), self.pool.throttled());
            tracing::info!(workers, throttled, "the pool changes");
            self.present().await;
        }
    }

    /// Says which tools are missing now; the next claim goes by it.
    pub(super) async fn tools_changed(&self) {
        let missing = self.context.missing_tools();
        if missing.is_empty() {
            tracing::info!("the tools that were missing are there: tasks that waited for them go on");
        }
        for tool in missing {
            tracing::warn!("{}; tasks that need it wait", tool.detail);
        }
        self.present().await;
    }

    /// Says at once what the next heartbeat would say.
    async fn present(&self) {
        let (context, state, now) = (self.context.clone(), self.state(), self.context.clock.now());
        let said = move |tx: &mut Tx<'_>| {
            roster::present(tx, context.owner.as_str(), &state, now, context.settings.lease)
        };
        if let Err(err) = self.context.store.write(said).await {
            tracing::error!(error = %err, "cannot say how this daemon is");
        }
    }

    pub(super) fn state(&self) -> DaemonState {
        DaemonState {
            workers: self.pool.workers(),
            roles: self.settings().gates.roles.clone(),
            throttled: self.pool.throttled().map(str::to_owned),
            missing_tools: self.context.missing_tools(),
        }
    }
}
