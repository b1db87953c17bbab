//! The seam between the engine and everything it sets in motion.

use chimera_core::gates::MissingTool;
use chimera_core::{Evidence, Outcome, Task, TaskId, Usage};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// One execution of one phase, handed to a [`Runner`].
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The task with its lease; `task.workflow.phase` says what to do, `task.workflow.attempt` numbers it.
    pub task: Task,
    /// The hard limit of the attempt; the runner ends itself with a transient outcome when it is reached.
    pub timeout: Duration,
    /// Asked right before anything is done that others can see: a commit, a push, a deployment.
    pub fence: Fence,
}

/// Tells whether an attempt may still act: its lease has not been lost.
///
/// A process that was stopped for a while learns here that others have taken over, before it does harm. What
/// happens between the answer and the act is for the act itself to notice: a branch is only ever moved from
/// where it was seen.
#[derive(Clone)]
pub struct Fence(Arc<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>);

impl Fence {
    /// A fence that asks this.
    pub fn new(ask: impl Fn() -> BoxFuture<'static, bool> + Send + Sync + 'static) -> Self {
        Self(Arc::new(ask))
    }

    /// For attempts that nobody could take over.
    pub fn open() -> Self {
        Self::new(|| Box::pin(std::future::ready(true)))
    }

    /// Whether the lease holds now.
    pub async fn holds(&self) -> bool {
        (self.0)().await
    }
}

impl fmt::Debug for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fence")
    }
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
    /// The agent whose trouble it is, if the outcome is an agent's trouble.
    pub agent: Option<String>,
}

impl From<Outcome> for Report {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, evidence: Vec::new(), usage: Usage::default(), agent: None }
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

    /// The tasks of which working files lie here, whatever became of them: those that have ended are tidied up after, also
    /// if they ended without a worker, after a crash, or on another machine.
    fn leftovers(&self) -> BoxFuture<'_, Vec<TaskId>> {
        Box::pin(std::future::ready(Vec::new()))
    }

    /// The tools that are missing here, as of the last look; `None` if attempts need none.
    fn tools(&self) -> Option<watch::Receiver<Vec<MissingTool>>> {
        None
    }

    /// Looks for the tools again.
    fn look_for_tools(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}
