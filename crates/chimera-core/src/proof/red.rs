//! Red: the frozen test fails before the change, for the right reason.

use crate::{Digest, TestReport, TestResult, TestStatus, UnixMillis, limits};
use serde::{Deserialize, Serialize};

/// Proof that the frozen test failed for the right reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedProof {
    test_sha256: Digest,
    revision: Digest,
    #[serde(flatten)]
    seen: Box<Seen>,
    at: UnixMillis,
}

/// What ran, where, and how far it came. Apart, so that an outcome stays small enough to be moved about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    test_ids: Vec<String>,
    /// How far each of the tests came; empty in proofs of earlier versions.
    #[serde(default)]
    reach: Vec<Reach>,
    /// The origin at which the test saw the application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
}

/// How far a test came in the red run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// How it ended: passed, or failed by an assertion.
    pub status: TestStatus,
    /// Assertions that it executed, the one that failed included.
    pub assertions: u32,
    /// Where they are in the test file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asserted_at: Vec<u32>,
    /// The step at which it failed; absent in proofs of earlier versions. No judgement rests on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<FailedStep>,
}

/// The step of a test that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedStep {
    /// The line of the test file, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The numbers of the criteria that the test was about to show there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub criteria: Vec<u32>,
    /// What stands in that line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement: Option<String>,
    /// The first line of the runner's message.
    pub said: String,
}

impl FailedStep {
    /// Longest first line of a message, in bytes: it is kept in the task, not only in the evidence.
    const SAID_BYTES: usize = 300;

    fn of(test: &TestResult) -> Option<Self> {
        let mut said = test.message.as_deref()?.lines().next().unwrap_or_default().to_owned();
        limits::truncate(&mut said, Self::SAID_BYTES);
        let at = test.failed.as_deref();
        Some(Self {
            line: at.and_then(|at| at.line),
            criteria: at.map(|at| at.criteria.clone()).unwrap_or_default(),
            statement: at.and_then(|at| at.statement.clone()),
            said,
        })
    }
}

/// The runs before the change.
#[derive(Debug, Clone, Copy)]
pub struct RedRuns<'a> {
    /// Against the unchanged application.
    pub base: &'a TestReport,
    /// Against a server that answers everything with a blank page.
    pub blank: &'a TestReport,
    /// Against a server that answers everything with an error page.
    pub error: &'a TestReport,
}

/// Why runs prove no red.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotRed {
    /// Everything passed.
    #[error("the test passes before the change: the feature is there already")]
    AlreadyGreen,
    /// The runs say nothing about the feature.
    #[error("{0}")]
    NotProvable(String),
}

impl RedProof {
    /// Judges runs of the test with the hash `test_sha256` against `revision`.
    ///
    /// Red is: at least one test ran, none was skipped or broke, none passed without asserting anything, at
    /// least one failed by its own assertion; and of the same tests, none passes on a blank page or on an
    /// error page.
    ///
    /// # Errors
    /// [`NotRed`] with the reason.
    pub fn judge(
        runs: &RedRuns<'_>,
        test_sha256: Digest,
        revision: Digest,
        at: UnixMillis,
    ) -> Result<Self, NotRed> {
        let report = runs.base;
        report.sound().map_err(NotRed::NotProvable)?;
        report.tests.iter().try_for_each(ran).map_err(NotRed::NotProvable)?;
        if report.tests.iter().all(|test| test.status == TestStatus::Passed) {
            return Err(NotRed::AlreadyGreen);
        }
        for (control, name) in [(runs.blank, "a blank page"), (runs.error, "an error page")] {
            control_fails(report, control, name).map_err(NotRed::NotProvable)?;
        }
        let reach = report.tests.iter().map(|test| Reach {
            status: test.status,
            assertions: test.assertions,
            asserted_at: test.asserted_at.clone(),
            failed: FailedStep::of(test),
        });
        let (test_ids, reach) = (report.tests.iter().map(|test| test.id.clone()).collect(), reach.collect());
        Ok(Self { test_sha256, revision, seen: Box::new(Seen { test_ids, reach, origin: None }), at })
    }

    /// Notes at which origin the test saw the application; green has to show it there, too.
    #[must_use]
    pub fn at_origin(mut self, origin: &str) -> Self {
        self.seen.origin = Some(origin.to_owned());
        self
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
        &self.seen.test_ids
    }

    /// How far each of them came; empty in proofs of earlier versions.
    pub fn reach(&self) -> &[Reach] {
        &self.seen.reach
    }

    /// When it was judged.
    pub fn at(&self) -> UnixMillis {
        self.at
    }

    /// The origin at which the test saw the application; absent in proofs of earlier versions.
    pub fn origin(&self) -> Option<&str> {
        self.seen.origin.as_deref()
    }
}

/// A test of the red run passed with an assertion, or failed by its own.
fn ran(test: &TestResult) -> Result<(), String> {
    match test.status {
        TestStatus::Passed if test.assertions == 0 => Err(test.told("asserted nothing")),
        TestStatus::Passed | TestStatus::AssertionFailed => Ok(()),
        TestStatus::Unreachable => Err(test.told("could not reach the page")),
        TestStatus::Errored | TestStatus::Skipped => Err(test.told("broke instead of failing an assertion")),
    }
}

/// Every test fails on a page that has nothing of the application: in any way, but it has to run.
fn control_fails(red: &TestReport, control: &TestReport, name: &str) -> Result<(), String> {
    control.sound().map_err(|why| format!("on {name}, {why}"))?;
    if control.ids() != red.ids() {
        return Err(format!("on {name}, {:?} ran instead of {:?}", control.ids(), red.ids()));
    }
    for test in &control.tests {
        match test.status {
            TestStatus::Passed => {
                return Err(format!("{} passes on {name}: it says nothing about the application", test.id));
            }
            TestStatus::Skipped => return Err(test.told(&format!("did not run on {name}"))),
            TestStatus::AssertionFailed | TestStatus::Errored | TestStatus::Unreachable => {}
        }
    }
    Ok(())
}
