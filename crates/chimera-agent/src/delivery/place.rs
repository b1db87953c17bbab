//! Where frozen tests live, and what a project's own commands see of them: nothing.
//!
//! A frozen test needs Playwright, a server and a browser, which a project's test runner, linter or build may not have; its coder may
//! not touch it. So it is left out of every copy that a command of the project works on.

use super::bench::Bench;
use super::halt::Halt;
use crate::spec::{E2e, Project};
use crate::workspace::Worktree;
use chimera_core::Digest;
use std::path::Path;

/// Whether a path is one where a project's frozen tests live: directly in its directory, with the name of a test.
pub(super) fn is_place(project: &Project, path: &str) -> bool {
    let name = path.strip_prefix(&project.e2e_dir).and_then(|rest| rest.strip_prefix('/'));
    name.is_some_and(|name| project.e2e.is_test_name(name))
}

/// Where they live, for people.
pub(super) fn places(project: &Project) -> String {
    format!("{}/{}", project.e2e_dir, project.e2e.test_name("*"))
}

/// A copy of a commit for the project's checks or its suite: without the frozen tests of this task and of those before it,
/// and a git repository, as far as they ask.
pub(super) async fn copy_for_commands(
    bench: &Bench<'_>,
    project: &Project,
    worktree: &Worktree,
    commit: &Digest,
    into: &Path,
) -> Result<(), Halt> {
    let base = bench.have("base commit", |have| &have.base_commit)?;
    let mut left_out = worktree.frozen_before(&base, &project.e2e_dir).await?;
    left_out.retain(|path| {
        path.rsplit('/').next().is_some_and(|name| E2e::ALL.iter().any(|e2e| e2e.is_test_name(name)))
    });
    left_out.extend(own(bench));
    worktree.export_without(commit, into, &left_out).await?;
    worktree.with_history(commit, into, &left_out).await?;
    Ok(())
}

/// A copy of a commit to be built and served: without the frozen test of this task, which must not turn green because
/// it is served itself.
pub(super) async fn copy_to_serve(
    bench: &Bench<'_>,
    worktree: &Worktree,
    commit: &Digest,
    into: &Path,
) -> Result<(), Halt> {
    let left_out: Vec<String> = own(bench).into_iter().collect();
    Ok(worktree.export_without(commit, into, &left_out).await?)
}

/// The frozen test of this task, once there is one.
fn own(bench: &Bench<'_>) -> Option<String> {
    bench.workflow().artifacts.test_path.clone()
}
