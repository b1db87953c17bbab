//! Green: the same test passes after the change, and still fails without it.

use super::red::{Reach, RedProof};
use crate::{Digest, TestReport, TestResult, TestStatus, UnixMillis};
use serde::{Deserialize, Serialize};

/// Proof that the same test passed, every time, on one revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GreenProof {
    test_sha256: Digest,
    revision: Digest,
    runs: u32,
    at: UnixMillis,
}

/// The runs after the change.
#[derive(Debug, Clone, Copy)]
pub struct GreenRuns<'a> {
    /// Against the changed application, one after the other.
    pub passes: &'a [TestReport],
    /// Against the unchanged application, after all of these.
    pub base_again: &'a TestReport,
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
    /// The unchanged application does not fail any more: what the test shows does not come from the change.
    #[error("{0}")]
    NotTheChange(String),
}

impl GreenProof {
    /// Judges the runs of the test with the hash `test_sha256` against `revision`, after `red`.
    ///
    /// Green is what [`GreenProof::passes`] says, and the unchanged application being red again afterwards,
    /// each test as it was in the red run.
    ///
    /// # Errors
    /// [`NotGreen`] with the reason.
    pub fn judge(
        red: &RedProof,
        runs: &GreenRuns<'_>,
        needed: u32,
        test_sha256: Digest,
        revision: Digest,
        at: UnixMillis,
    ) -> Result<Self, NotGreen> {
        let passed = Self::passes(red, runs.passes, needed)?;
        red_again(red, runs.base_again)?;
        Ok(Self { test_sha256, revision, runs: passed, at })
    }

    /// How often the test passed in a row: at least `needed` runs (never less than one), each of exactly the
    /// red run's tests, each of them passed with at least one assertion and with no fewer than in the red run.
    ///
    /// # Errors
    /// [`NotGreen`] with the reason; [`NotGreen::Flaky`] if some run was green and another was not.
    pub fn passes(red: &RedProof, reports: &[TestReport], needed: u32) -> Result<u32, NotGreen> {
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
            None => Ok(u32::try_from(passed).unwrap_or(u32::MAX)),
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
    report.sound().map_err(NotGreen::NotProvable)?;
    same_tests(red, report).map_err(NotGreen::NotProvable)?;
    for (number, test) in report.tests.iter().enumerate() {
        match test.status {
            TestStatus::Passed if test.assertions > 0 => {}
            TestStatus::Passed => return Err(NotGreen::NotProvable(test.told("asserted nothing"))),
            TestStatus::AssertionFailed => return Err(NotGreen::Failing(test.told("fails"))),
            TestStatus::Errored => return Err(NotGreen::Failing(test.told("breaks"))),
            TestStatus::Unreachable => {
                return Err(NotGreen::Unreachable(test.told("could not reach the page")));
            }
            TestStatus::Skipped => return Err(NotGreen::NotProvable(test.told("did not run"))),
        }
        if let Some(reach) = red.reach().get(number) {
            no_less(reach, test).map_err(NotGreen::NotProvable)?;
        }
    }
    Ok(())
}

fn same_tests(red: &RedProof, report: &TestReport) -> Result<(), String> {
    if report.ids() == red.test_ids() {
        return Ok(());
    }
    Err(format!("the run executed {:?}, but {:?} were frozen", report.ids(), red.test_ids()))
}

/// A test that passes has executed what it executed in the red run, and did not go around it.
fn no_less(reach: &Reach, test: &TestResult) -> Result<(), String> {
    let (before, now) = (reach.assertions, test.assertions);
    if now < before {
        return Err(format!("{} executed {now} assertions, but {before} in the red run", test.id));
    }
    match reach.asserted_at.iter().find(|line| !test.asserted_at.contains(line)) {
        Some(line) => {
            Err(format!("{} went around the assertion in line {line}, which the red run reached", test.id))
        }
        None => Ok(()),
    }
}

/// The unchanged application shows what it showed in the red run.
fn red_again(red: &RedProof, report: &TestReport) -> Result<(), NotGreen> {
    report.sound().map_err(NotGreen::NotProvable)?;
    same_tests(red, report).map_err(NotGreen::NotProvable)?;
    if let Some(test) = report.tests.iter().find(|test| test.status == TestStatus::Unreachable) {
        return Err(NotGreen::Unreachable(test.told("could not reach the unchanged application again")));
    }
    let odd = report.tests.iter().enumerate().find(|(number, test)| match red.reach().get(*number) {
        Some(reach) => test.status != reach.status,
        None => test.status != TestStatus::AssertionFailed,
    });
    match odd {
        None => Ok(()),
        Some((_, test)) if test.status == TestStatus::Passed => Err(NotGreen::NotTheChange(format!(
            "{} passes on the unchanged application now, which it did not before: what it shows does not come \
             from the change",
            test.id
        ))),
        Some((_, test)) => {
            Err(NotGreen::NotTheChange(test.told("ends differently on the unchanged application now")))
        }
    }
}
