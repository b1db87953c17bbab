//! Git: one clone per project, one working tree and branch per task.
//!
//! The daemon works in bare clones of its own; the user's checkout is never touched, but for one branch that is
//! pushed to its repository. Map: [`Workspaces`] keeps the clones, [`Worktree`] is a task's branch: its
//! files to work on and answers about its commits, `copy` writes copies for the project's commands, `far` is that branch in other repositories, `git` runs the
//! program with settings that no repository can change.

mod copy;
mod far;
mod git;
mod worktree;

pub use far::Far;
pub use worktree::{Change, Worktree};

use crate::spec::Project;
use chimera_core::{Digest, TaskId};
use git::Git;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Where the base branch of the project is kept in the clone.
const BASE_REF: &str = "refs/chimera/base";

/// All clones and worktrees of a data directory.
#[derive(Debug, Clone)]
pub struct Workspaces {
    repositories: PathBuf,
    worktrees: PathBuf,
    /// The repository that machines share, with `{project}` for the project's name.
    shared: Option<String>,
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
        Ok(Self { repositories, worktrees, shared: None })
    }

    /// The same, with the branches of all tasks handed on to other machines through this repository, a path or a
    /// URL in which `{project}` stands for the name of the project.
    #[must_use]
    pub fn sharing(self, remote: Option<String>) -> Self {
        Self { shared: remote, ..self }
    }

    /// Brings the clone of a project up to date and gives the head of its base branch.
    ///
    /// # Errors
    /// [`WorkspaceError::Config`] if the repository is missing, empty, or without the base branch.
    pub async fn prepare(&self, project: &Project) -> Result<Digest, WorkspaceError> {
        let _lock = self.lock(&project.name).await?;
        let git = self.clone_of(project).await?;
        let branch = &project.base_branch;
        check_remote(&git, project).await?;
        let refspec = format!("+refs/heads/{branch}:{BASE_REF}/{branch}");
        git.run(
            "fetch",
            &["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--", &project.repo, &refspec],
        )
        .await?;
        git.commit_at(&format!("{BASE_REF}/{branch}")).await
    }

    /// Makes the repository of a scratch project, with these files as its first commit, if there is none.
    ///
    /// # Errors
    /// [`WorkspaceError`] if it cannot be made.
    pub async fn scratch(&self, project: &Project, files: &[(&str, &[u8])]) -> Result<(), WorkspaceError> {
        let place = PathBuf::from(&project.repo);
        let _lock = self.lock(&project.name).await?;
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
        let git = Git::in_dir(draft.path());
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
        let _lock = self.lock(&project.name).await?;
        let git = self.clone_of(project).await?;
        let shared = self.shared.as_ref().map(|url| url.replace("{project}", &project.name));
        if let Some(url) = &shared {
            far::make(url).await?;
        }
        if !git.has(at).await {
            if let Some(url) = &shared {
                far::fetch(&git, url, &task.branch()).await?;
            }
            if !git.has(at).await {
                return Err(elsewhere(at, shared.is_some()));
            }
        }
        // Each holder has a place of its own: what a predecessor left running finds its files gone, not ours.
        let place = self.worktrees.join(task.as_str());
        Ok(Worktree::new(git, place.join(epoch.to_string()), task.clone(), at.clone(), shared))
    }

    /// Removes the files of a task that has ended; its branch stays in the clone.
    ///
    /// # Errors
    /// If something of them cannot be removed.
    pub fn remove(&self, task: &TaskId) -> std::io::Result<()> {
        let path = self.worktrees.join(task.as_str());
        if path.exists() { std::fs::remove_dir_all(path) } else { Ok(()) }
    }

    /// Removes the branch of a task from the clone of its project, if there is one. Its commits stay until
    /// somebody collects garbage there.
    ///
    /// # Errors
    /// [`WorkspaceError`] if git refuses.
    pub async fn forget(&self, project: &str, task: &TaskId) -> Result<(), WorkspaceError> {
        let dir = self.repositories.join(format!("{project}.git"));
        let branch = format!("refs/heads/{}", task.branch());
        // Nothing packs references in there: a branch is a file.
        if !dir.join(&branch).exists() {
            return Ok(());
        }
        let _lock = self.lock(project).await?;
        Git::bare(&dir).run("update-ref", &["update-ref", "-d", &branch]).await.map(drop)
    }

    async fn clone_of(&self, project: &Project) -> Result<Git, WorkspaceError> {
        let dir = self.repositories.join(format!("{}.git", project.name));
        if !dir.join("HEAD").exists() {
            std::fs::create_dir_all(&dir)?;
            Git::in_dir(&dir).run("init", &["init", "--quiet", "--bare", "."]).await?;
        }
        Ok(Git::bare(&dir))
    }

    /// One at a time per project, in this process and others: git's own locks fail instead of waiting.
    async fn lock(&self, project: &str) -> Result<File, WorkspaceError> {
        let path = self.repositories.join(format!("{project}.lock"));
        let locked = tokio::task::spawn_blocking(move || {
            let file = File::options().create(true).append(true).open(path)?;
            file.lock()?;
            Ok::<File, std::io::Error>(file)
        });
        Ok(locked.await.map_err(std::io::Error::other)??)
    }
}

/// The commit that a task goes on from is not to be had here.
fn elsewhere(commit: &Digest, shared: bool) -> WorkspaceError {
    let place = if shared { "nor in the repository of `git.remote`" } else { "and `git.remote` is not set" };
    WorkspaceError::Config(format!(
        "commit {commit} of the task's branch is not on this machine, {place}: start the daemon whose data directory has it, or retry \
         the task from E2E_TEST_GENERATION"
    ))
}

/// Whether the repository is there and has the base branch.
async fn check_remote(git: &Git, project: &Project) -> Result<(), WorkspaceError> {
    let (repo, branch) = (&project.repo, &project.base_branch);
    let config =
        |detail: String| Err(WorkspaceError::Config(format!("project `{}`: {detail}", project.name)));
    let is_path = Path::new(repo).is_absolute();
    if is_path && !Path::new(repo).exists() {
        return config(format!("there is no repository at {repo}: mend `repo`"));
    }
    let heads = match git.run("ls-remote", &["ls-remote", "--quiet", "--heads", "--", repo]).await {
        Ok(heads) => heads,
        Err(WorkspaceError::Git { detail, .. }) if is_path => {
            return config(format!("{repo} is no git repository ({detail}): mend `repo`"));
        }
        Err(err) => return Err(err),
    };
    let heads = String::from_utf8_lossy(&heads).into_owned();
    let names: Vec<&str> =
        heads.lines().filter_map(|line| line.split_once("refs/heads/")).map(|(_, n)| n).collect();
    if names.is_empty() {
        return config(format!("{repo} has no commits yet: make a first one on `{branch}`"));
    }
    if !names.contains(&branch.as_str()) {
        /// Branches named in the message.
        const SOME: usize = 10;
        let some = names.into_iter().take(SOME).collect::<Vec<_>>().join(", ");
        return config(format!("{repo} has no branch `{branch}` (it has {some}): set `base_branch`"));
    }
    Ok(())
}
