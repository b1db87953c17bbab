//! pytest-playwright.

use super::{Escaped, Language, Step};
use crate::criteria::Criterion;
use std::fmt::Write as _;

pub(super) fn source(feature: &str, slug: &str, steps: &[Step<'_>]) -> String {
    let mut body = String::new();
    let mut imports = "";
    for step in steps {
        // Writing to a string cannot fail.
        let _ = writeln!(body, "    # {}", step.comment(Language::Python));
        let _ = writeln!(body, "    {}", statement(step.criterion));
        if matches!(step.criterion, Criterion::UrlIs(_)) {
            imports = "import re\n\n";
        }
    }
    format!(
        "\"\"\"{feature}\"\"\"\n\n{imports}from playwright.sync_api import Page, expect\n\n\n\
         def test_{slug}(page: Page) -> None:\n{body}",
        feature = Escaped::docstring(feature),
    )
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
            format!("expect(page).to_have_url(re.compile({}))", literal(&super::url_pattern(path)))
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

fn literal(text: &str) -> String {
    format!("\"{}\"", Escaped::literal(text, Language::Python))
}
