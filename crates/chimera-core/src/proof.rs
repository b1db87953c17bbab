//! What counts as red and what counts as green, decided from reports alone.
//!
//! A judge runs the frozen test and reads the report; these functions say what it means. A proof can be
//! made in no other way than from reports that hold up.

use crate::{Digest, UnixMillis};
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
    /// Duration of the test alone, in milliseconds.
    pub duration_ms: u64,
    /// The failure in the runner's words, cut to a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
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

/// Proof that the frozen test failed for the right reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedProof {
    test_sha256: Digest,
    revision: Digest,
    test_ids: Vec<String>,
    at: UnixMillis,
}

/// Proof that the same test passed, every time, on one revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GreenProof {
    test_sha256: Digest,
    revision: Digest,
    runs: u32,
    at: UnixMillis,
}

/// Why a run proves no red.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotRed {
    /// Everything passed.
    #[error("the test passes before the change: the feature is there already")]
    AlreadyGreen,
    /// The run says nothing about the feature.
    #[error("{0}")]
    NotProvable(String),
}

/// Why runs prove no green.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotGreen {
    /// The test fails.
    #[error("{0}")]
    Failing(String),
    /// It passed once and failed once.
    #[error("{0}")]
    Flaky(String),
    /// The page could not be reached.
    #[error("{0}")]
    Unreachable(String),
    /// The runs say nothing about the feature.
    #[error("{0}")]
    NotProvable(String),
}

impl RedProof {
    /// Judges a run of the test with the hash `test_sha256` against `revision`.
    ///
    /// Red is: at least one test ran, none was skipped or broke, none passed without asserting anything, at
    /// least one failed by its own assertion.
    ///
    /// # Errors
    /// [`NotRed`] with the reason.
    pub fn judge(
        report: &TestReport,
        test_sha256: Digest,
        revision: Digest,
        at: UnixMillis,
    ) -> Result<Self, NotRed> {
        sound(report).map_err(NotRed::NotProvable)?;
        for test in &report.tests {
            match test.status {
                TestStatus::Passed if test.assertions == 0 => {
                    return Err(NotRed::NotProvable(told(test, "asserted nothing")));
                }
                TestStatus::Passed | TestStatus::AssertionFailed => {}
                TestStatus::Unreachable => {
                    return Err(NotRed::NotProvable(told(test, "could not reach the page")));
                }
                TestStatus::Errored | TestStatus::Skipped => {
                    return Err(NotRed::NotProvable(told(test, "broke instead of failing an assertion")));
                }
            }
        }
        if report.tests.iter().all(|test| test.status == TestStatus::Passed) {
            return Err(NotRed::AlreadyGreen);
        }
        let test_ids = report.tests.iter().map(|test| test.id.clone()).collect();
        Ok(Self { test_sha256, revision, test_ids, at })
    }

    /// SHA-256 of the test file that ran.
    pub fn test_sha256(&self) -> &Digest {
        &self.test_sha256
    }

    /// The commit that was judged.
    pub fn revision(&self) -> &Digest {
        &self.revision
    }

    /// The tests that ran, which are the ones that must turn green.
    pub fn test_ids(&self) -> &[String] {
        &self.test_ids
    }

    /// When it was judged.
    pub fn at(&self) -> UnixMillis {
        self.at
    }
}

impl GreenProof {
    /// Judges consecutive runs of the test with the hash `test_sha256` against `revision`, after `red`.
    ///
    /// Green is: at least `needed` runs (never less than one), each of exactly the red run's tests, each of
    /// them passed with at least one assertion.
    ///
    /// # Errors
    /// [`NotGreen`] with the reason; [`NotGreen::Flaky`] if some run was green and another was not.
    pub fn judge(
        red: &RedProof,
        reports: &[TestReport],
        needed: u32,
        test_sha256: Digest,
        revision: Digest,
        at: UnixMillis,
    ) -> Result<Self, NotGreen> {
        let needed = needed.max(1);
        let judged: Vec<Result<(), NotGreen>> =
            reports.iter().map(|report| all_passed(red, report)).collect();
        let passed = judged.iter().filter(|run| run.is_ok()).count();
        match judged.into_iter().find_map(Result::err) {
            Some(NotGreen::Failing(why)) if passed > 0 => Err(NotGreen::Flaky(why)),
            Some(err) => Err(err),
            None if passed < needed as usize => {
                Err(NotGreen::NotProvable(format!("{passed} of {needed} runs are on record")))
            }
            None => {
                let runs = u32::try_from(passed).unwrap_or(u32::MAX);
                Ok(Self { test_sha256, revision, runs, at })
            }
        }
    }

    /// SHA-256 of the test file that ran.
    pub fn test_sha256(&self) -> &Digest {
        &self.test_sha256
    }

    /// The commit that was judged.
    pub fn revision(&self) -> &Digest {
        &self.revision
    }

    /// How often it passed in a row.
    pub fn runs(&self) -> u32 {
        self.runs
    }

    /// When it was judged.
    pub fn at(&self) -> UnixMillis {
        self.at
    }
}

fn all_passed(red: &RedProof, report: &TestReport) -> Result<(), NotGreen> {
    sound(report).map_err(NotGreen::NotProvable)?;
    let ids: Vec<&str> = report.tests.iter().map(|test| test.id.as_str()).collect();
    if ids != red.test_ids {
        return Err(NotGreen::NotProvable(format!(
            "the run executed {ids:?}, but {:?} were frozen",
            red.test_ids
        )));
    }
    for test in &report.tests {
        match test.status {
            TestStatus::Passed if test.assertions > 0 => {}
            TestStatus::Passed => return Err(NotGreen::NotProvable(told(test, "asserted nothing"))),
            TestStatus::AssertionFailed => return Err(NotGreen::Failing(told(test, "fails"))),
            TestStatus::Errored => return Err(NotGreen::Failing(told(test, "breaks"))),
            TestStatus::Unreachable => {
                return Err(NotGreen::Unreachable(told(test, "could not reach the page")));
            }
            TestStatus::Skipped => return Err(NotGreen::NotProvable(told(test, "did not run"))),
        }
    }
    Ok(())
}

fn sound(report: &TestReport) -> Result<(), String> {
    if let Some(error) = &report.error {
        return Err(format!("the test run broke: {error}"));
    }
    if report.tests.is_empty() {
        return Err("the run executed no test".to_owned());
    }
    Ok(())
}

fn told(test: &TestResult, what: &str) -> String {
    match &test.message {
        Some(message) => format!("{} {what}: {message}", test.id),
        None => format!("{} {what}", test.id),
    }
}
