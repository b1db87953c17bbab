//! Asking a command agent, and what its answer or silence means.

use super::bench::Bench;
use super::halt::Halt;
use crate::command::{Answer, Ask, Assignment, Limits, Trouble};
use crate::spec::{Agent, Project, Protocol};
use chimera_core::{Digest, EvidenceKind, Reason};
use std::path::Path;

/// Runs a command agent in `dir` and gives its answer; whatever is no readable answer halts.
pub(super) async fn ask(bench: &Bench<'_>, agent: &Agent, dir: &Path) -> Result<Answer, Halt> {
    ask_about(bench, agent, dir, None).await
}

/// The same, about a change: the agent is told where its patch lies.
pub(super) async fn ask_about(
    bench: &Bench<'_>,
    agent: &Agent,
    dir: &Path,
    diff_path: Option<&Path>,
) -> Result<Answer, Halt> {
    let Protocol::Command { argv } = &agent.protocol else {
        return Err(Halt::failed(Reason::Config, format!("{} is no command agent", agent.name)));
    };
    bench.asks(Some(&agent.name));
    let log = bench.log(&agent.name);
    let private = bench.private_dir(&agent.name)?;
    let ask = Ask {
        argv,
        dir,
        private: &private,
        log: &log,
        let_through: &agent.env,
        environment: &bench.settings().environment,
        timeout: agent.timeout.unwrap_or(bench.attempt.timeout),
        stall: agent.stall,
    };
    let project = bench.project()?;
    let answered = crate::command::ask(&ask, &assignment(bench, &project, diff_path), &bench.stop).await;
    bench.keep_file(EvidenceKind::Log, &format!("{}.log", agent.name), &log);
    match &answered {
        Ok(Answer { usage, .. }) | Err(Trouble::NotNow { usage, .. }) => bench.used(*usage),
        Err(_) => (),
    }
    answered.map_err(|trouble| halted(agent, &trouble))
}

fn assignment<'a>(bench: &'a Bench<'_>, project: &'a Project, diff_path: Option<&'a Path>) -> Assignment<'a> {
    let (task, have) = (bench.task(), &bench.workflow().artifacts);
    let feedback = bench.workflow().feedback.as_ref();
    Assignment {
        task_id: task.id.as_str(),
        phase: task.phase(),
        attempt: bench.workflow().attempt,
        lease_epoch: task.lease.as_ref().map_or(0, |lease| lease.epoch),
        feature: &task.request.feature,
        target_url: &task.request.target_url,
        staging_url: task.request.staging_url.as_deref(),
        acceptance: &task.request.acceptance,
        e2e: project.e2e.as_str(),
        e2e_dir: &project.e2e_dir,
        test_path: have.test_path.as_deref(),
        findings: feedback.map_or(&[], |feedback| &feedback.findings),
        failure_report: feedback.map(|feedback| feedback.summary.as_str()),
        base_commit: have.base_commit.as_ref().map(Digest::as_str),
        head_commit: have.head_commit.as_ref().map(Digest::as_str),
        diff_path,
        limits: Limits {
            timeout_seconds: bench.attempt.timeout.as_secs(),
            max_diff_lines: project.max_diff_lines,
        },
    }
}

fn halted(agent: &Agent, trouble: &Trouble) -> Halt {
    let why = format!("agent `{}`: {trouble}", agent.name);
    match trouble {
        Trouble::NotNow { retry_after, .. } => Halt::not_now(why, *retry_after),
        Trouble::Stopped => Halt::interrupted(),
        Trouble::NoRoom(_) => Halt::no_room(why),
        Trouble::NotStarted(_) => Halt::failed(Reason::Config, why),
        Trouble::Missing | Trouble::Unreadable(_) | Trouble::TooLarge => Halt::unknown(why),
        Trouble::Exit(_) | Trouble::Signal(_) | Trouble::TimedOut | Trouble::Stalled | Trouble::Flooded => {
            Halt::transient(Reason::AgentError, why)
        }
    }
}
