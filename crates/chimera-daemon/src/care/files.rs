//! Where the files of a task lie, and how they go.

use anyhow::Result;
use chimera_agent::vault::Vault;
use chimera_agent::workspace::Workspaces;
use chimera_core::{Digest, TaskId, UnixMillis};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Directories that have one of its own for each task.
const OF_TASKS: [&str; 3] = ["logs", "private", "worktrees"];
/// Evidence that was kept within this time may be about to be referred to: no attempt lasts longer.
const SPARE: Duration = Duration::from_secs(24 * 3600);

/// The files of a data directory.
#[derive(Debug, Clone)]
pub struct Places {
    data_dir: PathBuf,
    vault: Vault,
    workspaces: Workspaces,
}

impl Places {
    /// Those of a data directory.
    pub fn new(data_dir: &Path, vault: Vault, workspaces: Workspaces) -> Self {
        Self { data_dir: data_dir.to_owned(), vault, workspaces }
    }

    /// Removes the directories of a task and its branch in the clone; gives their size if there were any.
    pub(super) async fn remove_task(&self, id: &TaskId, project: &str) -> Result<Option<u64>> {
        let mut bytes = None;
        for name in OF_TASKS {
            let dir = self.data_dir.join(name).join(id.as_str());
            if dir.exists() {
                bytes = Some(bytes.unwrap_or(0) + size(&dir));
                chimera_agent::remove::tree(&dir)?;
            }
        }
        self.workspaces.forget(project, id).await?;
        Ok(bytes)
    }

    /// Whether the file is here.
    pub(super) fn has(&self, sha256: &Digest) -> bool {
        self.vault.path(sha256).exists()
    }

    /// Removes a file that nothing refers to; gives its size, unless it is spared.
    pub(super) fn remove_evidence(&self, sha256: &Digest, now: UnixMillis) -> Result<Option<u64>> {
        let size = std::fs::metadata(self.vault.path(sha256)).map_or(0, |metadata| metadata.len());
        Ok(self.vault.discard(sha256, now, SPARE)?.then_some(size))
    }
}

/// The size of everything in a directory; links are not followed.
fn size(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    sizes.sum()
}
