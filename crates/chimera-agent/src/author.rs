//! The built-in test author: acceptance criteria become a pytest-playwright test.
//!
//! The test is for people too: plain pytest-playwright, run by hand with
//! `pytest tests/e2e/test_<slug>.py --base-url http://...`. One commented block per criterion. Whatever comes
//! from a request is written as a Python literal or an escaped comment, so no text can become code.

use crate::criteria::Criterion;
use chimera_core::slug::slug;
use std::fmt::Write as _;
use url::Url;

/// A test file of the author.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Test {
    /// Where it lives in the repository, such as `tests/e2e/test_view_homepage.py`.
    pub path: String,
    /// The Python source.
    pub source: String,
}

/// Writes the test of a feature. `start_path` is opened first, unless the criteria begin with an `open`.
pub fn compile(feature: &str, criteria: &[Criterion], start_path: &str) -> Test {
    let slug = slug(feature);
    let start = match criteria.first() {
        Some(Criterion::Open(_)) => None,
        _ => Some(Criterion::Open(start_path.to_owned())),
    };
    let mut body = String::new();
    let mut imports = "";
    let numbered = start.iter().map(|start| (0, start)).chain((1..).zip(criteria));
    for (number, criterion) in numbered {
        let number = if number == 0 { String::new() } else { format!("criterion {number}: ") };
        // Writing to a string cannot fail.
        let _ = writeln!(body, "    # {number}{}", Escaped::comment(&criterion.to_string()));
        let _ = writeln!(body, "    {}", statement(criterion));
        if matches!(criterion, Criterion::UrlIs(_)) {
            imports = "import re\n\n";
        }
    }
    let source = format!(
        "\"\"\"{feature}\"\"\"\n\n{imports}from playwright.sync_api import Page, expect\n\n\n\
         def test_{slug}(page: Page) -> None:\n{body}",
        feature = Escaped::docstring(feature),
    );
    Test { path: format!("tests/e2e/test_{slug}.py"), source }
}

fn statement(criterion: &Criterion) -> String {
    match criterion {
        Criterion::Open(path) => format!("page.goto({})", literal(path)),
        Criterion::SeeHeading(name) => visible(&role("heading", name)),
        Criterion::SeeLink(name) => visible(&role("link", name)),
        Criterion::SeeButton(name) => visible(&role("button", name)),
        Criterion::SeeText(text) => visible(&visible_text(text)),
        Criterion::NotSeeText(text) => format!("expect({}).to_have_count(0)", visible_text(text)),
        Criterion::TitleIs(title) => format!("expect(page).to_have_title({})", literal(title)),
        Criterion::Click(name) => format!("{}.or_({}).click()", role("link", name), role("button", name)),
        Criterion::ClickLink(name) => format!("{}.click()", role("link", name)),
        Criterion::ClickButton(name) => format!("{}.click()", role("button", name)),
        Criterion::Fill { label, value } => format!("{}.fill({})", field(label), literal(value)),
        Criterion::Choose { option, label } => {
            format!("{}.select_option(label={})", field(label), literal(option))
        }
        Criterion::Check(label) => format!("{}.check()", field(label)),
        Criterion::UrlIs(path) => {
            format!("expect(page).to_have_url(re.compile({}))", literal(&url_pattern(path)))
        }
    }
}

/// At least one of the matches is visible: a page may say a thing twice.
fn visible(locator: &str) -> String {
    format!("expect({locator}.first).to_be_visible()")
}

fn role(role: &str, name: &str) -> String {
    format!("page.get_by_role(\"{role}\", name={}, exact=True)", literal(name))
}

/// A part of a text counts, in upper or lower case.
fn visible_text(text: &str) -> String {
    format!("page.get_by_text({}).filter(visible=True)", literal(text))
}

fn field(label: &str) -> String {
    format!("page.get_by_label({}, exact=True)", literal(label))
}

/// A regular expression for the whole address on any origin. A path without a query or fragment leaves that
/// part of the address open.
fn url_pattern(path: &str) -> String {
    let encoded = Url::parse("http://localhost").and_then(|origin| origin.join(path)).map_or_else(
        |_| path.to_owned(),
        |url| {
            let url: &str = &url[url::Position::BeforePath..];
            url.to_owned()
        },
    );
    let query = if path.contains(['?', '#']) { "" } else { r"(\?[^#]*)?" };
    let fragment = if path.contains('#') { "" } else { "(#.*)?" };
    format!("^https?://[^/]+{}{query}{fragment}$", regex_escaped(&encoded))
}

fn regex_escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if !c.is_alphanumeric() && !matches!(c, '/' | '_' | '-' | '%' | '=' | '&' | ':' | ',' | '~') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn literal(text: &str) -> String {
    format!("\"{}\"", Escaped { text, quotes: true, newlines: true })
}

/// A text for Python source: backslashes, quotes and whatever cannot be seen are written as escapes.
struct Escaped<'a> {
    text: &'a str,
    quotes: bool,
    newlines: bool,
}

impl<'a> Escaped<'a> {
    fn docstring(text: &'a str) -> Self {
        Self { text, quotes: true, newlines: false }
    }

    fn comment(text: &'a str) -> Self {
        Self { text, quotes: false, newlines: true }
    }
}

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.text.chars() {
            match c {
                '\n' if !self.newlines => f.write_char('\n')?,
                '"' | '\\' if !self.quotes => f.write_char(c)?,
                '"' | '\\' => write!(f, "\\{c}")?,
                '\'' => f.write_char(c)?,
                // Rust knows what cannot be seen: controls, direction marks, lone combining marks.
                c if c.escape_debug().len() == 1 => f.write_char(c)?,
                c if u32::from(c) <= 0xffff => write!(f, "\\u{:04x}", u32::from(c))?,
                c => write!(f, "\\U{:08x}", u32::from(c))?,
            }
        }
        Ok(())
    }
}
