//! A change that nobody could review goes back before anybody is asked to.

use super::bench::Bench;
use super::halt::{Halt, review_setback};
use crate::workspace::{WorkspaceError, Worktree};
use chimera_core::{Digest, Finding, Severity};

/// Most bytes of changed files, before and after: as a patch that is kept and sent about, twice as much at most.
const LARGEST_CHANGE: u64 = 32 << 20;
/// Folders named in the findings.
const SOME: usize = 5;

/// Sends the change back to the coder if it is too large to be looked at, naming what makes it so.
pub(super) async fn must_be_reviewable(
    bench: &Bench<'_>,
    worktree: &Worktree,
    base: &Digest,
    commit: &Digest,
) -> Result<(), Halt> {
    let size = match worktree.size(base, commit).await {
        Err(WorkspaceError::TooLarge { .. }) => {
            let why =
                "the change has more files than can be listed: remove what a tool has installed or built";
            return Err(Halt::rejected(review_setback(why.to_owned(), Vec::new())));
        }
        size => size?,
    };
    if size.bytes <= LARGEST_CHANGE {
        return Ok(());
    }
    tracing::info!(task = %bench.task().id, bytes = size.bytes, "the change is too large to be reviewed");
    let largest: Vec<String> =
        size.largest.iter().take(SOME).map(|(top, bytes)| format!("{top} ({})", shown(*bytes))).collect();
    let why = format!(
        "the change is too large to be reviewed: {} in {} files, and {} are the most. Largest: {}. Leave out what \
         tools have installed or built, or add it to .gitignore",
        shown(size.bytes),
        size.files,
        shown(LARGEST_CHANGE),
        largest.join(", ")
    );
    let findings = size.largest.iter().take(SOME).map(|(top, bytes)| Finding {
        file: Some(top.clone()),
        line: None,
        severity: Severity::Error,
        message: format!("{} of the change are here", shown(*bytes)),
    });
    Err(Halt::rejected(review_setback(why, findings.collect())))
}

/// Bytes for people.
fn shown(bytes: u64) -> String {
    if bytes < 1 << 20 { format!("{} KiB", bytes.div_ceil(1 << 10)) } else { format!("{} MiB", bytes >> 20) }
}
