//! GUARDIAN_REVIEW: every reviewer looks at a snapshot of the head, and all must approve.

use super::agents::ask;
use super::bench::Bench;
use super::generate::load;
use super::halt::{Halt, review_setback};
use super::place;
use super::snapshot::Snapshot;
use super::told::About;
use crate::command::{Answer, Verdict, means};
use crate::guardian;
use crate::spec::{Agent, Project, Protocol};
use crate::workspace::Worktree;
use chimera_core::{Digest, EvidenceKind, Finding, PhaseOutput, Reason, Role, Severity};
use std::path::Path;

/// What the project's checks printed, among the evidence.
const CHECKS_LOG: &str = "checks.log";

pub(super) async fn run(bench: &Bench<'_>) -> Result<PhaseOutput, Halt> {
    let project = bench.project()?;
    let head = bench.have("head of the branch", |have| &have.head_commit)?;
    let worktree = bench.worktree(&project, &head).await?;
    let test_path = bench.have("frozen test", |have| &have.test_path)?;
    load(bench, &project, &worktree, &head, test_path).await?;
    let (mut findings, mut summaries, mut checks_passed) = (Vec::new(), Vec::new(), false);
    for agent in bench.agents(Role::Guardian)? {
        let opinion = opinion(bench, &project, &worktree, agent, (&head, checks_passed)).await?;
        checks_passed |= opinion.approved && agent.protocol == Protocol::Builtin;
        if !opinion.approved {
            summaries.push(format!("{}: {}", agent.name, opinion.summary));
        }
        findings.extend(opinion.findings);
    }
    bench.keep_bytes(EvidenceKind::Review, "review.json", &serde_json::to_vec_pretty(&findings)?)?;
    if summaries.is_empty() {
        return Ok(PhaseOutput::GuardianReview { commit: head });
    }
    let mut setback = review_setback(summaries.join("; "), findings);
    setback.files = bench.kept(|name| name == "review.json" || name == CHECKS_LOG);
    Err(Halt::rejected(setback))
}

struct Opinion {
    approved: bool,
    summary: String,
    findings: Vec<Finding>,
}

/// What one reviewer says of the head, seen in a snapshot of its own that is thrown away.
async fn opinion(
    bench: &Bench<'_>,
    project: &Project,
    worktree: &Worktree,
    agent: &Agent,
    (head, checks_passed): (&Digest, bool),
) -> Result<Opinion, Halt> {
    let snapshot = bench.private_dir(&format!("review-{}", agent.name))?;
    let opinion = match &agent.protocol {
        Protocol::Builtin => {
            place::copy_for_commands(bench, project, worktree, head, &snapshot).await?;
            checks(bench, project, worktree, head, &snapshot).await
        }
        Protocol::Command { .. } => {
            worktree.export(head, &snapshot).await?;
            review(bench, agent, worktree, (head, checks_passed), &snapshot).await
        }
    };
    crate::remove::tree(&snapshot)?;
    opinion
}

/// A command agent's look at the snapshot, with the change as a patch beside it.
async fn review(
    bench: &Bench<'_>,
    agent: &Agent,
    worktree: &Worktree,
    (head, checks_passed): (&Digest, bool),
    snapshot: &Path,
) -> Result<Opinion, Halt> {
    let base = bench.have("base commit", |have| &have.base_commit)?;
    let patch = worktree.reading_diff(&base, head).await?;
    let locked = Snapshot::lock(snapshot)?;
    let about = About { patch: Some(&patch), checks_passed, ..About::default() };
    let answer = ask(bench, agent, snapshot, &about).await;
    let changed = locked.changed()?;
    locked.unlock()?;
    if let Some(path) = changed {
        return Err(Halt::unknown(format!(
            "agent `{}` changed `{path}` in the copy that it reviewed: its verdict is about something else",
            agent.name
        )));
    }
    read(agent, answer?, head)
}

/// The deterministic checks.
async fn checks(
    bench: &Bench<'_>,
    project: &Project,
    worktree: &Worktree,
    head: &Digest,
    snapshot: &Path,
) -> Result<Opinion, Halt> {
    let base = bench.have("base commit", |have| &have.base_commit)?;
    let test_path = bench.have("frozen test", |have| &have.test_path)?;
    let test_sha256 = bench.have("hash of the frozen test", |have| &have.test_sha256)?;
    let at_head = worktree.file_at(head, &test_path).await?;
    let diff = worktree.review_diff(&base, head).await?;
    let mut environment = bench.project_environment(&bench.private_dir("checks-home")?);
    environment.extend([("CHIMERA_BASE_COMMIT".to_owned(), base.to_string())]);
    let log = bench.log("checks");
    let review = guardian::Review {
        diff: &diff,
        frozen_path: &test_path,
        frozen_sha256: &test_sha256,
        frozen_at_head: at_head.as_deref(),
        project,
        snapshot,
        log: &log,
        timeout: bench.attempt.timeout,
        environment,
    };
    let verdict = guardian::review(&review, &bench.stop).await?;
    if log.exists() {
        bench.keep_file(EvidenceKind::Log, CHECKS_LOG, &log);
    }
    Ok(Opinion { approved: verdict.approved(), summary: verdict.summary, findings: verdict.findings })
}

fn read(agent: &Agent, answer: Answer, head: &Digest) -> Result<Opinion, Halt> {
    let Answer { verdict, summary, findings, commit, .. } = answer;
    if let Some(other) = commit.filter(|commit| !means(commit, head)) {
        return Err(Halt::unknown(format!(
            "agent `{}` speaks of commit {other}, but it was shown {head}",
            agent.name
        )));
    }
    let blocking = findings.iter().any(|finding| finding.severity == Severity::Error);
    match verdict {
        Verdict::Passed => Ok(Opinion { approved: !blocking, summary, findings }),
        Verdict::Rejected => Ok(Opinion { approved: false, summary, findings }),
        Verdict::Failed => {
            Err(Halt::failed(Reason::AgentError, format!("agent `{}`: {summary}", agent.name)))
        }
        Verdict::Disputed => Err(Halt::unknown(format!(
            "agent `{}` answered `disputed`, which is no verdict of a reviewer",
            agent.name
        ))),
    }
}
