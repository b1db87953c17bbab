//! STAGING_DEPLOYMENT: put a commit where a browser can reach it.

use super::agents::ask;
use super::bench::Bench;
use super::generate::load;
use super::halt::Halt;
use super::told::About;
use super::{place, served, trial};
use crate::command::Verdict;
use crate::spec::{Project, Staging};
use crate::staging::{Deploy, Deployment};
use crate::workspace::Worktree;
use chimera_core::{Digest, PhaseOutput, Reason};

pub(super) async fn run(bench: &Bench<'_>) -> Result<PhaseOutput, Halt> {
    let project = bench.project()?;
    let head = bench.have("head of the branch", |have| &have.head_commit)?;
    let test_path = bench.have("frozen test", |have| &have.test_path)?;
    let worktree = bench.worktree(&project, &head).await?;
    load(bench, &project, &worktree, &head, test_path).await?;
    if let Staging::Agent { agent, .. } = &project.staging {
        return by_agent(bench, &project, &head, agent).await;
    }
    let deployment = stage(bench, &bench.rooms.staging, &project, &worktree, &head, None).await?;
    let revision = bench.rooms.staging.revision(&bench.task().id).await?;
    Ok(PhaseOutput::StagingDeployment { url: deployment.url, revision })
}

/// Serves a commit in the task's place of that staging, at this port if that is given and free.
pub(super) async fn stage(
    bench: &Bench<'_>,
    staging: &crate::staging::Staging,
    project: &Project,
    worktree: &Worktree,
    commit: &Digest,
    port: Option<u16>,
) -> Result<Deployment, Halt> {
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
    Ok(staging.deploy(deploy, &bench.stop).await?)
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
        (Verdict::Passed, Some(url), Some(revision)) => {
            trial::can_be_judged(project, "deployment_url", &url)?;
            served::must_be(bench, project, &url, head, Some(&revision)).await?;
            Ok(PhaseOutput::StagingDeployment { url, revision })
        }
        (Verdict::Passed, ..) => {
            Err(Halt::unknown(format!("agent `{name}` passed without `deployment_url` and `revision`")))
        }
        _ => Err(Halt::failed(Reason::StagingFailed, answer.summary)),
    }
}
