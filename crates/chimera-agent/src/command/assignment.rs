//! What an agent is told.

use chimera_core::{Finding, Phase};
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
    /// What the reviewer or the test found in the last round.
    pub findings: &'a [Finding],
    /// The summary of the last round's refusal.
    pub failure_report: Option<&'a str>,
    /// The commit that the task grows on.
    pub base_commit: Option<&'a str>,
    /// The head of the task's branch.
    pub head_commit: Option<&'a str>,
    /// The whole change as a patch file, for reviewers.
    pub diff_path: Option<&'a Path>,
    /// What the agent has to keep within.
    pub limits: Limits,
}

/// The limits of an attempt.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Limits {
    /// Wall clock, in seconds.
    pub timeout_seconds: u64,
    /// Most changed lines that the built-in guardian lets through.
    pub max_diff_lines: u32,
}
