//! What a repository can have that the daemon does not bring along: submodules and files in Git LFS.

use super::git::Git;
use super::{Part, WorkspaceError};
use crate::process::Exit;
use crate::spec::Project;
use chimera_core::Digest;

/// Paths named in a message.
const SOME: usize = 5;

/// Refuses a commit with contents that no copy of it would have, unless the project can do without.
///
/// # Errors
/// [`WorkspaceError::Config`] naming what there is, and the remedy.
pub(super) async fn check(git: &Git, project: &Project, commit: &Digest) -> Result<(), WorkspaceError> {
    for part in Part::ALL {
        if project.git.without.contains(&part) {
            continue;
        }
        let found = match part {
            Part::Submodules => submodules(git, commit).await?,
            Part::Lfs => lfs(git, commit).await?,
        };
        if found.is_empty() {
            continue;
        }
        let names = found.iter().take(SOME).map(String::as_str).collect::<Vec<_>>().join(", ");
        let (name, what, instead) = match part {
            Part::Submodules => (part.as_str(), "submodules", "their directories are empty"),
            Part::Lfs => (part.as_str(), "files in Git LFS", "they hold pointers"),
        };
        return Err(WorkspaceError::Config(format!(
            "project `{}`: `{}` has {what} ({names}), which the daemon does not fetch: in all copies, {instead}. If \
             the application can be built, served and tested like that, set `without = [\"{name}\"]`",
            project.name, project.base_branch
        )));
    }
    Ok(())
}

/// Where submodules are.
async fn submodules(git: &Git, commit: &Digest) -> Result<Vec<String>, WorkspaceError> {
    let path = "^[[:space:]]*path[[:space:]]*=";
    let found = grep(git, &["-h", "-e", path, commit.as_str(), "--", ".gitmodules"]).await?;
    Ok(found.lines().filter_map(|line| Some(line.split_once('=')?.1.trim().to_owned())).collect())
}

/// Files that are pointers, where attributes say that there may be some.
async fn lfs(git: &Git, commit: &Digest) -> Result<Vec<String>, WorkspaceError> {
    let attributes = ["-l", "-e", "filter=lfs", commit.as_str(), "--", ".gitattributes", "*/.gitattributes"];
    if grep(git, &attributes).await?.is_empty() {
        return Ok(Vec::new());
    }
    let pointers = ["-l", "-e", "^version https://git-lfs.github.com/spec/v1$", commit.as_str()];
    let found = grep(git, &pointers).await?;
    Ok(found.lines().filter_map(|line| Some(line.split_once(':')?.1.to_owned())).collect())
}

/// What `git grep` prints; nothing if nothing is found.
async fn grep(git: &Git, args: &[&str]) -> Result<String, WorkspaceError> {
    let asked = git.ask("grep", &[&["grep"], args].concat(), Vec::new()).await?;
    match asked.exit {
        Exit::Code(0) => Ok(String::from_utf8_lossy(&asked.out).into_owned()),
        Exit::Code(1) if asked.err.is_empty() => Ok(String::new()),
        _ => Err(git.complaint("grep", &asked.err)),
    }
}
