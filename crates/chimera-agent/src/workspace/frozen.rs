//! A file that stays as it is, whatever an agent has done to it.

use super::WorkspaceError;
use super::git::Git;
use chimera_core::Digest;

/// What became of an attempt's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The commit; `None` if nothing differs from the commit that was checked out.
    pub commit: Option<Digest>,
    /// Set if the frozen file was changed or removed, and left as it was in the commit: what had become of it, if it
    /// still was a file.
    pub restored: Option<Option<Vec<u8>>>,
}

/// Puts a file back into the index as it is in a commit, if it differs there. Gives what had become of it, if it did: its
/// content, if it still was a plain file.
///
/// # Errors
/// [`WorkspaceError`] if git refuses.
pub(super) async fn restore(
    git: &Git,
    commit: &Digest,
    path: Option<&str>,
) -> Result<Option<Option<Vec<u8>>>, WorkspaceError> {
    let Some(path) = path else { return Ok(None) };
    let literal = format!(":(literal){path}");
    // `:old-mode new-mode old-id new-id status`
    let raw = ["diff-index", "--cached", "--no-renames", "--abbrev=64", commit.as_str(), "--", &literal];
    let line = git.line("diff-index", &raw).await?;
    let fields: Vec<&str> = line.lines().next().unwrap_or_default().split([':', ' ']).collect();
    let [_, mode, new_mode, id, new_id, ..] = fields[..] else { return Ok(None) };
    let now = if new_mode.starts_with("100") {
        Some(git.run("cat-file", &["cat-file", "blob", new_id]).await?)
    } else {
        None
    };
    let entry = format!("{mode},{id},{path}");
    git.run("update-index", &["update-index", "--add", "--replace", "--cacheinfo", &entry]).await?;
    Ok(Some(now))
}
