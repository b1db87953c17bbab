//! What counts as red and what counts as green.

use crate::fixture::{BASE, NOW, digest, report};
use chimera_core::TestStatus::{AssertionFailed, Errored, Passed, Skipped, Unreachable};
use chimera_core::{
    GreenProof, GreenRuns, NotGreen, NotRed, RedProof, RedRuns, TestReport, TestResult, TestStatus,
};

const STATUSES: [TestStatus; 5] = [Passed, AssertionFailed, Unreachable, Errored, Skipped];

fn run(tests: &[(&str, TestStatus, u32)]) -> TestReport {
    let tests = tests.iter().map(|(id, status, assertions)| TestResult {
        message: Some("as the runner says".to_owned()),
        ..TestResult::new(*id, *status, *assertions)
    });
    TestReport { tests: tests.collect(), error: None }
}

fn judge_red(report: &TestReport) -> Result<RedProof, NotRed> {
    let control = failing(report);
    RedProof::judge(&RedRuns { base: report, blank: &control, error: &control }, digest(1), digest(BASE), NOW)
}

/// The same tests, each of them failing.
fn failing(report: &TestReport) -> TestReport {
    let tests = report.tests.iter().map(|test| TestResult { status: AssertionFailed, ..test.clone() });
    TestReport { tests: tests.collect(), error: None }
}

fn judge_green(red: &RedProof, reports: &[TestReport], needed: u32) -> Result<GreenProof, NotGreen> {
    let tests = red.test_ids().iter().map(|id| TestResult::new(id, AssertionFailed, 1));
    let base_again = TestReport { tests: tests.collect(), error: None };
    let runs = GreenRuns { passes: reports, base_again: &base_again };
    GreenProof::judge(red, &runs, needed, digest(1), digest(2), NOW)
}

fn frozen(ids: &[&str]) -> RedProof {
    let tests: Vec<_> = ids.iter().map(|id| (*id, AssertionFailed, 1)).collect();
    judge_red(&run(&tests)).expect("it is red")
}

#[test]
fn red_is_a_failed_assertion_among_tests_that_ran_and_nothing_else() {
    for first in STATUSES {
        for second in STATUSES {
            let told = judge_red(&run(&[("a", first, 1), ("b", second, 1)]));
            let ran = |status| matches!(status, Passed | AssertionFailed);
            match (first, second) {
                (Passed, Passed) => assert_eq!(told, Err(NotRed::AlreadyGreen)),
                _ if ran(first) && ran(second) => assert!(told.is_ok(), "{first:?} {second:?}"),
                _ => assert!(matches!(told, Err(NotRed::NotProvable(_))), "{first:?} {second:?}: {told:?}"),
            }
        }
    }
}

#[test]
fn a_run_of_no_test_or_with_trouble_outside_of_them_proves_nothing() {
    let broken = TestReport { error: Some("no browser".into()), ..report(AssertionFailed, 1) };
    for spoilt in [run(&[]), broken] {
        assert!(matches!(judge_red(&spoilt), Err(NotRed::NotProvable(_))), "{spoilt:?}");
        let green = judge_green(&frozen(&["test_it"]), &[spoilt], 1);
        assert!(matches!(green, Err(NotGreen::NotProvable(_))), "{green:?}");
    }
    let broken_green = TestReport { error: Some("the runner crashed".into()), ..report(Passed, 1) };
    assert!(judge_green(&frozen(&["test_it"]), &[broken_green], 1).is_err());
}

#[test]
fn a_test_that_passes_without_asserting_is_neither_red_nor_already_green() {
    let empty = judge_red(&run(&[("a", Passed, 0)]));
    assert_eq!(empty, Err(NotRed::NotProvable("a asserted nothing: as the runner says".into())));
    assert!(judge_red(&run(&[("a", AssertionFailed, 1), ("b", Passed, 0)])).is_err());
    // A locator that is not found fails before the first assertion is counted.
    assert!(judge_red(&run(&[("a", AssertionFailed, 0)])).is_ok());
}

#[test]
fn a_red_proof_keeps_what_has_to_turn_green() {
    let red = frozen(&["a", "b"]);
    assert_eq!(red.test_ids(), ["a", "b"]);
    assert_eq!((red.test_sha256(), red.revision()), (&digest(1), &digest(BASE)));
}

#[test]
fn green_is_every_frozen_test_passed_with_an_assertion() {
    let red = frozen(&["a", "b"]);
    for first in STATUSES {
        for second in STATUSES {
            for assertions in [0, 1] {
                let runs = [run(&[("a", first, 1), ("b", second, assertions)])];
                let green = judge_green(&red, &runs, 1).is_ok();
                assert_eq!(green, (first, second, assertions) == (Passed, Passed, 1), "{runs:?}");
            }
        }
    }
}

#[test]
fn each_way_not_to_be_green_has_its_name() {
    let red = frozen(&["a"]);
    let told = |status, assertions| judge_green(&red, &[run(&[("a", status, assertions)])], 1);
    assert_eq!(told(AssertionFailed, 1), Err(NotGreen::Failing("a fails: as the runner says".into())));
    assert_eq!(told(Errored, 1), Err(NotGreen::Failing("a breaks: as the runner says".into())));
    let unreachable = "a could not reach the page: as the runner says".into();
    assert_eq!(told(Unreachable, 1), Err(NotGreen::Unreachable(unreachable)));
    assert_eq!(told(Skipped, 1), Err(NotGreen::NotProvable("a did not run: as the runner says".into())));
    assert_eq!(told(Passed, 0), Err(NotGreen::NotProvable("a asserted nothing: as the runner says".into())));
}

#[test]
fn green_needs_exactly_the_frozen_tests() {
    let red = frozen(&["a", "b"]);
    for ids in [&["a"][..], &["a", "b", "c"], &["b", "a"], &["a", "a"], &["a", "b", "b"]] {
        let tests: Vec<_> = ids.iter().map(|id| (*id, Passed, 1)).collect();
        let told = judge_green(&red, &[run(&tests)], 1);
        assert!(matches!(told, Err(NotGreen::NotProvable(_))), "{ids:?}: {told:?}");
    }
}

#[test]
fn green_needs_its_runs_and_never_less_than_one() {
    let red = frozen(&["a"]);
    let passed = || run(&[("a", Passed, 1)]);
    for needed in [0, 1] {
        assert!(judge_green(&red, &[], needed).is_err(), "no run proves nothing");
    }
    assert_eq!(
        judge_green(&red, &[passed()], 2),
        Err(NotGreen::NotProvable("1 of 2 runs are on record".into()))
    );
    let green = judge_green(&red, &[passed(), passed(), passed()], 2).expect("more is fine");
    assert_eq!(green.runs(), 3);
    assert_eq!((green.test_sha256(), green.revision()), (&digest(1), &digest(2)));
}

#[test]
fn a_test_that_passes_once_and_fails_once_is_flaky_in_either_order() {
    let red = frozen(&["a"]);
    let (good, bad) = (run(&[("a", Passed, 1)]), run(&[("a", AssertionFailed, 1)]));
    for runs in [[good.clone(), bad.clone()], [bad.clone(), good]] {
        let told = judge_green(&red, &runs, 2);
        assert!(matches!(told, Err(NotGreen::Flaky(_))), "{told:?}");
    }
    assert!(matches!(judge_green(&red, &[bad.clone(), bad], 2), Err(NotGreen::Failing(_))));
}

#[test]
fn a_test_that_passes_on_a_blank_page_or_an_error_page_is_vacuous() {
    let base = run(&[("a", AssertionFailed, 1), ("b", Passed, 1)]);
    let good = failing(&base);
    let bad = run(&[("a", AssertionFailed, 1), ("b", Passed, 1)]);
    let judged = |blank: &TestReport, error: &TestReport| {
        let runs = RedRuns { base: &base, blank, error };
        RedProof::judge(&runs, digest(1), digest(BASE), NOW)
    };
    assert!(judged(&good, &good).is_ok());
    let told = judged(&bad, &good).expect_err("vacuous").to_string();
    assert_eq!(told, "b passes on a blank page: it says nothing about the application");
    assert!(judged(&good, &bad).expect_err("vacuous").to_string().contains("an error page"));
    for odd in [
        run(&[("a", AssertionFailed, 1)]),
        run(&[("a", AssertionFailed, 1), ("b", Skipped, 0)]),
        run(&[("b", AssertionFailed, 1), ("a", AssertionFailed, 1)]),
        TestReport { error: Some("no report".into()), tests: good.tests.clone() },
    ] {
        assert!(matches!(judged(&odd, &good), Err(NotRed::NotProvable(_))), "{odd:?}");
    }
    // A test may break on a page that has nothing of what it expects: it still does not pass.
    assert!(judged(&run(&[("a", Errored, 0), ("b", Unreachable, 0)]), &good).is_ok());
}

#[test]
fn green_executes_what_the_red_run_reached() {
    let at = |status, assertions, lines: &[u32]| TestReport {
        tests: vec![TestResult { asserted_at: lines.to_vec(), ..TestResult::new("a", status, assertions) }],
        error: None,
    };
    let red = judge_red(&at(AssertionFailed, 3, &[4, 6])).expect("it is red");
    assert!(judge_green(&red, &[at(Passed, 4, &[4, 6, 7])], 1).is_ok());
    let fewer = judge_green(&red, &[at(Passed, 2, &[4, 6])], 1);
    assert_eq!(fewer, Err(NotGreen::NotProvable("a executed 2 assertions, but 3 in the red run".into())));
    let around = judge_green(&red, &[at(Passed, 9, &[4, 7])], 1);
    assert!(matches!(&around, Err(NotGreen::NotProvable(why)) if why.contains("line 6")), "{around:?}");
}

#[test]
fn green_needs_the_unchanged_application_to_be_red_again() {
    let red = judge_red(&run(&[("a", AssertionFailed, 1), ("b", Passed, 1)])).expect("it is red");
    let passes = [run(&[("a", Passed, 1), ("b", Passed, 1)])];
    let judged = |base_again: &TestReport| {
        let runs = GreenRuns { passes: &passes, base_again };
        GreenProof::judge(&red, &runs, 1, digest(1), digest(2), NOW)
    };
    for first in STATUSES {
        for second in STATUSES {
            let told = judged(&run(&[("a", first, 1), ("b", second, 1)]));
            match (first, second) {
                (AssertionFailed, Passed) => assert!(told.is_ok(), "{told:?}"),
                (Unreachable, _) | (_, Unreachable) => {
                    assert!(matches!(told, Err(NotGreen::Unreachable(_))), "{told:?}");
                }
                _ => {
                    assert!(matches!(told, Err(NotGreen::NotTheChange(_))), "{first:?} {second:?}: {told:?}");
                }
            }
        }
    }
    for odd in [run(&[]), run(&[("a", AssertionFailed, 1)])] {
        assert!(matches!(judged(&odd), Err(NotGreen::NotProvable(_))), "{odd:?}");
    }
}
