//! Agents that do nothing, and the tasks that they are asked to do.

use crate::seams::{Clock, Dice};
use anyhow::Result;
use chimera_agent::runner::{Attempt, BoxFuture, Report, Runner};
use chimera_core::{
    Digest, GreenProof, GreenRuns, Outcome, Phase, PhaseOutput, Reason, RedProof, RedRuns, Request, Setback,
    Task, TestReport, TestResult, TestStatus, UnixMillis,
};
use chimera_store::Store;
use chimera_store::submit::{NewTask, accept};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A task for them, made now.
pub(crate) fn task(dice: &Dice) -> NewTask {
    let (now, request) = (Clock::system().now(), Request::new("An empty feature", "http://127.0.0.1/"));
    NewTask { id: dice.task_id(now), request, project: "bench".to_owned(), now, idempotency: None }
}

/// Submits a task.
pub(super) async fn put(store: Store, task: NewTask) -> Result<()> {
    accept(&store, task).await?;
    Ok(())
}

/// Does nothing, and tells when a task began, or was continued after its daemon was gone, and when it ended.
pub(super) struct Empty {
    pub(super) started: mpsc::UnboundedSender<Instant>,
    pub(super) ended: mpsc::UnboundedSender<()>,
    /// How long each phase does nothing.
    pub(super) lasting: Duration,
}

impl Runner for Empty {
    fn run(&self, attempt: Attempt, stop: CancellationToken) -> BoxFuture<'_, Report> {
        if attempt.task.phase() == Phase::E2eTestGeneration || attempt.task.workflow.crashes > 0 {
            let _ = self.started.send(Instant::now());
        }
        let failed = || Outcome::Failed(Setback::new(Reason::Config, "the empty agent made no proof"));
        let outcome = nothing(attempt.task.phase()).map_or_else(failed, |output| Outcome::Passed { output });
        if self.lasting.is_zero() {
            return Box::pin(std::future::ready(outcome.into()));
        }
        Box::pin(async move {
            tokio::select! {
                () = stop.cancelled() => Outcome::Interrupted.into(),
                () = tokio::time::sleep(self.lasting) => outcome.into(),
            }
        })
    }

    fn finished<'a>(&'a self, _task: &'a Task) -> BoxFuture<'a, ()> {
        let _ = self.ended.send(());
        Box::pin(std::future::ready(()))
    }
}

/// What an empty phase produces.
pub(crate) fn nothing(phase: Phase) -> Option<PhaseOutput> {
    let digest = |digit: &str| Digest::parse(&digit.repeat(64)).ok();
    let at = UnixMillis(0);
    let report = |status| TestReport { tests: vec![TestResult::new("empty", status, 1)], error: None };
    let failed = report(TestStatus::AssertionFailed);
    let runs = RedRuns { base: &failed, blank: &failed, error: &failed };
    let red = RedProof::judge(&runs, digest("a")?, digest("b")?, at).ok()?;
    Some(match phase {
        Phase::E2eTestGeneration => PhaseOutput::E2eTestGeneration {
            test_path: "tests/e2e/test_empty.py".to_owned(),
            test_sha256: digest("a")?,
            base_commit: digest("b")?,
            test_commit: digest("c")?,
            red,
            target_run: "unreachable".to_owned(),
        },
        Phase::CodeImplementation => PhaseOutput::CodeImplementation {
            commit: digest("d")?,
            diff: digest("e")?,
            test_sha256: digest("a")?,
            code_pr_id: "local-empty".to_owned(),
            restored: false,
        },
        Phase::GuardianReview => PhaseOutput::GuardianReview { commit: digest("d")? },
        Phase::StagingDeployment => {
            PhaseOutput::StagingDeployment { url: "http://127.0.0.1/".to_owned(), revision: digest("d")? }
        }
        Phase::E2eValidation => {
            let passes = [report(TestStatus::Passed), report(TestStatus::Passed)];
            let runs = GreenRuns { passes: &passes, base_again: &failed };
            PhaseOutput::E2eValidation {
                green: GreenProof::judge(&red, &runs, 2, digest("a")?, digest("d")?, at).ok()?,
            }
        }
        Phase::Complete | Phase::Failed => return None,
    })
}
