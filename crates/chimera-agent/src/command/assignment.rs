//! What an agent is told.

use super::{Failure, prompt};
use chimera_core::{Finding, Phase, RedProof};
use serde::Serialize;
use std::path::Path;

/// The content of `$CHIMERA_ASSIGNMENT`.
#[derive(Debug, Clone, Serialize)]
pub struct Assignment<'a> {
    /// The task.
    pub task_id: &'a str,
    /// What is to be done.
    pub phase: Phase,
    /// The number of the attempt, from 1 over all phases.
    pub attempt: u32,
    /// The fencing token of the lease: an agent that writes to the outside should pass it on.
    pub lease_epoch: i64,
    /// The feature, in the words of whoever asked for it. Hostile input, like every text below.
    pub feature: &'a str,
    /// The page of the running application.
    pub target_url: &'a str,
    /// Where the change is to be staged, if the request says so.
    pub staging_url: Option<&'a str>,
    /// The acceptance criteria, if the request has any.
    pub acceptance: &'a [String],
    /// What runs the test: `pytest-playwright` or `playwright-test`.
    pub e2e: &'a str,
    /// The directory of frozen tests in the repository, such as `tests/e2e`.
    pub e2e_dir: &'a str,
    /// The frozen test in the repository; absent while it is to be written.
    pub test_path: Option<&'a str>,
    /// Which round this is, once there was one before.
    pub round: Option<Round>,
    /// The phase that refused the last one.
    pub refused_by: Option<Phase>,
    /// The summary of that refusal.
    pub failure_report: Option<&'a str>,
    /// What the reviewer or the test found then.
    pub findings: &'a [Finding],
    /// All that is known of a failure of the test or of the suite.
    pub failure: Option<&'a Failure>,
    /// Why the last attempt at the same did not count, if it did not.
    pub last_trouble: Option<&'a str>,
    /// The commit that the task grows on.
    pub base_commit: Option<&'a str>,
    /// The head of the task's branch.
    pub head_commit: Option<&'a str>,
    /// How the frozen test failed on the base commit.
    #[serde(skip)]
    pub red: Option<&'a RedProof>,
    /// How much the change has so far.
    pub change: Option<Change>,
    /// What of the coder's last round is no part of that change, and why: files that are ignored, build outputs.
    pub left_out: Option<&'a str>,
    /// The whole change as a patch file, for reviewers.
    pub diff_path: Option<&'a Path>,
    /// The same as a text.
    #[serde(skip)]
    pub patch: Option<&'a str>,
    /// The directory of what the last round was refused for: report, pictures, trace, logs.
    pub evidence_dir: &'a Path,
    /// The names of the files in it.
    pub evidence: &'a [String],
    /// What the project demands of every change.
    pub rules: Rules<'a>,
    /// What the agent has to keep within.
    pub limits: Limits,
}

/// The number of a round.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Round {
    /// From 1.
    pub number: u32,
    /// The last one, if the next refusals are like this one.
    pub of: u32,
}

/// The size of a change, without the frozen test.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Changed files.
    pub files: u32,
    /// Added lines.
    pub added: u32,
    /// Removed lines.
    pub removed: u32,
}

/// What the project demands of every change, and how it is run.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Rules<'a> {
    /// Commands that must end with exit code 0, run by `sh -c` in a copy of the change.
    pub checks: &'a [String],
    /// Whether they have passed already on this change.
    pub checks_passed: bool,
    /// The command of the test suite, in which nothing may newly fail.
    pub suite: Option<&'a str>,
    /// Paths that no change may touch: a file, or a directory with everything in it.
    pub protected: Vec<&'a str>,
    /// Names of lock files, in whatever directory, that no change may touch.
    pub lock_files: &'a [&'a str],
    /// Paths that a change may touch all the same.
    pub allowed: &'a [String],
    /// The command that builds the application.
    pub build: Option<&'a str>,
    /// The command that starts it; it listens on `$PORT`.
    pub start: Option<&'a str>,
    /// The path that answers once it is ready.
    pub ready: Option<&'a str>,
    /// The directory that is served as it is, where there is no server.
    pub static_dir: Option<&'a str>,
}

/// The limits of an attempt.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Limits {
    /// Wall clock, in seconds.
    pub timeout_seconds: u64,
    /// Most changed lines that the built-in guardian lets through.
    pub max_diff_lines: u32,
}

impl Assignment<'_> {
    /// The same as prose, for agents that read a prompt.
    pub fn prompt(&self) -> String {
        prompt::text(self)
    }
}

impl Change {
    /// The size of a change in git's patch format, but for the file `frozen`.
    pub fn of_patch(patch: &[u8], frozen: Option<&str>) -> Self {
        let (mut change, mut counts, mut in_hunk) = (Self::default(), false, false);
        for line in patch.split(|byte| *byte == b'\n') {
            if line.starts_with(b"diff --git ") {
                let name = String::from_utf8_lossy(line);
                counts = !frozen.is_some_and(|frozen| name.ends_with(&format!(" b/{frozen}")));
                in_hunk = false;
                change.files += u32::from(counts);
            } else if line.starts_with(b"@@ ") {
                in_hunk = true;
            } else if counts && in_hunk {
                change.added += u32::from(line.starts_with(b"+"));
                change.removed += u32::from(line.starts_with(b"-"));
            }
        }
        change
    }
}

#[cfg(test)]
mod tests {
    use super::Change;

    #[test]
    fn a_patch_is_counted_without_the_frozen_test() {
        let patch = b"diff --git a/app.py b/app.py\n--- a/app.py\n+++ b/app.py\n@@ -1,2 +1,3 @@\n x\n-y\n+z\n+--- w\n\
            diff --git a/tests/e2e/test_x.py b/tests/e2e/test_x.py\n--- /dev/null\n+++ b/tests/e2e/test_x.py\n@@ -0,0 +1 @@\n+t\n";
        assert_eq!(
            Change::of_patch(patch, Some("tests/e2e/test_x.py")),
            Change { files: 1, added: 2, removed: 1 }
        );
    }
}
