//! What a test author is told.

use super::{Prompt, refusal};
use crate::command::Assignment;
use crate::judge::rules;
use crate::spec::E2e;

/// A test as it is wanted.
const PYTHON: &str = r##"from playwright.sync_api import Page, expect


def test_opening_hours(page: Page) -> None:
    # criterion 1
    page.goto("/")
    page.get_by_role("link", name="Opening hours").click()
    expect(page).to_have_title("Opening hours")
    # criterion 2
    expect(page.get_by_text("Sunday: closed")).to_be_visible()"##;
/// The same in TypeScript.
const TYPESCRIPT: &str = r##"import { test, expect } from '@playwright/test';

test('opening hours', async ({ page }) => {
  // criterion 1
  await page.goto('/');
  await page.getByRole('link', { name: 'Opening hours' }).click();
  await expect(page).toHaveTitle('Opening hours');
  // criterion 2
  await expect(page.getByText('Sunday: closed')).toBeVisible();
});"##;

pub(super) fn write(prompt: &mut Prompt, assignment: &Assignment<'_>) {
    let e2e = E2e::ALL.into_iter().find(|e2e| e2e.as_str() == assignment.e2e).unwrap_or(E2e::Pytest);
    let (runner, language, example) = match e2e {
        E2e::Pytest => ("pytest-playwright", "python", PYTHON),
        E2e::PlaywrightTest => ("Playwright Test", "ts", TYPESCRIPT),
    };
    let path = format!("{}/{}", assignment.e2e_dir, e2e.test_name("<name>"));
    prompt.say(format!(
        "Write one end-to-end test for the feature below, with {runner}, in the new file {path}. It must fail on the application \
         as it is now, at an assertion about the feature, and pass once the feature is there. Do not implement the feature; add \
         that one file and change nothing else. A coder will have to make your test pass without touching it, so test what the \
         feature says and nothing that it leaves open. Read the source to learn labels, links and how to log in: a step before \
         the feature that fails already now (a label with another name, a login that does not work) makes the test useless."
    ));
    prompt.last_trouble(assignment);
    prompt.request(assignment);
    refusal::write_test(prompt, assignment);
    prompt.head("Rules for the test");
    prompt.say(
        "Before the test is frozen a parser reads it, without running it, and refuses it unless it keeps to every one of these \
         rules. It is then run against the unchanged application, where it must fail by an assertion or an action of its own, \
         and against a blank page and an error page, where every test of it must fail.",
    );
    prompt
        .list(&rules::all(e2e).map(|rule| format!("{}: {}", rule.name, rule.text(e2e))).collect::<Vec<_>>());
    prompt.say(format!("For example:\n\n```{language}\n{example}\n```"));
    prompt.target(assignment);
    prompt.answer(
        &format!(
            "{{\"outcome\": \"passed\", \"summary\": \"one or two sentences\", \"test_path\": \"{path}\"}}"
        ),
        &[
            "\"passed\": the test is written; `test_path` is where.",
            "\"failed\": the feature cannot be tested so; say why in `summary`. The task ends.",
        ],
    );
}
