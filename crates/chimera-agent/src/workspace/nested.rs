//! Repositories that an agent's tools have made inside of the task's files.
//!
//! What an agent does with git is of no account, the files are. Git itself would commit the name of a commit in
//! their place, or refuse if there is none yet.

use super::WorkspaceError;
use super::git::Git;
use super::litter::litter_dir;
use super::worktree::Worktree;
use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

impl Worktree {
    /// Takes what makes a directory a repository away from those that the commit does not know as submodules.
    pub(super) async fn dissolve_nested(&self, git: &Git) -> Result<(), WorkspaceError> {
        let mut found = Vec::new();
        nested(self.path(), self.path(), &mut found)?;
        if found.is_empty() {
            return Ok(());
        }
        let known = git.run("ls-files", &["ls-files", "-z", "--stage"]).await?;
        // `160000 <commit> 0<tab><path>`
        let known: BTreeSet<&[u8]> = known
            .split(|byte| *byte == 0)
            .filter(|line| line.starts_with(b"160000 "))
            .filter_map(|line| line.splitn(2, |byte| *byte == b'\t').nth(1))
            .collect();
        for dir in found {
            if !known.contains(dir.as_os_str().as_bytes()) {
                tracing::info!(dir = %dir.display(), "a repository in the task's files: its files are taken");
                let inner = self.path().join(&dir).join(".git");
                if inner.is_dir() { crate::remove::tree(&inner)? } else { std::fs::remove_file(&inner)? }
            }
        }
        Ok(())
    }
}

/// The directories below `dir` that have a `.git`, relative to `root`; what no change takes in is not looked into.
fn nested(root: &Path, dir: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    // Git says itself what it cannot read.
    let Ok(entries) = std::fs::read_dir(dir) else { return Ok(()) };
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        let relative = path.strip_prefix(root).unwrap_or(&path);
        if entry.file_name() == ".git" {
            found.extend(
                relative.parent().filter(|parent| !parent.as_os_str().is_empty()).map(Path::to_owned),
            );
        } else if entry.file_type()?.is_dir() && litter_dir(&relative.to_string_lossy()).is_none() {
            nested(root, &path, found)?;
        }
    }
    Ok(())
}
