//! The look at a test before it is frozen.

use crate::toolchain::tools;
use chimera_agent::author;
use chimera_agent::criteria::parse_all;
use chimera_agent::judge::Judge;
use chimera_agent::spec::{E2E_DIR, E2e};
use tokio_util::sync::CancellationToken;

/// One sentence of each kind that the grammar has.
pub(crate) const EVERY_CRITERION: [&str; 14] = [
    "open \"/form\"",
    "see heading \"Form\"",
    "see link \"A\"",
    "see button \"B\"",
    "see text \"C\"",
    "not see text \"D\"",
    "title is \"E\"",
    "click \"F\"",
    "click link \"G\"",
    "click button \"H\"",
    "fill \"I\" with \"J\"",
    "choose \"K\" from \"L\"",
    "check \"M\"",
    "url is \"/n?o=p#q\"",
];

/// What is found: line and rule.
pub(crate) async fn found(e2e: E2e, source: &str, criteria: &[&str]) -> Vec<(u32, String)> {
    let criteria: Vec<String> = criteria.iter().map(|text| (*text).to_owned()).collect();
    let judge = Judge::new(tools().await);
    let findings = judge.inspect(e2e, source.as_bytes(), &criteria, &CancellationToken::new()).await;
    let findings = findings.expect("it can be read").into_iter();
    findings
        .map(|found| {
            let rule = found.message.split(':').next().unwrap_or_default().to_owned();
            (found.line.expect("a line"), rule)
        })
        .collect()
}

/// A Python test with one more line in it, which is line 7.
fn python(line: &str) -> String {
    format!(
        "import re\nimport pytest\nfrom playwright.sync_api import Page, expect\n\n\
         def test_x(page: Page):\n    page.goto('/')\n    {line}\n    expect(page).to_have_title('Shop')\n"
    )
}

#[tokio::test]
async fn what_the_author_writes_is_fine() {
    let criteria = parse_all(&EVERY_CRITERION.map(str::to_owned)).expect("in the grammar");
    let test = author::compile(E2e::Pytest, E2E_DIR, "User can \"do\" it", &criteria, "/");
    assert_eq!(found(E2e::Pytest, &test.source, &EVERY_CRITERION).await, [], "{}", test.source);
}

#[tokio::test]
async fn honest_python_is_let_through() {
    let source = r#"
"""A shop."""
import re
import pytest
from playwright.sync_api import Browser, Page, expect

PATHS = ["/a", "/b"]
CASES = [("de", "Hallo"), ("en", "Hello")]


@pytest.fixture
def shop(page: Page) -> Page:
    page.goto("/")
    return page


def sees(page: Page, text: str) -> None:
    expect(page.get_by_text(text)).to_be_visible()


class TestLanguages:
    @pytest.mark.parametrize("lang,text", CASES)
    def test_greets(self, browser: Browser, lang: str, text: str) -> None:
        page = browser.new_context(locale=lang, color_scheme="dark").new_page()
        page.goto(f"/?lang={lang}")
        sees(page, text)


def test_upload(shop: Page) -> None:
    shop.on("dialog", lambda dialog: dialog.accept())
    file = shop.get_by_label("File")
    file.set_input_files({"name": "a.txt", "mimeType": "text/plain", "buffer": b"x"})
    with shop.expect_popup() as popup:
        shop.get_by_role("link").click()
    expect(popup.value).to_have_title("Popup")
    for path in PATHS:
        shop.goto(path)
        assert shop.title() == "x"
    colour = shop.locator("body").evaluate("e => getComputedStyle(e).getPropertyValue('color')")
    assert re.search("rgb", colour) and len(colour) > 3
    expect(shop).to_have_url(re.compile("^https?://[^/]+/x$"))
"#;
    assert_eq!(found(E2e::Pytest, source, &[]).await, []);
}

#[tokio::test]
async fn every_trick_in_python_is_named_with_its_line() {
    for (line, rule) in [
        ("import os", "statement"),
        ("__import__('os')", "name"),
        ("open('x')", "name"),
        ("eval('1')", "name"),
        ("getattr(page, 'url')", "name"),
        ("print(__file__)", "name"),
        ("page.__class__", "patch"),
        ("page._impl_obj", "patch"),
        ("page.goto = print", "patch"),
        ("expect = print", "name"),
        ("page.route('**', print)", "mock"),
        ("page.set_content('<h1>')", "mock"),
        ("page.add_init_script('x')", "mock"),
        ("page.expose_function('x', print)", "mock"),
        ("page.clock.install()", "mock"),
        ("page.evaluate('document.title = 1')", "script"),
        ("page.evaluate('document.body.append(1)')", "script"),
        ("page.evaluate('(() => document[`write`](1))()')", "script"),
        ("page.evaluate(page.url)", "script"),
        ("page.wait_for_timeout(9)", "sleep"),
        ("page.context.browser.browser_type.launch()", "escape"),
        ("page.context.storage_state(path='x')", "file"),
        ("page.screenshot(path='x')", "file"),
        ("page.get_by_label('F').set_input_files('/etc/passwd')", "file"),
        ("page.goto('http://127.0.0.1:22/')", "address"),
        ("page.goto('//example.com')", "address"),
        ("page.goto('javascript:1')", "address"),
        ("pytest.skip()", "import"),
        ("re.enum.sys", "import"),
        ("re", "name"),
        ("if page.url: pass", "branch"),
        ("x = 1 if page.url else 2", "branch"),
        ("return", "branch"),
        ("while page.url: pass", "loop"),
        ("for i in range(9): page.reload()", "loop"),
        ("raise SystemExit", "swallow"),
        ("with pytest.raises(1): pass", "import"),
        ("page.url and expect(page).to_have_title('x')", "swallow"),
        ("assert True", "assertion"),
        ("assert 1 == 1", "assertion"),
        ("assert page.title() or 1", "assertion"),
        ("expect(page)", "assertion"),
        ("page.on('route', print)", "escape"),
        ("page.context.browser.new_context(base_url='http://x')", "escape"),
        ("del page", "statement"),
    ] {
        let found = found(E2e::Pytest, &python(line), &[]).await;
        assert!(found.contains(&(7, rule.to_owned())), "{line}: {rule} is not among {found:?}");
    }
}

#[tokio::test]
async fn a_python_file_as_a_whole_is_looked_at() {
    let test = "def test_x(page):\n    expect(page).to_have_title('a')\n";
    let import = "from playwright.sync_api import expect\nimport pytest\n";
    for (source, rule) in [
        (String::new(), "assertion"),
        ("def test_x(:".to_owned(), "syntax"),
        (format!("{import}pytestmark = pytest.mark.skip\n{test}"), "statement"),
        (format!("{import}@pytest.mark.skip\n{test}"), "mark"),
        (format!("{import}@pytest.mark.xfail(strict=True)\n{test}"), "mark"),
        (format!("{import}@pytest.mark.flaky(reruns=3)\n{test}"), "mark"),
        (format!("{import}@pytest.fixture(autouse=True)\ndef f(page): pass\n{test}"), "mark"),
        (format!("{import}@pytest.fixture\ndef page(): pass\n{test}"), "name"),
        (format!("{import}def pytest_runtest_setup(): pass\n{test}"), "name"),
        (format!("{import}def expect(x): return x\n{test}"), "name"),
        // A name that is bound in one function is none that another one may call.
        (format!("{import}def show(exec): pass\n{test}    exec('x')\n"), "name"),
        (
            "from playwright.sync_api import *\ndef test_x(page): assert page.url == 'x'\n".to_owned(),
            "import",
        ),
        (format!("import os\n{import}{test}"), "import"),
        (format!("from re import enum\n{import}{test}"), "import"),
        (format!("{import}def test_x(monkeypatch): expect(monkeypatch).to_have_title('a')\n"), "fixture"),
        (format!("{import}{test}def test_y(page): page.goto('/')\n"), "assertion"),
        (
            format!(
                "{import}def test_x(page):\n    try:\n        expect(page).to_have_title('a')\n    except: pass\n"
            ),
            "swallow",
        ),
        (format!("{import}async {test}"), "statement"),
    ] {
        let found = found(E2e::Pytest, &source, &[]).await;
        assert!(found.iter().any(|(_, named)| named == rule), "{source}: {rule} is not among {found:?}");
    }
}

#[tokio::test]
async fn each_criterion_has_an_assertion() {
    let source = "from playwright.sync_api import expect\n\
        def test_x(page):\n    # criterion 1: open the page\n    page.goto('/')\n\
        \x20   # criterion 2: the title\n    expect(page).to_have_title('a')\n\
        \x20   # criterion 3 and\n    # criterion 4\n    assert page.url == 'x'\n";
    let all = ["open \"/\"", "The title is a", "One", "Other"];
    assert_eq!(found(E2e::Pytest, source, &all).await, []);
    let five = [&all[..], &["Another"]].concat();
    assert_eq!(found(E2e::Pytest, source, &five).await, [(1, "criterion".to_owned())]);
    // Doing something answers a criterion that asks to do it, and no other.
    let seen = ["The page is there", "The title is a", "One", "Other"];
    assert_eq!(found(E2e::Pytest, source, &seen).await, [(3, "criterion".to_owned())]);
}
