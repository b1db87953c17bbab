//! Copies of a commit for the commands of its project.

use super::WorkspaceError;
use super::litter::paths;
use super::worktree::Worktree;
use chimera_core::Digest;
use std::path::Path;

/// Paths given to one run of git: far below what a command line takes.
const PATHS_AT_A_TIME: usize = 500;
/// The trailer by which the daemon's commits of frozen tests are known, squashed or not.
const FREEZES: &str = "^Chimera-Phase: E2E_TEST_GENERATION";

impl Worktree {
    /// The files directly in `dir` that commits of frozen tests have added, in the history of this commit. Those
    /// that were removed since are among them.
    ///
    /// # Errors
    /// [`WorkspaceError`] if the commit is unknown.
    pub async fn frozen_before(&self, commit: &Digest, dir: &str) -> Result<Vec<String>, WorkspaceError> {
        let wanted = format!("--grep={FREEZES}");
        let what = ["log", "-z", "--format=", "--name-only", "--no-renames", "--diff-filter=A", &wanted];
        let out = self.git.run("log", &[&what[..], &[commit.as_str(), "--", dir]].concat()).await?;
        let mut added = paths(&out);
        added.retain(|path| path.rsplit_once('/').is_some_and(|(parent, _)| parent == dir));
        Ok(added)
    }

    /// Writes the files of a commit into an existing empty directory, without anything of git. `left_out` are paths
    /// of files that are not written; they need not be in the commit.
    ///
    /// # Errors
    /// [`WorkspaceError`] if the commit is unknown or the directory cannot be written.
    pub async fn export_without(
        &self,
        commit: &Digest,
        into: &Path,
        left_out: &[String],
    ) -> Result<(), WorkspaceError> {
        let scratch = self.scratch()?;
        let git = self.git.with_work_tree(into).with_index(&scratch.path().join("index"));
        git.run("read-tree", &["read-tree", commit.as_str()]).await?;
        for some in left_out.chunks(PATHS_AT_A_TIME) {
            git.run("update-index", &with(&["update-index", "--force-remove", "--"], some)).await?;
        }
        git.run("checkout-index", &["checkout-index", "--all", "--quiet"]).await?;
        Ok(())
    }

    /// Makes such a copy a repository of its own, which borrows the clone's objects: its `HEAD` is the commit, with
    /// the history before it, and what was left out counts as unchanged.
    ///
    /// # Errors
    /// [`WorkspaceError`] if the commit is unknown or the directory cannot be written.
    pub async fn with_history(
        &self,
        commit: &Digest,
        copy: &Path,
        left_out: &[String],
    ) -> Result<(), WorkspaceError> {
        let own = self.borrowing(copy).await?;
        own.run("update-ref", &["update-ref", "--no-deref", "HEAD", commit.as_str()]).await?;
        own.run("read-tree", &["read-tree", commit.as_str()]).await?;
        for some in left_out.chunks(PATHS_AT_A_TIME) {
            let there = own.run("ls-files", &with(&["ls-files", "-z", "--"], some)).await?;
            let there = paths(&there);
            if !there.is_empty() {
                own.run("update-index", &with(&["update-index", "--skip-worktree", "--"], &there)).await?;
            }
        }
        Ok(())
    }
}

/// A command with paths after it.
fn with<'a>(command: &[&'a str], paths: &'a [String]) -> Vec<&'a str> {
    command.iter().copied().chain(paths.iter().map(String::as_str)).collect()
}
