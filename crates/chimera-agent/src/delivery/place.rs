//! Where frozen tests live, what a project's own commands see of them (nothing), and what does not become part of a commit.
//!
//! A frozen test needs Playwright, a server and a browser, which a project's test runner, linter or build may not have; its coder may
//! not touch it. So it is left out of every copy that a command of the project works on.

use super::bench::Bench;
use super::halt::Halt;
use crate::spec::{E2e, Project};
use crate::workspace::{LeftOut, Worktree};
use chimera_core::{Digest, EvidenceKind};
use std::path::Path;

/// The note on what was left out of the coder's last commit.
const LEFT_OUT: &str = "left-out.log";
/// Paths of each kind that a list of what was left out names.
const SHOWN: usize = 20;

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

/// Why there is nothing to commit: the sentence, and what there is that a commit leaves out.
pub(super) fn nothing_new(left_out: &LeftOut, sentence: &str) -> String {
    match told(left_out) {
        None => sentence.to_owned(),
        Some(told) => format!("{sentence} that is part of the repository. {told}"),
    }
}

/// Keeps the names of what was left out of the commit: as evidence, and for the coder's next round.
pub(super) async fn keep_left_out(bench: &Bench<'_>, worktree: &Worktree) -> Result<(), Halt> {
    let told = told(&worktree.left_out().await?);
    if let Some(told) = &told {
        bench.keep_bytes(EvidenceKind::Log, "left-out.txt", told.as_bytes())?;
    }
    let note = bench.note(LEFT_OUT);
    std::fs::create_dir_all(note.parent().unwrap_or(&note))?;
    Ok(std::fs::write(note, told.unwrap_or_default())?)
}

/// What was left out of the coder's last commit, if that was made on this machine.
pub(super) fn last_left_out(bench: &Bench<'_>) -> Option<String> {
    std::fs::read_to_string(bench.note(LEFT_OUT)).ok().filter(|told| !told.is_empty())
}

/// What is left out of a change, and why; `None` if nothing is.
fn told(left_out: &LeftOut) -> Option<String> {
    let list = |why: &str, paths: &[String]| {
        let more = paths.len().saturating_sub(SHOWN);
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        let shown = paths.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
        (!paths.is_empty()).then(|| format!("{why}: {shown}{more}."))
    };
    let ignored =
        list("These files are ignored by a .gitignore and not part of the change", &left_out.ignored);
    let outputs = list("These are build outputs or caches and not part of the change", &left_out.outputs);
    let mut told = [ignored, outputs].into_iter().flatten().collect::<Vec<_>>().join(" ");
    chimera_core::limits::truncate(&mut told, chimera_core::limits::SUMMARY_BYTES);
    (!told.is_empty()).then_some(told)
}
