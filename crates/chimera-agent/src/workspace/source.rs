//! The repository of a project, as the user has it: what it has, and whether it takes what a delivery gives.

use super::WorkspaceError;
use super::clone::Format;
use super::git::Git;
use super::terms::{SOURCE, Terms, redact};
use crate::spec::Project;
use chimera_core::Digest;
use rustix::fs::{Access, access};
use std::path::{Path, PathBuf};

/// Where the base branch of the project is kept in the clone.
const BASE_REF: &str = "refs/chimera/base";
/// The folder of the branches that are pushed: a branch of this name leaves no room for them.
const FOLDER: &str = "chimera";
/// Branches named in a message.
const SOME: usize = 10;
/// What a server says that will never take a push from this user.
const REFUSALS: [&str; 9] = [
    "403",
    "denied",
    "forbidden",
    "not allowed",
    "not authorized",
    "not permitted",
    "read only",
    "read-only",
    "uthentication failed",
];

/// A project's repository, with what it was seen to have.
#[derive(Debug)]
pub(super) struct Source<'a> {
    project: &'a Project,
    pub(super) format: Format,
}

impl<'a> Source<'a> {
    /// Looks at the repository, from a directory that is in none itself.
    ///
    /// # Errors
    /// [`WorkspaceError::Config`] if it is missing, empty, without the base branch, or has no room for the branches
    /// of tasks.
    pub(super) async fn look(
        nowhere: &Path,
        terms: &Terms,
        project: &'a Project,
    ) -> Result<Self, WorkspaceError> {
        let shown = redact(&project.repo);
        let is_path = Path::new(&project.repo).is_absolute();
        if is_path && !Path::new(&project.repo).exists() {
            return refused(project, &format!("there is no repository at {shown}: set `repo`"));
        }
        let args = ["ls-remote", "--quiet", "--heads", "--", &project.repo];
        let heads = match Git::in_dir(nowhere, terms).run("ls-remote", &args).await {
            Err(WorkspaceError::Git { detail, .. }) if is_path && Path::new(&project.repo).is_dir() => {
                return refused(project, &format!("git cannot read {shown} ({detail}): set `repo`"));
            }
            other => String::from_utf8_lossy(&other?).into_owned(),
        };
        let heads: Vec<(&str, &str)> =
            heads.lines().filter_map(|line| line.split_once("\trefs/heads/")).collect();
        let branch = &project.base_branch;
        let Some((commit, _)) = heads.iter().find(|(_, name)| name == branch) else {
            if heads.is_empty() {
                return refused(
                    project,
                    &format!("{shown} has no commits yet: make a first one on `{branch}`"),
                );
            }
            let some = heads.iter().take(SOME).map(|(_, name)| *name).collect::<Vec<_>>().join(", ");
            return refused(
                project,
                &format!("{shown} has no branch `{branch}` (it has {some}): set `base_branch`"),
            );
        };
        if project.push && heads.iter().any(|(_, name)| *name == FOLDER) {
            let detail = format!(
                "{shown} has a branch `{FOLDER}`, so git cannot take the branch `{FOLDER}/<task>` of a delivery: \
                 rename that branch, or set `push = false`"
            );
            return refused(project, &detail);
        }
        let format = if commit.len() == 64 { Format::Sha256 } else { Format::Sha1 };
        Ok(Self { project, format })
    }

    /// Fetches the base branch and gives its head.
    pub(super) async fn fetch(&self, git: &Git) -> Result<Digest, WorkspaceError> {
        self.fetched(git, &["--update-shallow"]).await
    }

    /// The same, without its history.
    pub(super) async fn glance(&self, git: &Git) -> Result<Digest, WorkspaceError> {
        self.fetched(git, &["--depth=1"]).await
    }

    async fn fetched(&self, git: &Git, how: &[&str]) -> Result<Digest, WorkspaceError> {
        let branch = &self.project.base_branch;
        let refspec = format!("+refs/heads/{branch}:{BASE_REF}/{branch}");
        let args = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head"];
        let filter = git.terms().filter().map(|filter| format!("--filter={filter}"));
        let filter: Vec<&str> = filter.iter().map(String::as_str).collect();
        let from = if filter.is_empty() { &self.project.repo } else { SOURCE };
        git.run("fetch", &[&args[..], how, &filter, &["--", from, &refspec]].concat()).await?;
        git.commit_at(&format!("{BASE_REF}/{branch}")).await
    }

    /// Finds out, as far as can be known without pushing, whether the branch of a task will be taken.
    ///
    /// # Errors
    /// [`WorkspaceError::Config`] if it will not.
    pub(super) async fn takes_branches(&self, git: &Git, base: &Digest) -> Result<(), WorkspaceError> {
        if !self.project.push {
            return Ok(());
        }
        let shown = redact(&self.project.repo);
        let place = Path::new(&self.project.repo);
        if place.is_absolute() {
            let unwritable = unwritable(place, git.terms()).await?;
            return match unwritable {
                None => Ok(()),
                Some(dir) => refused(
                    self.project,
                    &format!(
                        "this user cannot write to {}, so the proven branch cannot be pushed to {shown}: give the \
                     user the right to write there, or set `push = false`",
                        dir.display()
                    ),
                ),
            };
        }
        let refspec = format!("{base}:refs/heads/{FOLDER}/access");
        let args = ["push", "--dry-run", "--quiet", "--no-verify", "--", &self.project.repo, &refspec];
        match git.run("push", &args).await {
            Err(WorkspaceError::Git { detail, .. })
                if REFUSALS.iter().any(|sign| detail.to_lowercase().contains(sign)) =>
            {
                refused(
                    self.project,
                    &format!(
                        "{shown} does not take a push ({detail}): give the daemon's user the right to push, or set \
                     `push = false`"
                    ),
                )
            }
            other => other.map(drop),
        }
    }
}

/// The first directory of a repository on this machine that a push could not write to.
async fn unwritable(place: &Path, terms: &Terms) -> Result<Option<PathBuf>, WorkspaceError> {
    let args = ["rev-parse", "--path-format=absolute", "--git-common-dir"];
    let dir = PathBuf::from(Git::in_dir(place, terms).line("rev-parse", &args).await?);
    let needed = [dir.join("objects"), dir.join("refs/heads")];
    Ok(needed.into_iter().find(|dir| dir.exists() && access(dir, Access::WRITE_OK).is_err()))
}

fn refused<T>(project: &Project, detail: &str) -> Result<T, WorkspaceError> {
    Err(WorkspaceError::Config(format!("project `{}`: {detail}", project.name)))
}
