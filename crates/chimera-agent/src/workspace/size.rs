//! How large a change is, before anybody reads it.

use super::WorkspaceError;
use super::worktree::Worktree;
use chimera_core::Digest;
use std::collections::BTreeMap;

/// What a change amounts to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Size {
    /// Bytes of all changed files, before and after.
    pub bytes: u64,
    /// Changed files.
    pub files: usize,
    /// The folders (or files) at the top of the repository with the bytes of their changed files, largest first.
    pub largest: Vec<(String, u64)>,
}

impl Worktree {
    /// How large the change between two commits is. Nothing of its content is read.
    ///
    /// # Errors
    /// [`WorkspaceError`] if a commit is unknown.
    pub async fn size(&self, from: &Digest, to: &Digest) -> Result<Size, WorkspaceError> {
        let args = ["diff-tree", "-r", "-z", "--no-renames", "--no-abbrev", from.as_str(), to.as_str()];
        let out = self.git.run("diff-tree", &args).await?;
        let mut fields = out.split(|byte| *byte == 0).map(String::from_utf8_lossy);
        let (mut changed, mut wanted) = (Vec::new(), String::new());
        while let (Some(raw), Some(path)) = (fields.next(), fields.next()) {
            // `:old-mode new-mode old-id new-id status`
            let ids: Vec<String> = raw.split(' ').skip(2).take(2).map(str::to_owned).collect();
            let top = path.split_once('/').map_or(path.to_string(), |(folder, _)| format!("{folder}/"));
            ids.iter().for_each(|id| wanted.push_str(&format!("{id}\n")));
            changed.push((top, ids));
        }
        let sizes = self.git.fed(
            "cat-file",
            &["cat-file", "--batch-check=%(objectname) %(objectsize)"],
            wanted.into_bytes(),
        );
        let sizes = String::from_utf8_lossy(&sizes.await?).into_owned();
        // What is missing (the other side of a new file, a submodule) has no size.
        let sizes: BTreeMap<&str, u64> = sizes
            .lines()
            .filter_map(|line| line.split_once(' '))
            .filter_map(|(id, size)| Some((id, size.parse().ok()?)))
            .collect();
        let mut size = Size { files: changed.len(), ..Size::default() };
        let mut tops: BTreeMap<String, u64> = BTreeMap::new();
        for (top, ids) in changed {
            let bytes: u64 = ids.iter().filter_map(|id| sizes.get(id.as_str())).sum();
            size.bytes += bytes;
            *tops.entry(top).or_default() += bytes;
        }
        size.largest = tops.into_iter().collect();
        size.largest.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        Ok(size)
    }
}
