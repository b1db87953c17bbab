//! How long assertions and actions wait, in both runners: not at all on a page that cannot change.

use crate::judge::{Bench, statuses, tests};
use crate::playwright_test::bodies;
use chimera_agent::judge::Trial;
use chimera_core::TestStatus;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Found in every message of an assertion; a short wait is not named.
const SHORT: &str = "Call log:";

#[tokio::test]
async fn nobody_waits_on_a_page_that_cannot_change() {
    let bench = Bench::new().await;
    let home = "page.goto('/')\n";
    let cases = [
        (format!("{home}expect(page.get_by_text('Nope')).to_be_visible()"), SHORT),
        (format!("{home}expect(page.get_by_text('Homepage')).not_to_be_visible()"), SHORT),
        (format!("{home}expect(page).to_have_title('Nope')"), SHORT),
        (format!("{home}expect(page.get_by_role('link')).to_have_count(7)"), SHORT),
        (format!("{home}page.get_by_text('Nope').click()"), "nothing on the page can bring it"),
        (
            "page.goto('/pictures')\npage.get_by_text('Nope').click()".to_owned(),
            "nothing on the page can bring it",
        ),
        // A time of the test's own is kept.
        (format!("{home}expect(page).to_have_title('Nope', timeout=321)"), "with timeout 321ms"),
        (format!("{home}page.get_by_text('Nope').click(timeout=321)"), "Timeout 321ms exceeded"),
        // What is there is acted on with patience.
        (format!("{home}page.get_by_text('Homepage').fill('x')"), "not an <input>"),
    ];
    let bodies: Vec<(&str, &str)> = cases.iter().map(|(body, _)| ("", body.as_str())).collect();
    let source = tests(&bodies);
    let trial = Trial { still_wait: Duration::from_millis(1234), ..bench.trial(&source) };
    let run = bench.judge.run(&trial, &CancellationToken::new()).await.expect("a run");
    for ((body, said), test) in cases.iter().zip(&run.report.tests) {
        assert!(test.message.as_ref().is_some_and(|message| message.contains(said)), "{body}: {test:?}");
        // Playwright's own patience would be named.
        assert!(test.message.as_ref().is_some_and(|message| !message.contains("5000ms")), "{body}: {test:?}");
    }
}

#[tokio::test]
async fn nobody_waits_in_a_spec_on_a_page_that_cannot_change() {
    let bench = Bench::new().await;
    let home = "await page.goto('/');";
    let cases = [
        (format!("{home} await expect(page.getByText('Nope')).toBeVisible();"), SHORT),
        (format!("{home} await expect(page.getByText('Homepage')).not.toBeVisible();"), SHORT),
        (format!("{home} await expect.soft(page).toHaveTitle('Nope');"), SHORT),
        (format!("{home} await expect(page.getByRole('link')).toHaveCount(7);"), SHORT),
        (format!("{home} await page.getByText('Nope').click();"), "nothing on the page can bring it"),
        (format!("{home} await page.getByLabel('Nope').fill('x');"), "nothing on the page can bring it"),
        (
            "await page.goto('/pictures'); await page.getByText('Nope').click();".to_owned(),
            "nothing on the page can bring it",
        ),
        // A time of the test's own is kept.
        (format!("{home} await expect(page).toHaveTitle('Nope', {{ timeout: 321 }});"), "with timeout 321ms"),
        (format!("{home} await page.getByText('Nope').click({{ timeout: 321 }});"), "Timeout 321ms exceeded"),
    ];
    let all: Vec<&str> = cases.iter().map(|(body, _)| body.as_str()).collect();
    let source = bodies(&all);
    let trial = Trial { still_wait: Duration::from_millis(1234), ..bench.spec(&source) };
    let run = bench.judge.run(&trial, &CancellationToken::new()).await.expect("a run");
    assert_eq!(statuses(&run.report), [TestStatus::AssertionFailed; 9], "{:#?}", run.report);
    for ((body, said), test) in cases.iter().zip(&run.report.tests) {
        assert!(test.message.as_ref().is_some_and(|message| message.contains(said)), "{body}: {test:?}");
        // Playwright's own patience would be named.
        assert!(test.message.as_ref().is_some_and(|message| !message.contains("5000ms")), "{body}: {test:?}");
    }
}

#[tokio::test]
async fn a_spec_waits_for_what_a_script_or_another_call_of_the_test_brings() {
    let bench = Bench::new().await;
    let report = bench
        .spec_report(&bodies(&[
            "await page.goto('/late'); await expect(page.getByRole('heading')).toBeVisible();",
            "await page.goto('/late'); await page.getByRole('button').click(); await expect(page).toHaveTitle('Late');",
            "await page.goto('/form'); await page.getByText('Send').click(); await expect(page.getByText('Done')).toBeVisible();",
            "await page.goto('/'); await Promise.all([\
             expect(page.getByText('Done')).toBeVisible(), page.waitForTimeout(700).then(() => page.goto('/done'))]);",
        ]))
        .await;
    assert_eq!(statuses(&report), [TestStatus::Passed; 4], "{report:#?}");
}
