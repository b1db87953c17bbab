//! Why a change was refused, as far as its author's next round is told.

use chimera_core::{FailedAt, TestReport, TestStatus};
use serde::{Deserialize, Serialize};

/// The name of its file among the evidence.
pub const FAILURE_FILE: &str = "failure.json";
/// Most tests that it tells of: whoever sees three fail knows where to begin.
const TESTS: usize = 3;

/// Everything that is known of a refusal by the end-to-end test or by the project's suite. It is kept as evidence, and
/// every text in it comes from outside.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Failure {
    /// The end-to-end tests that failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<FailedTest>,
    /// Hosts that the page asked for and that the project does not allow while it is judged.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<String>,
    /// The end of what the staged server wrote while the test ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_log: Option<String>,
    /// The project's suite, if it is the one that refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suite: Option<FailedSuite>,
}

/// An end-to-end test that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedTest {
    /// Its id.
    pub id: String,
    /// How it ended.
    pub status: TestStatus,
    /// The runner's message.
    #[serde(default)]
    pub message: String,
    /// Where it failed.
    #[serde(default)]
    pub at: FailedAt,
}

/// A suite in which a change makes something fail.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FailedSuite {
    /// Its command.
    pub command: String,
    /// What fails now and did not before.
    pub cases: Vec<FailedCase>,
}

/// A test of a suite.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FailedCase {
    /// Its name.
    pub name: String,
    /// One line.
    pub message: String,
    /// What its report or the output says besides, such as a traceback.
    pub details: String,
}

impl Failure {
    /// What a run of the frozen test showed.
    pub fn of_test(report: &TestReport) -> Self {
        let failing = report.tests.iter().filter(|test| test.status != TestStatus::Passed);
        let tests = failing.take(TESTS).map(|test| FailedTest {
            id: test.id.clone(),
            status: test.status,
            message: test.message.clone().unwrap_or_default(),
            at: test.failed.as_deref().cloned().unwrap_or_default(),
        });
        Self { tests: tests.collect(), ..Self::default() }
    }
}
