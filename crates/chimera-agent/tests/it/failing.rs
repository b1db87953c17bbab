//! What a failing test tells: where it failed, and what its page was like then.

use crate::judge::{Bench, body, only};
use crate::playwright_test::bodies;
use chimera_core::{FailedAt, TestReport, TestStatus};

const NO_SUCH_FIELD: &str = "page.goto('/broken')
    # criterion 1
    expect(page).to_have_title('Broken')
    # criterion 2: the field
    page.get_by_label('Nope').fill('x')";

fn failed(report: &TestReport) -> (&str, &FailedAt) {
    let (status, _, message) = only(report);
    assert_eq!(status, TestStatus::AssertionFailed, "{message}");
    (message, report.tests[0].failed.as_deref().expect("it tells where"))
}

/// What both runners tell of the same page.
fn tells_the_page(at: &FailedAt) {
    assert!(at.url.as_deref().is_some_and(|url| url.ends_with("/broken")), "{at:?}");
    assert_eq!(at.status, Some(200), "{at:?}");
    let snapshot = at.snapshot.as_deref().unwrap_or_default();
    assert!(snapshot.contains("- heading \"Broken\" [level=1]"), "{snapshot}");
    assert!(at.console.iter().any(|line| line.contains("ReferenceError: nothing is not defined")), "{at:?}");
    assert!(at.console.iter().any(|line| line.contains("error: no picture")), "{at:?}");
    assert!(at.requests.iter().any(|line| line.ends_with("/gone.png: 404")), "{at:?}");
}

#[tokio::test]
async fn an_action_that_fails_tells_its_line_its_criterion_and_its_page() {
    let bench = Bench::new().await;
    let report = bench.report(&body(NO_SUCH_FIELD)).await;
    let (message, at) = failed(&report);
    assert!(message.starts_with("TimeoutError: Locator.fill: "), "{message}");
    assert_eq!((at.line, &at.criteria[..], &at.shown[..]), (Some(10), &[2][..], &[1][..]), "{at:?}");
    tells_the_page(at);
}

#[tokio::test]
async fn an_action_of_a_spec_that_fails_tells_the_same() {
    let bench = Bench::new().await;
    let spec = bodies(&[
        "  await page.goto('/broken');\n  // criterion 1\n  await expect(page).toHaveTitle('Broken');\n  \
         // criterion 2\n  await page.getByLabel('Nope').fill('x');",
    ]);
    let report = bench.spec_report(&spec).await;
    let (message, at) = failed(&report);
    assert!(message.starts_with("TimeoutError: locator.fill: "), "{message}");
    assert_eq!((at.line, &at.criteria[..], &at.shown[..]), (Some(7), &[2][..], &[1][..]), "{at:?}");
    tells_the_page(at);
}

#[tokio::test]
async fn an_assertion_on_a_page_that_cannot_change_says_nothing_of_our_shortened_wait() {
    let bench = Bench::new().await;
    let report =
        bench.report(&body("page.goto('/')\nexpect(page.get_by_text('Nope')).to_be_visible()")).await;
    let (message, at) = failed(&report);
    assert!(message.contains("Expect \"to_be_visible\"") && !message.contains("150ms"), "{message}");
    assert!(!message.contains("Aria snapshot"), "it has a place of its own: {message}");
    assert!(at.snapshot.as_deref().is_some_and(|tree| tree.contains("Homepage")), "{at:?}");
    assert_eq!((at.line, at.console.len(), at.requests.len()), (Some(7), 0, 0), "{at:?}");

    let fill = bench.report(&body("page.goto('/')\npage.get_by_label('Nope').fill('x')")).await;
    let (message, _) = failed(&fill);
    assert!(!message.contains("150ms") && message.contains("the element is not there"), "{message}");

    let never = "await page.goto('/'); await expect(page.getByText('Nope')).toBeVisible();";
    let spec = bench.spec_report(&bodies(&[never])).await;
    let (message, at) = failed(&spec);
    assert!(message.contains("getByText('Nope')") && !message.contains("150ms"), "{message}");
    assert!(at.snapshot.as_deref().is_some_and(|tree| tree.contains("Homepage")), "{at:?}");
    assert_eq!(at.line, Some(3), "{at:?}");
}

#[tokio::test]
async fn a_helper_that_fails_tells_its_own_line_and_the_criterion_of_its_caller() {
    let bench = Bench::new().await;
    let source = "from playwright.sync_api import Page, expect\n\n\
         def named(page, name):\n    expect(page).to_have_title(name)\n\n\
         def test_0(page: Page):\n    page.goto('/')\n    # criterion 1\n    named(page, 'Shop')\n    # criterion 2\n    named(page, 'Other')\n";
    let report = bench.report(source).await;
    let (_, at) = failed(&report);
    assert_eq!((at.line, &at.criteria[..], &at.shown[..]), (Some(4), &[2][..], &[1][..]), "{at:?}");
}
