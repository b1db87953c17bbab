//! Every limit of the vocabulary, with a name.

use std::time::Duration;

/// Longest feature text, in bytes: a few pages; more belongs into the repository.
pub const FEATURE_BYTES: usize = 16 * 1024;
/// Longest URL, in bytes.
pub const URL_BYTES: usize = 2048;
/// Most acceptance criteria of a request.
pub const CRITERIA: usize = 50;
/// Longest acceptance criterion, in bytes.
pub const CRITERION_BYTES: usize = 1024;
/// Most labels of a request.
pub const LABELS: usize = 32;
/// Longest label key or value, in bytes.
pub const LABEL_BYTES: usize = 256;
/// Most tasks that one task may wait for.
pub const AFTER: usize = 100;
/// Most tasks that may wait for one task: they are released in the transaction that completes it.
pub const WAITERS: usize = 1000;
/// Most requests of one batch: they are accepted in one transaction.
pub const BATCH: usize = 500;
/// Longest project name, in bytes.
pub const PROJECT_BYTES: usize = 64;
/// Longest summary kept of an attempt, in bytes.
pub const SUMMARY_BYTES: usize = 4 * 1024;
/// Most findings kept of one attempt.
pub const FINDINGS: usize = 100;
/// Most tests in one frozen test file.
pub const TESTS_PER_FILE: usize = 100;
/// Longest wait that another side may ask for before a retry: a day, after which it can ask again.
pub const RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// Most times in a row that one phase may be put off to a time that an agent names without using up a retry: about a
/// day of a quota that resets every quarter of an hour.
pub const WAITS: u32 = 100;

/// Rounds in a row in which the coder may change nothing: it is told so once. A coder that then changes nothing
/// again has nothing to add.
pub const UNCHANGED: u32 = 1;

/// Crashes of the daemon in one phase that make each task that it ran suspect: such a task runs alone, so that the next
/// crash has one cause.
pub const SUSPECT_CRASHES: u32 = 2;

/// Cuts a text to at most `max` bytes at a character boundary, marking the cut with an ellipsis if there is room for it.
pub fn truncate(text: &mut String, max: usize) {
    const MARK: &str = "…";
    if text.len() <= max {
        return;
    }
    let mark = if max < MARK.len() { "" } else { MARK };
    let mut end = max - mark.len();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text.push_str(mark);
}
