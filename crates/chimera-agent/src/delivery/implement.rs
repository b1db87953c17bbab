//! CODE_IMPLEMENTATION: have the change made, and commit it.

use super::agents::ask;
use super::bench::Bench;
use super::generate::{load, one_line};
use super::halt::Halt;
use super::told::About;
use super::{place, site, size};
use crate::command::{Answer, Change, Verdict};
use crate::spec::{Agent, Project, Protocol, Staging};
use crate::workspace::{Committed, LeftOut, Worktree};
use crate::{coder, criteria};
use chimera_core::{Digest, EvidenceKind, PhaseOutput, Reason, Role, Setback};

pub(super) async fn run(bench: &Bench<'_>) -> Result<PhaseOutput, Halt> {
    let project = bench.project()?;
    let base = bench.have("base commit", |have| &have.base_commit)?;
    let head = bench.have("head of the branch", |have| &have.head_commit)?;
    let test_path = bench.have("frozen test", |have| &have.test_path)?;
    let worktree = bench.checked_out(&project, &head).await?;
    let so_far = worktree.review_diff(&base, &head).await.ok();
    let so_far = so_far.map(|diff| Change::of_patch(&diff, Some(&test_path)));
    let said = change(bench, &project, &worktree, so_far).await?;
    let subject = one_line(&bench.task().request.feature);
    let Committed { commit, restored } = bench.commit(&worktree, &subject, Some(&test_path)).await?;
    if let Some(Some(changed)) = &restored {
        bench.keep_bytes(EvidenceKind::Log, "frozen-test-as-changed.txt", changed)?;
    }
    let restored = restored.is_some();
    let Some(commit) = commit else {
        let left_out = worktree.left_out().await?;
        return Err(unchanged(bench, restored, &left_out, &said));
    };
    place::keep_left_out(bench, &worktree).await?;
    let frozen = load(bench, &project, &worktree, &commit, test_path).await?;
    size::must_be_reviewable(bench, &worktree, &base, &commit).await?;
    let diff = keep_diff(bench, &worktree, &base, &commit).await?;
    let code_pr_id = format!("local-{}", bench.task().id);
    let test_sha256 = frozen.sha256;
    Ok(PhaseOutput::CodeImplementation { commit, diff, test_sha256, code_pr_id, restored })
}

/// There is nothing to go on with: the coder is told so, unless it would do the same again.
fn unchanged(bench: &Bench<'_>, restored: bool, left_out: &LeftOut, said: &str) -> Halt {
    let what = if restored {
        "changed nothing but the frozen test, which was restored: it stays as it is"
    } else {
        "changed nothing"
    };
    let why = place::nothing_new(left_out, &format!("the coder says it is done, but {what}"));
    let why = format!("{why}; it said: {said}");
    let setback = Setback::new(Reason::NoChange, why);
    match bench.agent(Role::Coder) {
        Ok(Agent { protocol: Protocol::Builtin, .. }) => Halt::failed_with(setback),
        _ => Halt::rejected(setback),
    }
}

/// Has the change made, and gives what the coder says of it.
async fn change(
    bench: &Bench<'_>,
    project: &Project,
    worktree: &Worktree,
    so_far: Option<Change>,
) -> Result<String, Halt> {
    let agent = bench.agent(Role::Coder)?;
    match &agent.protocol {
        Protocol::Builtin => scaffold(bench, project, worktree),
        Protocol::Command { .. } => {
            let Answer { verdict, summary, .. } =
                ask(bench, agent, worktree.path(), &About { change: so_far, ..About::default() }).await?;
            match verdict {
                Verdict::Passed => Ok(summary),
                Verdict::Disputed => Err(Halt::failed(Reason::TestDisputed, summary)),
                Verdict::Failed | Verdict::Rejected => Err(Halt::failed(Reason::AgentError, summary)),
            }
        }
    }
}

/// The demo coder.
fn scaffold(bench: &Bench<'_>, project: &Project, worktree: &Worktree) -> Result<String, Halt> {
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
    Ok(applied.summary)
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
