//! An agent that has answered and does not end.

use super::answer::{self, Trouble};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;

/// Pause between two looks at the answer.
const LOOK: Duration = Duration::from_millis(250);

/// Returns once a complete answer has been there, unchanged, for that long. A file that changes begins anew; one that
/// cannot be read yet, being half written, never counts.
pub(super) async fn after_answer(path: &Path, wait: Duration) {
    let mut seen = None;
    loop {
        tokio::time::sleep(LOOK.min(wait)).await;
        let now = state(path);
        match &seen {
            Some((state, since)) if *state == now => {
                if wait <= Instant::now() - *since && is_complete(path) {
                    return;
                }
            }
            _ => seen = Some((now, Instant::now())),
        }
    }
}

/// What changes when a file is written, or another one takes its place.
fn state(path: &Path) -> Option<(u64, u64, i64, i64)> {
    let metadata = std::fs::symlink_metadata(path).ok()?;
    Some((metadata.ino(), metadata.size(), metadata.mtime(), metadata.mtime_nsec()))
}

/// Whether it holds one of the words that an agent may say.
fn is_complete(path: &Path) -> bool {
    matches!(answer::read(path), Ok(_) | Err(Trouble::NotNow { .. } | Trouble::Unavailable { .. }))
}
