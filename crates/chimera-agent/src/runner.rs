//! The seam between the engine and everything it sets in motion.

use chimera_core::{Evidence, Outcome, Task, Usage};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// One execution of one phase, handed to a [`Runner`].
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The task with its lease; `task.workflow.phase` says what to do, `task.workflow.attempt` numbers it.
    pub task: Task,
    /// The hard limit of the attempt; the runner ends itself with a transient outcome when it is reached.
    pub timeout: Duration,
}

/// What came of an attempt. An agent's failure is data in here, no Rust error.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// What the state machine gets to see.
    pub outcome: Outcome,
    /// The files that prove it, already in the vault.
    pub evidence: Vec<Evidence>,
    /// What the agents say they used.
    pub usage: Usage,
}

impl From<Outcome> for Report {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, evidence: Vec::new(), usage: Usage::default() }
    }
}

/// A boxed future that can be sent between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Carries out attempts: the real [`crate::delivery`], or a script in the tests of the engine.
pub trait Runner: Send + Sync + 'static {
    /// Carries out one attempt. When `stop` is cancelled (the lease is lost, the task cancelled, the daemon
    /// shutting down) every process of the attempt is ended and the outcome is `Interrupted`.
    fn run(&self, attempt: Attempt, stop: CancellationToken) -> BoxFuture<'_, Report>;

    /// Tidies up after a task that has ended: called at least once, maybe again after a crash.
    fn finished<'a>(&'a self, task: &'a Task) -> BoxFuture<'a, ()>;
}
