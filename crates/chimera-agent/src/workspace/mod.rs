//! Git: one clone per project, one working tree and branch per task.
//!
//! The daemon works in bare clones of its own; the user's checkout is never touched, but for one branch that is
//! pushed to its repository. Map: [`Workspaces`] keeps the clones, each a `clone`, of what a `source` has;
//! `saved` has the tasks' commits a second time. [`Worktree`] is a task's branch: its files to work on and answers
//! about its commits, `frozen` keeps a file as it was, `copy` writes copies for the project's commands, `litter` knows what is no part of a change,
//! `far` is that branch in other repositories. `git` runs the program on `terms` that no repository can change:
//! settings, environment, time.

mod clone;
mod contents;
mod copy;
mod far;
mod frozen;
mod git;
mod litter;
mod nested;
mod options;
mod saved;
mod size;
mod source;
mod terms;
mod worktree;

pub use far::Far;
pub use frozen::Committed;
pub use litter::LeftOut;
pub(crate) use litter::litter_dir;
pub use options::{Credentials, Options, Part};
pub use size::Size;
pub use worktree::{Change, Worktree};

use crate::scratch::Scratch;
use crate::spec::Project;
use chimera_core::{Digest, TaskId};
use clone::{Clone, Format};
use git::Git;
use source::Source;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use terms::Terms;
use tokio_util::sync::CancellationToken;

/// All clones and worktrees of a data directory.
#[derive(Debug, Clone)]
pub struct Workspaces {
    repositories: PathBuf,
    worktrees: PathBuf,
    /// The repository that machines share, with `{project}` for the project's name.
    shared: Option<String>,
    terms: Terms,
}

/// Git could not do it.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// The repository or its configuration does not allow it; trying again does not help.
    #[error("{0}")]
    Config(String),
    /// Git failed: the network, a lock, the disk. The same again may work.
    #[error("git {action} failed: {detail}")]
    Git {
        /// What was tried.
        action: String,
        /// What git said.
        detail: String,
    },
    /// Something in the daemon's clone is damaged; the next attempt begins with its repair.
    #[error("git {action} failed: the clone is damaged and will be made anew: {detail}")]
    Damaged {
        /// What was tried.
        action: String,
        /// What git said.
        detail: String,
    },
    /// More output than is kept: the change is too large.
    #[error("git {action} failed: more than {bytes} bytes of output")]
    TooLarge {
        /// What was tried.
        action: String,
        /// How many bytes would have been kept.
        bytes: u64,
    },
    /// The attempt was stopped.
    #[error("git was stopped")]
    Stopped,
    /// Git could not be started: descriptors, processes or memory are used up.
    #[error("cannot start git: {0}")]
    Start(#[source] std::io::Error),
    /// A file could not be read or written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl Workspaces {
    /// The clones and worktrees of a data directory.
    ///
    /// # Errors
    /// If its directories cannot be created.
    pub fn new(data_dir: &Path) -> Result<Self, WorkspaceError> {
        let (repositories, worktrees) = (data_dir.join("repositories"), data_dir.join("worktrees"));
        std::fs::create_dir_all(&repositories)?;
        std::fs::create_dir_all(&worktrees)?;
        let terms = Terms::new(&repositories)?;
        Ok(Self { repositories, worktrees, shared: None, terms })
    }

    /// The same, with the branches of all tasks handed on to other machines through this repository, a path or a
    /// URL in which `{project}` stands for the name of the project.
    #[must_use]
    pub fn sharing(self, remote: Option<String>) -> Self {
        Self { shared: remote, ..self }
    }

    /// The same, with what this environment says of the way to hosts and keys: proxies, certificates, `PATH`, the
    /// agent of ssh.
    #[must_use]
    pub fn with_environment(self, environment: &BTreeMap<String, String>) -> Self {
        Self { terms: self.terms.with_environment(environment), ..self }
    }

    /// The same, until this: then every command of git ends at once, with [`WorkspaceError::Stopped`].
    #[must_use]
    pub fn until(&self, stop: &CancellationToken) -> Self {
        Self { terms: self.terms.clone().until(stop.clone()), ..self.clone() }
    }

    /// Brings the clone of a project up to date and gives the head of its base branch.
    ///
    /// What would stand in the way at the end of a delivery is found here, before anything is paid for.
    ///
    /// # Errors
    /// [`WorkspaceError::Config`] if the repository is missing, empty, without the base branch, has contents that the
    /// daemon does not fetch, or would not take the branch of a task.
    pub async fn prepare(&self, project: &Project) -> Result<Digest, WorkspaceError> {
        let clone = self.clone_of(project);
        let source = Source::look(&self.repositories, &clone.terms, project).await?;
        let _lock = clone.lock().await?;
        let git = clone.open(source.format).await?;
        let base = match source.fetch(&git).await {
            Err(WorkspaceError::Damaged { .. }) => {
                clone.make_anew(&source).await?;
                source.fetch(&git).await?
            }
            other => other?,
        };
        contents::check(&git, project, &base).await?;
        source.takes_branches(&git, &base).await?;
        clone.sync()?;
        Ok(base)
    }

    /// Makes the repository of a scratch project, with these files as its first commit, if there is none.
    ///
    /// # Errors
    /// [`WorkspaceError`] if it cannot be made.
    pub async fn scratch(&self, project: &Project, files: &[(&str, &[u8])]) -> Result<(), WorkspaceError> {
        let place = PathBuf::from(&project.repo);
        let _lock = self.clone_of(project).lock().await?;
        if place.exists() {
            return Ok(());
        }
        let parent = place.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(parent)?;
        // Made beside its place and moved there, so that it is whole or not there.
        let draft = tempfile::tempdir_in(parent)?;
        for (name, bytes) in files {
            let file = draft.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap_or(draft.path()))?;
            std::fs::write(file, bytes)?;
        }
        let git = Git::in_dir(draft.path(), &self.terms);
        git.run("init", &["init", "--quiet", &format!("--initial-branch={}", project.base_branch)]).await?;
        git.run("add", &["add", "--all"]).await?;
        git.run("commit", &["commit", "--quiet", "--message=Begin"]).await?;
        std::fs::rename(draft.keep(), place)?;
        Ok(())
    }

    /// The branch of a task, at this commit, for the holder of the lease of that epoch. A commit that another
    /// machine made is fetched from the shared repository.
    ///
    /// # Errors
    /// [`WorkspaceError::Config`] if the commit is nowhere to be had.
    pub async fn worktree(
        &self,
        project: &Project,
        task: &TaskId,
        epoch: i64,
        at: &Digest,
    ) -> Result<Worktree, WorkspaceError> {
        let clone = self.clone_of(project);
        let _lock = clone.lock().await?;
        let git = clone.open(Format::of(at)).await?;
        let shared = self.shared.as_ref().map(|url| url.replace("{project}", &project.name));
        if let Some(url) = &shared {
            far::make(url, Format::of(at), &clone.terms).await?;
        }
        if !clone.has(&git, project, at).await? {
            if let Some(url) = &shared {
                far::fetch(&git, url, &task.branch()).await?;
            }
            if !git.has(at).await? {
                return Err(elsewhere(at, shared.is_some()));
            }
        }
        // Each holder has a place of its own: what a predecessor left running finds its files gone, not ours.
        let place = self.worktrees.join(task.as_str());
        let place = place.join(epoch.to_string());
        Ok(Worktree::new(clone, git, place, task.clone(), at.clone(), shared))
    }

    /// Removes the files of a task that has ended; its branch stays in the clone.
    ///
    /// # Errors
    /// If something of them cannot be removed.
    pub fn remove(&self, task: &TaskId) -> std::io::Result<()> {
        crate::remove::tree(&self.worktrees.join(task.as_str()))
    }

    /// Removes the branch of a task from the clone of its project, if there is one. Its commits stay until
    /// somebody collects garbage there.
    ///
    /// # Errors
    /// [`WorkspaceError`] if git refuses.
    pub async fn forget(&self, project: &str, task: &TaskId) -> Result<(), WorkspaceError> {
        let clone = Clone::named(&self.repositories, project, &self.terms);
        clone.forget(task).await
    }

    fn clone_of(&self, project: &Project) -> Clone {
        Clone::new(&self.repositories, project, &self.terms)
    }
}

/// Says what stands in the way of deliveries to a project: as [`Workspaces::prepare`] would, but with the newest
/// commit only, in a temporary directory, and with nothing kept.
///
/// # Errors
/// As [`Workspaces::prepare`].
pub async fn check(project: &Project, environment: &BTreeMap<String, String>) -> Result<(), WorkspaceError> {
    let place = Scratch::system().dir()?;
    let terms = Terms::new(place.path())?.with_environment(environment);
    let clone = Clone::new(place.path(), project, &terms);
    let source = Source::look(place.path(), &clone.terms, project).await?;
    let git = clone.open(source.format).await?;
    let base = source.glance(&git).await?;
    contents::check(&git, project, &base).await?;
    source.takes_branches(&git, &base).await
}

/// The commit that a task goes on from is not to be had here.
fn elsewhere(commit: &Digest, shared: bool) -> WorkspaceError {
    let place = if shared { "nor in the repository of `git.remote`" } else { "and `git.remote` is not set" };
    WorkspaceError::Config(format!(
        "commit {commit} of the task's branch is not on this machine, {place}: start the daemon whose data directory has it, or retry \
         the task from E2E_TEST_GENERATION"
    ))
}
