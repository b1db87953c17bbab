//! What runs of a frozen test showed.

use serde::{Deserialize, Serialize};

/// What a run of the frozen test file showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestReport {
    /// One entry per test that the runner collected, in its order.
    pub tests: Vec<TestResult>,
    /// Trouble outside any test: collection errors, a crash of the runner. Anything here spoils the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What one test did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestResult {
    /// The runner's id, such as `test_view_homepage`.
    pub id: String,
    /// How it ended.
    pub status: TestStatus,
    /// Assertions that were executed.
    pub assertions: u32,
    /// The lines of the test file at which they were executed, ascending, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asserted_at: Vec<u32>,
    /// Duration of the test alone, in milliseconds.
    pub duration_ms: u64,
    /// The failure in the runner's words, cut to a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Where it failed, and what the page was like then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<Box<FailedAt>>,
}

/// Where a test failed, and what the page was like then. It is told to people and agents; no proof rests on it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FailedAt {
    /// The line of the test file, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// What stands in that line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<String>,
    /// The numbers of the criteria that the test was about to show there, as its comments say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub criteria: Vec<u32>,
    /// The numbers of the criteria that the same test had shown before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shown: Vec<u32>,
    /// The page's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The HTTP status with which the page was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The page's accessibility tree, as Playwright writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// Errors and warnings of the browser's console during the test.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub console: Vec<String>,
    /// Requests of the page that failed or were answered with 400 or more, each with its address and outcome.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<String>,
}

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TestStatus {
    /// Ran to its end.
    Passed,
    /// An assertion or a locator of the test itself did not hold, after the page had been reached.
    AssertionFailed,
    /// The page could not be reached.
    Unreachable,
    /// Broke for any other reason: an exception, a syntax error, a missing fixture, a timeout.
    Errored,
    /// Did not run, or was marked so that its failure would not count.
    Skipped,
}

impl TestReport {
    /// The ids of the tests, in their order.
    pub fn ids(&self) -> Vec<&str> {
        self.tests.iter().map(|test| test.id.as_str()).collect()
    }

    /// Nothing, if at least one test ran and nothing outside of the tests went wrong.
    pub(crate) fn sound(&self) -> Result<(), String> {
        match &self.error {
            Some(error) => Err(format!("the test run broke: {error}")),
            None if self.tests.is_empty() => Err("the run executed no test".to_owned()),
            None => Ok(()),
        }
    }
}

impl TestResult {
    /// A result without places and message.
    pub fn new(id: impl Into<String>, status: TestStatus, assertions: u32) -> Self {
        Self {
            id: id.into(),
            status,
            assertions,
            asserted_at: Vec::new(),
            duration_ms: 0,
            message: None,
            failed: None,
        }
    }

    /// What is to be said of this test, with the runner's message.
    pub(crate) fn told(&self, what: &str) -> String {
        match &self.message {
            Some(message) => format!("{} {what}: {message}", self.id),
            None => format!("{} {what}", self.id),
        }
    }
}
