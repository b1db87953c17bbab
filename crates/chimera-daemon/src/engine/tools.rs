//! Tools that attempts need and that may be missing: tasks that need them wait, and go on once they are there.

use super::Context;
use chimera_core::Gates;
use chimera_core::gates::MissingTool;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Time between two looks: somebody who has just installed a tool waits for the tasks to go on.
const LOOK: Duration = Duration::from_secs(2);

/// Looks for the tools again and again; never returns.
pub(super) async fn run(context: Arc<Context>) {
    while context.tools.is_some() {
        tokio::time::sleep(LOOK).await;
        context.runner.look_for_tools().await;
    }
    std::future::pending::<()>().await;
}

/// Waits until others are missing than before; for ever where no tools are needed.
pub(super) async fn changed(tools: &mut Option<watch::Receiver<Vec<MissingTool>>>) {
    let still_told = match tools {
        Some(tools) => tools.changed().await.is_ok(),
        None => false,
    };
    if !still_told {
        std::future::pending::<()>().await;
    }
}

impl Context {
    /// The tools that are missing here.
    pub(super) fn missing_tools(&self) -> Vec<MissingTool> {
        self.tools.as_ref().map(|tools| tools.borrow().clone()).unwrap_or_default()
    }

    /// What holds tasks back at the moment: what the configuration says, and what is missing here.
    pub(super) fn gates(&self) -> Arc<Gates> {
        let missing_tools = self.missing_tools();
        if missing_tools.is_empty() {
            return self.settings.gates.clone();
        }
        Arc::new(Gates { missing_tools, ..(*self.settings.gates).clone() })
    }
}
