//! What a refused test is told: it must be true, and say what to write instead.

use crate::toolchain::tools;
use chimera_agent::judge::Judge;
use chimera_agent::spec::E2e;
use tokio_util::sync::CancellationToken;

/// The messages about the test `source`, each with its rule.
async fn told(e2e: E2e, source: &str) -> Vec<String> {
    let judge = Judge::new(tools().await);
    let findings = judge.inspect(e2e, source.as_bytes(), &[], &CancellationToken::new()).await;
    findings.expect("it can be read").into_iter().map(|finding| finding.message).collect()
}

#[tokio::test]
async fn an_honest_python_test_that_is_refused_hears_what_to_write_instead() {
    let cases = [
        (
            "n = page.locator('li').evaluate_all('els => els.length')",
            "script: `evaluate_all` runs a script",
            "count()",
        ),
        ("page.goto(f'{base_url}/cart')", "address: ", "goto(\"/...\") without `base_url` in front"),
        ("page.goto('http://127.0.0.1:9000/')", "address: ", "without scheme and host"),
        ("for i in range(3):\n        page.get_by_text('Add').click()", "loop: ", "loop over its values"),
        ("page.get_by_text('x').dispatch_event('click')", "mock: ", "click, fill or press"),
        ("page.screenshot(path='x.png')", "file: ", "the judge takes pictures by itself"),
    ];
    for (line, rule, hint) in cases {
        let source = format!(
            "from playwright.sync_api import Page, expect\n\n\ndef test_x(page: Page, base_url):\n    {line}\n    \
             expect(page).to_have_title('Shop')\n"
        );
        let told = told(E2e::Pytest, &source).await;
        assert_eq!(told.len(), 1, "{line}: {told:?}");
        assert!(told[0].starts_with(rule) && told[0].contains(hint), "{line}: {told:?}");
    }
    let imports = "import uuid\nfrom playwright.sync_api import Page, expect\n\n\ndef test_x(page: Page):\n    \
        expect(page).to_have_title('Shop')\n";
    assert!(told(E2e::Pytest, imports).await[0].contains("write a fixed text"));
    let fixture = "import pytest\nfrom playwright.sync_api import Page, expect\n\n\n@pytest.fixture(autouse=True)\n\
        def login(page: Page):\n    page.goto('/')\n\n\ndef test_x(page: Page):\n    expect(page).to_have_title('Shop')\n";
    assert!(told(E2e::Pytest, fixture).await[0].contains("call a helper function"));
}

#[tokio::test]
async fn an_honest_spec_that_is_refused_hears_what_to_write_instead() {
    let cases = [
        (
            "await expect(page.getByRole('main')).toMatchAriaSnapshot(`- heading`);",
            "snapshot: no toMatchAriaSnapshot, neither with a file nor with a template",
            "toBeVisible()",
        ),
        (
            "expect(await page.locator('li').evaluateAll(all => all.length)).toBe(2);",
            "script: `evaluateAll` runs a script over elements",
            "count()",
        ),
        (
            "const other = await browser.newContext({ storageState: {} });",
            "escape: newContext may be told",
            "not storageState: log in by steps of the test",
        ),
        ("const title = (await page.title()) as string;", "patch: ", "String(...)"),
        ("await page.goto('http://127.0.0.1:9000/');", "address: ", "without scheme and host"),
    ];
    for (line, rule, hint) in cases {
        let source = format!(
            "import {{ test, expect }} from '@playwright/test';\ntest('x', async ({{ page, browser }}) => {{\n  {line}\n  \
             await expect(page).toHaveTitle('Shop');\n}});\n"
        );
        let told = told(E2e::PlaywrightTest, &source).await;
        assert!(told.iter().any(|told| told.starts_with(rule) && told.contains(hint)), "{line}: {told:?}");
        assert!(!told.iter().any(|told| told.starts_with("file: ")), "there is no file: {told:?}");
    }
    let test = "test('x', async ({ page }) => {\n  await expect(page).toHaveTitle('Shop');\n});\n";
    let stored = format!(
        "import {{ test, expect }} from '@playwright/test';\ntest.use({{ storageState: 'a.json' }});\n{test}"
    );
    let found = told(E2e::PlaywrightTest, &stored).await;
    assert_eq!(found.len(), 1, "one mistake, one finding: {found:?}");
    assert!(found[0].contains("not storageState: log in by steps of the test"), "{found:?}");
    let request = "import { test, expect } from '@playwright/test';\ntest('x', async ({ page, request }) => {\n  \
        await expect(page).toHaveTitle('Shop');\n});\n";
    assert!(told(E2e::PlaywrightTest, request).await[0].contains("there is page.request"));
}
