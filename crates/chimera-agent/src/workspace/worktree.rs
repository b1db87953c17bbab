//! A task's branch: its files to work on, and what its commits hold.

use super::WorkspaceError;
use super::clone::{Clone, Format};
use super::far::Far;
use super::frozen::{self, Committed};
use super::git::Git;
use chimera_core::{Digest, TaskId};
use std::path::{Path, PathBuf};

/// The branch of a task at a commit, and the place for its files.
#[derive(Debug)]
pub struct Worktree {
    clone: Clone,
    pub(super) git: Git,
    path: PathBuf,
    task: TaskId,
    pub(super) at: Digest,
    /// The repository that machines share.
    shared: Option<String>,
    seen: Seen,
    /// Paths that are part of a change even if they look like build outputs.
    pub(super) allowed: Vec<String>,
    /// A file that is part of a commit even if the repository ignores it.
    pub(super) forced: Option<String>,
}

/// Where the branch was at the check-out: it is only moved from there, so that a daemon without its lease moves nothing.
#[derive(Debug, Default)]
struct Seen {
    here: Option<Digest>,
    shared: Option<Far>,
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
    pub(super) fn new(
        clone: Clone,
        git: Git,
        path: PathBuf,
        task: TaskId,
        at: Digest,
        shared: Option<String>,
    ) -> Self {
        Self { clone, git, path, task, at, shared, seen: Seen::default(), allowed: Vec::new(), forced: None }
    }

    /// The same, with these paths part of a change even if they look like build outputs.
    #[must_use]
    pub fn allowing(self, paths: &[String]) -> Self {
        Self { allowed: paths.to_vec(), ..self }
    }

    /// The same, with the file at this path part of a commit even if the repository ignores it.
    #[must_use]
    pub fn forcing(self, path: &str) -> Self {
        Self { forced: Some(path.to_owned()), ..self }
    }

    /// Where the files are, once they are checked out.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The clone with these files, whatever an agent has done to their `.git`.
    pub(super) fn here(&self) -> Git {
        self.git.with_work_tree(&self.path)
    }

    /// Puts the commit's files there, and nothing else: whatever an earlier attempt left is gone, whoever made it.
    ///
    /// They lie in a repository of their own that borrows the clone's objects. An agent finds everything that
    /// git can do; what it sets, hooks or deletes there reaches neither the clone nor another task.
    ///
    /// # Errors
    /// [`WorkspaceError`] if they cannot be written.
    pub async fn check_out(&mut self) -> Result<(), WorkspaceError> {
        let branch = self.task.branch();
        self.seen.here = self.git.head_of(&branch).await?;
        self.seen.shared = match &self.shared {
            Some(url) => Some(Far::look(&self.git, url, &branch).await?),
            None => None,
        };
        crate::remove::tree(&self.path)?;
        self.clear_predecessors();
        std::fs::create_dir_all(&self.path)?;
        self.complete(&self.at).await?;
        let own = self.borrowing(&self.path).await?;
        let reset = own.run("reset", &["reset", "--quiet", "--hard", self.at.as_str()]).await;
        reset.map(drop).map_err(|err| match err {
            // What it lacks, the clone lacks.
            WorkspaceError::Git { action, detail } => self.git.complaint(&action, detail.as_bytes()),
            other => other,
        })
    }

    /// A new repository in this directory, on the task's branch, that borrows the clone's objects.
    pub(super) async fn borrowing(&self, dir: &Path) -> Result<Git, WorkspaceError> {
        let own = Git::in_dir(dir, self.git.terms());
        let (branch, format) = (format!("--initial-branch={}", self.task.branch()), Format::of(&self.at));
        own.run("init", &["init", "--quiet", format.flag(), &branch, "."]).await?;
        self.lend(&dir.join(".git"))?;
        Ok(own)
    }

    /// Fetches what a partial clone lacks of a commit's files, at once instead of one by one.
    async fn complete(&self, commit: &Digest) -> Result<(), WorkspaceError> {
        if self.git.terms().filter().is_none() {
            return Ok(());
        }
        let nothing = self.git.fed("mktree", &["mktree"], Vec::new()).await?;
        let nothing = String::from_utf8_lossy(&nothing);
        let all = ["diff", "--shortstat", "--no-renames", nothing.trim(), commit.as_str(), "--"];
        self.git.run("diff", &all).await.map(drop)
    }

    /// Lets a repository borrow the clone's objects, and see files as the clone does.
    fn lend(&self, own: &Path) -> std::io::Result<()> {
        let mut borrowed = self.git.dir().join("objects").into_os_string();
        borrowed.push("\n");
        std::fs::write(own.join("objects/info/alternates"), borrowed.as_encoded_bytes())?;
        std::fs::create_dir_all(own.join("info"))?;
        for name in ["shallow", "info/attributes"] {
            match std::fs::copy(self.git.dir().join(name), own.join(name)) {
                Err(err) if err.kind() != std::io::ErrorKind::NotFound => return Err(err),
                _ => {}
            }
        }
        Ok(())
    }

    /// Removes the files of earlier holders of the lease, as far as possible: something of theirs may still write.
    fn clear_predecessors(&self) {
        for entry in self.path.parent().into_iter().flat_map(std::fs::read_dir).flatten().flatten() {
            let _ = crate::remove::tree(&entry.path());
        }
    }

    /// As [`Worktree::commit_but`], of everything; `None` if nothing differs.
    ///
    /// # Errors
    /// As there.
    pub async fn commit(
        &self,
        subject: &str,
        trailers: &[(&str, String)],
    ) -> Result<Option<Digest>, WorkspaceError> {
        Ok(self.commit_but(None, subject, trailers).await?.commit)
    }

    /// Commits everything that differs from the commit that was checked out, but for the file at `keep`, which stays as it is.
    ///
    /// What an agent committed, staged or hid from git is of no account: the files are what counts, but for
    /// those that [`Worktree::left_out`] names.
    ///
    /// # Errors
    /// [`WorkspaceError`] if git refuses, or if the branch has moved since the files were checked out.
    pub async fn commit_but(
        &self,
        keep: Option<&str>,
        subject: &str,
        trailers: &[(&str, String)],
    ) -> Result<Committed, WorkspaceError> {
        let scratch = self.scratch()?;
        let git = self.here().with_index(&scratch.path().join("index"));
        git.run("read-tree", &["read-tree", self.at.as_str()]).await?;
        self.dissolve_nested(&git).await?;
        self.add(&git, scratch.path()).await?;
        let restored = frozen::restore(&git, &self.at, keep).await?;
        let tree = git.line("write-tree", &["write-tree"]).await?;
        let before = git.line("rev-parse", &["rev-parse", &format!("{}^{{tree}}", self.at)]).await?;
        if tree == before {
            return Ok(Committed { commit: None, restored });
        }
        let mut message = format!("{subject}\n\n");
        trailers.iter().for_each(|(name, value)| message.push_str(&format!("{name}: {value}\n")));
        let args = ["commit-tree", &tree, "-p", self.at.as_str(), "-m", &message];
        let commit = git.line("commit-tree", &args).await?;
        let commit = self.git.commit_at(&commit).await?;
        self.clone.save(&self.git, &self.task, (&self.at, &commit)).await?;
        let branch = format!("refs/heads/{}", self.task.branch());
        let _lock = self.clone.lock().await?;
        let seen = self.seen.here.as_ref().map_or("", Digest::as_str);
        self.git.run("update-ref", &["update-ref", &branch, commit.as_str(), seen]).await?;
        self.clone.sync()?;
        Ok(Committed { commit: Some(commit), restored })
    }

    /// A directory for an index, which goes with the task's files should it be left behind.
    pub(super) fn scratch(&self) -> std::io::Result<tempfile::TempDir> {
        let place = self.path.parent().unwrap_or(&self.path);
        std::fs::create_dir_all(place)?;
        tempfile::tempdir_in(place)
    }

    /// Hands the branch on to the other machines, if there is a repository that they share.
    ///
    /// # Errors
    /// [`WorkspaceError`] if the repository cannot be reached, or if the branch has moved there since the files were
    /// checked out.
    pub async fn share(&self, commit: &Digest) -> Result<(), WorkspaceError> {
        match &self.seen.shared {
            Some(far) => self.push(far, commit).await,
            None => Ok(()),
        }
    }

    /// Where the branch is in another repository, for a later [`Worktree::push`].
    ///
    /// # Errors
    /// [`WorkspaceError`] if the repository cannot be reached.
    pub async fn seen_at(&self, url: &str) -> Result<Far, WorkspaceError> {
        Far::look(&self.git, url, &self.task.branch()).await
    }

    /// Puts the branch at a commit in another repository. Nothing but that branch changes there.
    ///
    /// # Errors
    /// [`WorkspaceError`] if the repository refuses or cannot be reached, or if the branch has moved there.
    pub async fn push(&self, far: &Far, commit: &Digest) -> Result<(), WorkspaceError> {
        far.push(&self.git, &self.task.branch(), commit).await
    }

    /// The change between two commits as a patch that `git apply` takes, binary files included.
    ///
    /// # Errors
    /// [`WorkspaceError`] if a commit is unknown or the patch too large.
    pub async fn patch(&self, from: &Digest, to: &Digest) -> Result<Vec<u8>, WorkspaceError> {
        let args = ["diff", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "--binary"];
        self.git.run("diff", &[&args[..], &[from.as_str(), to.as_str(), "--"]].concat()).await
    }

    /// The change between two commits for the built-in guardian: without context, without binary content.
    ///
    /// # Errors
    /// [`WorkspaceError`] if a commit is unknown or the diff too large.
    pub async fn review_diff(&self, from: &Digest, to: &Digest) -> Result<Vec<u8>, WorkspaceError> {
        let args = ["diff", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "--unified=0"];
        self.git.run("diff", &[&args[..], &[from.as_str(), to.as_str(), "--"]].concat()).await
    }

    /// The change between two commits for readers: with context, without binary content.
    ///
    /// # Errors
    /// [`WorkspaceError`] if a commit is unknown or the diff too large.
    pub async fn reading_diff(&self, from: &Digest, to: &Digest) -> Result<Vec<u8>, WorkspaceError> {
        let args = ["diff", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames"];
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
        self.export_without(commit, into, &[]).await
    }
}
