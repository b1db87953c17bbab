//! CODE_IMPLEMENTATION: have the change made, and commit it.

use super::agents::ask;
use super::bench::Bench;
use super::generate::{load, one_line};
use super::halt::Halt;
use super::told::About;
use super::{place, site, size};
use crate::command::{Answer, Change, Verdict};
use crate::spec::{Project, Protocol, Staging};
use crate::workspace::Worktree;
use crate::{coder, criteria};
use chimera_core::{Digest, EvidenceKind, PhaseOutput, Reason, Role};

pub(super) async fn run(bench: &Bench<'_>) -> Result<PhaseOutput, Halt> {
    let project = bench.project()?;
    let base = bench.have("base commit", |have| &have.base_commit)?;
    let head = bench.have("head of the branch", |have| &have.head_commit)?;
    let test_path = bench.have("frozen test", |have| &have.test_path)?;
    let worktree = bench.checked_out(&project, &head).await?;
    let so_far = worktree.review_diff(&base, &head).await.ok();
    let so_far = so_far.map(|diff| Change::of_patch(&diff, Some(&test_path)));
    change(bench, &project, &worktree, so_far).await?;
    let subject = one_line(&bench.task().request.feature);
    let Some(commit) = bench.commit(&worktree, &subject).await? else {
        let left_out = worktree.left_out().await?;
        let why = place::nothing_new(&left_out, "the coder says it is done, but changed nothing");
        return Err(Halt::failed(Reason::NoChange, why));
    };
    place::keep_left_out(bench, &worktree).await?;
    let frozen = load(bench, &project, &worktree, &commit, test_path).await?;
    size::must_be_reviewable(bench, &worktree, &base, &commit).await?;
    let diff = keep_diff(bench, &worktree, &base, &commit).await?;
    let code_pr_id = format!("local-{}", bench.task().id);
    Ok(PhaseOutput::CodeImplementation { commit, diff, test_sha256: frozen.sha256, code_pr_id })
}

async fn change(
    bench: &Bench<'_>,
    project: &Project,
    worktree: &Worktree,
    so_far: Option<Change>,
) -> Result<(), Halt> {
    let agent = bench.agent(Role::Coder)?;
    match &agent.protocol {
        Protocol::Builtin => scaffold(bench, project, worktree),
        Protocol::Command { .. } => {
            let Answer { verdict, summary, .. } =
                ask(bench, agent, worktree.path(), &About { change: so_far, ..About::default() }).await?;
            match verdict {
                Verdict::Passed => Ok(()),
                Verdict::Disputed => Err(Halt::failed(Reason::TestDisputed, summary)),
                Verdict::Failed | Verdict::Rejected => Err(Halt::failed(Reason::AgentError, summary)),
            }
        }
    }
}

/// The demo coder.
fn scaffold(bench: &Bench<'_>, project: &Project, worktree: &Worktree) -> Result<(), Halt> {
    let Staging::Static { static_dir, build: None } = &project.staging else {
        let why =
            "the built-in coder only scaffolds static sites: give coder-agent a coding agent in [roles]";
        return Err(Halt::failed(Reason::Config, why));
    };
    let request = &bench.task().request;
    let start = site::start_path(&bench.task().request);
    let criteria = if request.acceptance.is_empty() {
        criteria::derive(&request.feature, &start)
    } else {
        criteria::parse_all(&request.acceptance)
            .map_err(|err| Halt::failed(Reason::Config, err.to_string()))?
    };
    let applied = coder::apply(&worktree.path().join(static_dir), &criteria, &request.feature, &start)
        .map_err(|err| Halt::failed(Reason::AgentError, err.to_string()))?;
    let log = bench.log("coder");
    std::fs::create_dir_all(log.parent().unwrap_or(&log))?;
    std::fs::write(&log, format!("{}\n", applied.summary))?;
    bench.keep_file(EvidenceKind::Log, "coder.log", &log);
    Ok(())
}

/// Keeps the whole change as a patch, and gives its hash.
async fn keep_diff(
    bench: &Bench<'_>,
    worktree: &Worktree,
    base: &Digest,
    commit: &Digest,
) -> Result<Digest, Halt> {
    let patch = worktree.patch(base, commit).await?;
    bench.keep_bytes(EvidenceKind::Diff, "change.patch", &patch)?;
    Ok(crate::vault::sha256(&patch))
}
