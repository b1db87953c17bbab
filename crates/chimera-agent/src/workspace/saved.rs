//! The commits of tasks a second time, beside the clone: a damaged clone is made anew with them.

use super::WorkspaceError;
use super::clone::sync_dir;
use super::git::Git;
use chimera_core::Digest;
use std::path::{Path, PathBuf};

/// Where the commits of a branch (`refs/heads/chimera/<task>`) are saved.
pub(super) fn place(saved: &Path, branch: &str) -> PathBuf {
    saved.join(branch.rsplit('/').next().unwrap_or(branch))
}

/// Saves what a commit adds to its parent. Of a change that is too large for that there is one copy only.
pub(super) async fn save(
    git: &Git,
    saved: &Path,
    branch: &str,
    (parent, commit): (&Digest, &Digest),
) -> Result<(), WorkspaceError> {
    let wanted = format!("{commit}\n^{parent}\n").into_bytes();
    let pack = match git.fed("pack-objects", &["pack-objects", "--quiet", "--revs", "--stdout"], wanted).await
    {
        Err(WorkspaceError::TooLarge { .. }) => return Ok(()),
        other => other?,
    };
    let dir = place(saved, branch);
    std::fs::create_dir_all(&dir)?;
    let mut draft = tempfile::NamedTempFile::new_in(&dir)?;
    std::io::Write::write_all(&mut draft, &pack)?;
    draft.as_file().sync_all()?;
    draft.persist(dir.join(format!("{commit}.pack"))).map_err(|err| err.error)?;
    sync_dir(&dir)?;
    sync_dir(saved)?;
    Ok(())
}

/// Puts a branch into a clone from what was saved of it; whether that was all of it.
pub(super) async fn restore(
    git: &Git,
    saved: &Path,
    branch: &str,
    commit: &str,
) -> Result<bool, WorkspaceError> {
    let dir = place(saved, branch);
    let Ok(commit) = Digest::parse(commit) else { return Ok(false) };
    if !dir.is_dir() {
        return Ok(false);
    }
    for entry in std::fs::read_dir(&dir)? {
        let pack = std::fs::read(entry?.path())?;
        // One that is damaged itself gives nothing, which the end shows.
        let _ = git.fed("unpack-objects", &["unpack-objects", "-q"], pack).await;
    }
    let all = ["rev-list", "--objects", "--quiet", commit.as_str(), "--not", "--glob=refs/chimera/*"];
    if git.run("rev-list", &all).await.is_err() {
        return Ok(false);
    }
    git.run("update-ref", &["update-ref", branch, commit.as_str()]).await.map(|_| true)
}
