//! A task's branch in another repository: handed over, or taken up again on another machine.

use super::WorkspaceError;
use super::clone::Format;
use super::git::{Git, digest};
use super::terms::Terms;
use chimera_core::Digest;
use std::path::Path;

/// Another repository, and where the branch was there when it was looked at.
///
/// A push moves the branch from there and from nowhere else. So a daemon that lost its lease in between, was
/// stopped and woke up, cannot push over the work of whoever took over.
#[derive(Debug, Clone)]
pub struct Far {
    url: String,
    seen: Option<Digest>,
}

impl Far {
    /// Looks where the branch is.
    pub(super) async fn look(git: &Git, url: &str, branch: &str) -> Result<Self, WorkspaceError> {
        let wanted = format!("refs/heads/{branch}");
        let heads = git.run("ls-remote", &["ls-remote", "--quiet", "--heads", "--", url, &wanted]).await?;
        let heads = String::from_utf8_lossy(&heads);
        let head = heads.lines().filter_map(|line| line.split_once('\t')).find(|(_, name)| *name == wanted);
        let seen = head.map(|(commit, _)| digest("ls-remote", commit)).transpose()?;
        Ok(Self { url: url.to_owned(), seen })
    }

    /// Puts the branch at a commit, if it still is where it was seen.
    pub(super) async fn push(&self, git: &Git, branch: &str, commit: &Digest) -> Result<(), WorkspaceError> {
        let seen = self.seen.as_ref().map_or("", Digest::as_str);
        let lease = format!("--force-with-lease=refs/heads/{branch}:{seen}");
        let refspec = format!("{commit}:refs/heads/{branch}");
        git.run("push", &["push", "--quiet", "--no-verify", &lease, "--", &self.url, &refspec]).await?;
        Ok(())
    }
}

/// Fetches a task's branch from the repository that the machines share, if that has it.
pub(super) async fn fetch(git: &Git, url: &str, branch: &str) -> Result<(), WorkspaceError> {
    if Far::look(git, url, branch).await?.seen.is_some() {
        let refspec = format!("+refs/heads/{branch}:refs/heads/{branch}");
        let fetch = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--update-shallow"];
        let fetch = [&fetch[..], &["--", url, &refspec]].concat();
        git.run("fetch", &fetch).await?;
    }
    Ok(())
}

/// Makes the shared repository, if it is a path where nothing is yet.
pub(super) async fn make(url: &str, format: Format, terms: &Terms) -> Result<(), WorkspaceError> {
    let path = Path::new(url);
    if path.is_absolute() && !path.exists() {
        std::fs::create_dir_all(path)?;
        let git = Git::in_dir(path, terms);
        git.run("init", &["init", "--quiet", "--bare", format.flag(), "."]).await?;
        // The clones of a shallow repository are shallow.
        git.run("config", &["config", "receive.shallowUpdate", "true"]).await?;
    }
    Ok(())
}
