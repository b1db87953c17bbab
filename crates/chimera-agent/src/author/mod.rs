//! The built-in test author: acceptance criteria become a browser test, for pytest-playwright or Playwright Test.
//!
//! The test is for people too: plain pytest-playwright, run by hand with
//! `pytest test_<slug>.py --base-url http://...`, or plain Playwright Test. One commented block per
//! criterion. Whatever comes from a request is written as a literal or an escaped comment, so no text can become
//! code.

mod python;
mod typescript;

use crate::criteria::Criterion;
use crate::spec::E2e;
use chimera_core::limits;
use chimera_core::slug::slug;
use std::fmt::Write as _;
use url::Url;

/// Longest title of a test; it is its id, too.
const TITLE_BYTES: usize = 120;

/// A test file of the author.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Test {
    /// Where it lives in the repository, such as `tests/e2e/test_view_homepage.py`.
    pub path: String,
    /// The source, in the language of the runner.
    pub source: String,
}

/// Writes the test of a feature for the directory `dir` of a repository. `start_path` is opened first, unless the
/// criteria begin with an `open`.
pub fn compile(e2e: E2e, dir: &str, feature: &str, criteria: &[Criterion], start_path: &str) -> Test {
    let slug = slug(feature);
    let start = match criteria.first() {
        Some(Criterion::Open(_)) => None,
        _ => Some(Criterion::Open(start_path.to_owned())),
    };
    let first = start.iter().map(|criterion| Step { number: None, criterion });
    let asked = (1..).zip(criteria).map(|(number, criterion)| Step { number: Some(number), criterion });
    let steps: Vec<Step<'_>> = first.chain(asked).collect();
    let source = match e2e {
        E2e::Pytest => python::source(feature, &slug, &steps),
        E2e::PlaywrightTest => typescript::source(&title(feature), &steps),
    };
    Test { path: format!("{dir}/{}", e2e.test_name(&slug)), source }
}

/// The feature in one line.
fn title(feature: &str) -> String {
    let mut title = feature.split_whitespace().collect::<Vec<_>>().join(" ");
    limits::truncate(&mut title, TITLE_BYTES);
    title
}

/// What one criterion becomes; the one that nobody asked for has no number.
struct Step<'a> {
    number: Option<usize>,
    criterion: &'a Criterion,
}

impl Step<'_> {
    fn comment(&self, language: Language) -> String {
        let number = self.number.map(|number| format!("criterion {number}: ")).unwrap_or_default();
        format!("{number}{}", Escaped::comment(&self.criterion.to_string(), language))
    }
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

/// How a language writes characters that cannot be seen.
#[derive(Debug, Clone, Copy)]
enum Language {
    Python,
    TypeScript,
}

/// A text for source code: backslashes, quotes and whatever cannot be seen are written as escapes.
struct Escaped<'a> {
    text: &'a str,
    language: Language,
    quotes: bool,
    newlines: bool,
}

impl<'a> Escaped<'a> {
    fn docstring(text: &'a str) -> Self {
        Self { text, language: Language::Python, quotes: true, newlines: false }
    }

    fn comment(text: &'a str, language: Language) -> Self {
        Self { text, language, quotes: false, newlines: true }
    }

    fn literal(text: &'a str, language: Language) -> Self {
        Self { text, language, quotes: true, newlines: true }
    }
}

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.text.chars() {
            match (c, self.language) {
                ('\n', _) if !self.newlines => f.write_char('\n')?,
                ('"' | '\\', _) if !self.quotes => f.write_char(c)?,
                ('"' | '\\', _) => write!(f, "\\{c}")?,
                ('\'', _) => f.write_char(c)?,
                // Rust knows what cannot be seen: controls, direction marks, lone combining marks.
                (c, _) if c.escape_debug().len() == 1 => f.write_char(c)?,
                (c, Language::TypeScript) => write!(f, "\\u{{{:x}}}", u32::from(c))?,
                (c, Language::Python) if u32::from(c) <= 0xffff => write!(f, "\\u{:04x}", u32::from(c))?,
                (c, Language::Python) => write!(f, "\\U{:08x}", u32::from(c))?,
            }
        }
        Ok(())
    }
}
