//! STAGING_DEPLOYMENT: put a commit where a browser can reach it.

use super::agents::ask;
use super::bench::Bench;
use super::generate::load;
use super::halt::Halt;
use super::told::About;
use super::{place, served, trial};
use crate::command::{Verdict, means};
use crate::spec::{Project, Staging};
use crate::staging::{Deploy, Deployment, StagingError};
use crate::workspace::Worktree;
use chimera_core::{Digest, EvidenceKind, PhaseOutput, Reason, Setback};

pub(super) async fn run(bench: &Bench<'_>) -> Result<PhaseOutput, Halt> {
    let project = bench.project()?;
    let head = bench.have("head of the branch", |have| &have.head_commit)?;
    let test_path = bench.have("frozen test", |have| &have.test_path)?;
    let worktree = bench.worktree(&project, &head).await?;
    load(bench, &project, &worktree, &head, test_path).await?;
    if let Staging::Agent { agent, .. } = &project.staging {
        return by_agent(bench, &project, &head, agent).await;
    }
    let change = Commit { project: &project, worktree: &worktree, commit: &head, port: None };
    let deployment = stage_change(bench, change).await?;
    let revision = bench.rooms.staging.revision(&bench.task().id).await?;
    Ok(PhaseOutput::StagingDeployment { url: deployment.url, revision })
}

/// What is to be served.
#[derive(Clone, Copy)]
pub(super) struct Commit<'a> {
    pub(super) project: &'a Project,
    pub(super) worktree: &'a Worktree,
    pub(super) commit: &'a Digest,
    /// Where, if that is free; otherwise at any port.
    pub(super) port: Option<u16>,
}

/// Serves a commit in the task's place of that staging.
pub(super) async fn stage(
    bench: &Bench<'_>,
    staging: &crate::staging::Staging,
    commit: Commit<'_>,
) -> Result<Deployment, Halt> {
    Ok(try_stage(bench, staging, commit).await??)
}

/// Serves the change in the task's place. What cannot be built or started here could be before the change: its coder
/// gets another round.
pub(super) async fn stage_change(bench: &Bench<'_>, change: Commit<'_>) -> Result<Deployment, Halt> {
    let staged = try_stage(bench, &bench.rooms.staging, change).await?;
    staged.map_err(|err| broken_by_the_change(bench, err))
}

/// What it means that the change cannot be served. The same failure twice in a row, but for its numbers, ends the task.
pub(super) fn broken_by_the_change(bench: &Bench<'_>, err: StagingError) -> Halt {
    let (reason, failure) = match &err {
        StagingError::Failed(failure) => (Reason::StagingFailed, failure),
        StagingError::NotReady(failure) => (Reason::StagingUnreachable, failure),
        _ => return err.into(),
    };
    let log = bench.keep_bytes(EvidenceKind::Log, "staging.log", failure.log_end.as_bytes());
    let without_numbers: String = failure.to_string().chars().filter(|c| !c.is_ascii_digit()).collect();
    Halt::rejected(Setback {
        fingerprint: Some(crate::vault::sha256(without_numbers.as_bytes())),
        files: log.into_iter().collect(),
        ..Setback::new(reason, failure.to_string())
    })
}

async fn try_stage(
    bench: &Bench<'_>,
    staging: &crate::staging::Staging,
    Commit { project, worktree, commit, port }: Commit<'_>,
) -> Result<Result<Deployment, StagingError>, Halt> {
    let source = bench.private_dir("staged")?;
    place::copy_to_serve(bench, worktree, commit, &source).await?;
    bench.fenced().await?;
    let deploy = Deploy {
        task: &bench.task().id,
        revision: commit,
        source: &source,
        spec: &project.staging,
        host: project.host.as_deref(),
        port,
        ttl: bench.settings().staging_ttl,
        now: bench.now(),
        log: &bench.log(staging.log_name()),
        environment: &|home| bench.project_environment(home),
    };
    Ok(staging.deploy(deploy, &bench.stop).await)
}

async fn by_agent(
    bench: &Bench<'_>,
    project: &Project,
    head: &Digest,
    name: &str,
) -> Result<PhaseOutput, Halt> {
    let worktree = bench.checked_out(project, head).await?;
    let agent = bench.settings().agents.get(name).ok_or_else(|| {
        Halt::failed(Reason::Config, format!("the deployment agent `{name}` is not configured any more"))
    })?;
    bench.fenced().await?;
    let answer = ask(bench, agent, worktree.path(), &About::default()).await?;
    match (answer.verdict, answer.deployment_url, answer.revision) {
        (Verdict::Passed, Some(url), Some(said)) => {
            let revision = if means(&said, head) {
                head.clone()
            } else {
                Digest::parse(&said)
                    .map_err(|err| Halt::unknown(format!("agent `{name}`: `revision`: {err}")))?
            };
            trial::can_be_judged(project, "deployment_url", &url)?;
            served::must_be(bench, project, &url, head, Some(&revision)).await?;
            Ok(PhaseOutput::StagingDeployment { url, revision })
        }
        (Verdict::Passed, ..) => {
            Err(Halt::unknown(format!("agent `{name}` passed without `deployment_url` and `revision`")))
        }
        (Verdict::Rejected, ..) => Err(Halt::rejected(Setback {
            findings: answer.findings,
            fingerprint: Some(crate::vault::sha256(answer.summary.as_bytes())),
            ..Setback::new(Reason::StagingFailed, answer.summary)
        })),
        _ => Err(Halt::failed(Reason::StagingFailed, answer.summary)),
    }
}
