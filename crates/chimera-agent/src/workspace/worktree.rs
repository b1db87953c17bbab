//! A task's place to work, and what its commits hold.

use super::WorkspaceError;
use super::git::Git;
use chimera_core::{Digest, TaskId};
use std::path::{Path, PathBuf};

/// A worktree on the branch of a task.
#[derive(Debug)]
pub struct Worktree {
    git: Git,
    path: PathBuf,
    task: TaskId,
    at: Digest,
}

/// A file that differs between two commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its path in the repository.
    pub path: String,
    /// Whether it is a plain file afterwards: not deleted, no link, no other repository.
    pub plain: bool,
}

impl Worktree {
    pub(super) fn new(git: Git, path: PathBuf, task: TaskId, at: Digest) -> Self {
        Self { git, path, task, at }
    }

    /// Where the files are.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The clone with this worktree's files, whatever an agent has done to its `.git`.
    fn here(&self) -> Git {
        self.git.with_work_tree(self.git.dir(), &self.path)
    }

    /// Sets an existing worktree back to its commit.
    pub(super) async fn reset(&self) -> Result<(), WorkspaceError> {
        let admin = self.git.dir().join("worktrees").join(self.task.as_str());
        for lock in ["index.lock", "HEAD.lock"] {
            // A killed git leaves its locks behind; ours is the only one that works here.
            let _ = std::fs::remove_file(admin.join(lock));
        }
        std::fs::write(self.path.join(".git"), format!("gitdir: {}\n", admin.display()))?;
        let git = self.git.with_work_tree(&admin, &self.path);
        let branch = format!("refs/heads/{}", self.task.branch());
        git.run("update-ref", &["update-ref", &branch, self.at.as_str()]).await?;
        git.run("symbolic-ref", &["symbolic-ref", "HEAD", &branch]).await?;
        git.run("reset", &["reset", "--quiet", "--hard", self.at.as_str()]).await?;
        git.run("clean", &["clean", "--quiet", "-ffdx"]).await?;
        Ok(())
    }

    /// Makes the worktree anew, whatever is left of an earlier one.
    pub(super) async fn remake(&self, admin: &Path) -> Result<(), WorkspaceError> {
        for left in [self.path.as_path(), admin] {
            if left.exists() {
                std::fs::remove_dir_all(left)?;
            }
        }
        let branch = self.task.branch();
        let path = self.path.as_os_str();
        let args = ["worktree", "add", "--quiet", "--force", "-B", &branch].map(std::ffi::OsStr::new);
        let args = [&args[..], &[path, std::ffi::OsStr::new(self.at.as_str())]].concat();
        self.git.run("worktree add", &args).await?;
        Ok(())
    }

    /// Commits everything that differs from the commit the worktree started at; `None` if nothing does.
    ///
    /// What an agent committed, staged or hid from git is of no account: the files are what counts, but for
    /// those that the repository's `.gitignore` leaves out.
    ///
    /// # Errors
    /// [`WorkspaceError`] if git refuses.
    pub async fn commit(
        &self,
        subject: &str,
        trailers: &[(&str, String)],
    ) -> Result<Option<Digest>, WorkspaceError> {
        let scratch = tempfile::tempdir_in(self.git.dir())?;
        let git = self.here().with_index(&scratch.path().join("index"));
        git.run("read-tree", &["read-tree", self.at.as_str()]).await?;
        git.run("add", &["add", "--all"]).await?;
        let tree = git.line("write-tree", &["write-tree"]).await?;
        let before = git.line("rev-parse", &["rev-parse", &format!("{}^{{tree}}", self.at)]).await?;
        if tree == before {
            return Ok(None);
        }
        let mut message = format!("{subject}\n\n");
        trailers.iter().for_each(|(name, value)| message.push_str(&format!("{name}: {value}\n")));
        let args = ["commit-tree", &tree, "-p", self.at.as_str(), "-m", &message];
        let commit = git.line("commit-tree", &args).await?;
        let branch = format!("refs/heads/{}", self.task.branch());
        git.run("update-ref", &["update-ref", &branch, &commit]).await?;
        self.git.commit_at(&commit).await.map(Some)
    }

    /// The change between two commits as a patch that `git apply` takes, binary files included.
    ///
    /// # Errors
    /// [`WorkspaceError`] if a commit is unknown or the patch too large.
    pub async fn patch(&self, from: &Digest, to: &Digest) -> Result<Vec<u8>, WorkspaceError> {
        let args = ["diff", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "--binary"];
        self.git.run("diff", &[&args[..], &[from.as_str(), to.as_str(), "--"]].concat()).await
    }

    /// The change between two commits for a reviewer: without context, without binary content.
    ///
    /// # Errors
    /// [`WorkspaceError`] if a commit is unknown or the diff too large.
    pub async fn review_diff(&self, from: &Digest, to: &Digest) -> Result<Vec<u8>, WorkspaceError> {
        let args = ["diff", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "--unified=0"];
        self.git.run("diff", &[&args[..], &[from.as_str(), to.as_str(), "--"]].concat()).await
    }

    /// The files that differ between two commits.
    ///
    /// # Errors
    /// [`WorkspaceError`] if a commit is unknown.
    pub async fn changed_files(&self, from: &Digest, to: &Digest) -> Result<Vec<Change>, WorkspaceError> {
        let args = ["diff-tree", "-r", "-z", "--no-renames", from.as_str(), to.as_str()];
        let out = self.git.run("diff-tree", &args).await?;
        let mut fields = out.split(|byte| *byte == 0).map(String::from_utf8_lossy);
        let mut changes = Vec::new();
        while let (Some(raw), Some(path)) = (fields.next(), fields.next()) {
            // `:old-mode new-mode old-id new-id status`
            let mode = raw.split(' ').nth(1).unwrap_or_default();
            let plain = mode.starts_with("100");
            changes.push(Change { path: path.into_owned(), plain });
        }
        Ok(changes)
    }

    /// The content of a plain file in a commit; `None` if there is no such file.
    ///
    /// # Errors
    /// [`WorkspaceError`] if the commit is unknown or the file too large.
    pub async fn file_at(&self, commit: &Digest, path: &str) -> Result<Option<Vec<u8>>, WorkspaceError> {
        let entry =
            self.git.line("ls-tree", &["ls-tree", "--full-tree", commit.as_str(), "--", path]).await?;
        let mut fields = entry.split_whitespace();
        match (fields.next(), fields.next(), fields.next()) {
            (Some(mode), Some("blob"), Some(id)) if mode.starts_with("100") => {
                self.git.run("cat-file", &["cat-file", "blob", id]).await.map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Writes the files of a commit into an existing empty directory, without anything of git.
    ///
    /// # Errors
    /// [`WorkspaceError`] if the commit is unknown or the directory cannot be written.
    pub async fn export(&self, commit: &Digest, into: &Path) -> Result<(), WorkspaceError> {
        let scratch = tempfile::tempdir_in(self.git.dir())?;
        let git = self.git.with_work_tree(self.git.dir(), into).with_index(&scratch.path().join("index"));
        git.run("read-tree", &["read-tree", commit.as_str()]).await?;
        git.run("checkout-index", &["checkout-index", "--all", "--quiet"]).await?;
        Ok(())
    }
}
