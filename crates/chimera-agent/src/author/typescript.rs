//! Playwright Test.

use super::{Escaped, Language, Step};
use crate::criteria::Criterion;
use std::fmt::Write as _;

pub(super) fn source(title: &str, steps: &[Step<'_>]) -> String {
    let mut body = String::new();
    for step in steps {
        // Writing to a string cannot fail.
        let _ = writeln!(body, "  // {}", step.comment(Language::TypeScript));
        let _ = writeln!(body, "  {};", statement(step.criterion));
    }
    let title = literal(title);
    format!(
        "import {{ expect, test }} from \"@playwright/test\";\n\ntest({title}, async ({{ page }}) => {{\n{body}}});\n"
    )
}

fn statement(criterion: &Criterion) -> String {
    match criterion {
        Criterion::Open(path) => format!("await page.goto({})", literal(path)),
        Criterion::SeeHeading(name) => visible(&role("heading", name)),
        Criterion::SeeLink(name) => visible(&role("link", name)),
        Criterion::SeeButton(name) => visible(&role("button", name)),
        Criterion::SeeText(text) => visible(&visible_text(text)),
        Criterion::NotSeeText(text) => format!("await expect({}).toHaveCount(0)", visible_text(text)),
        Criterion::TitleIs(title) => format!("await expect(page).toHaveTitle({})", literal(title)),
        Criterion::Click(name) => {
            format!("await {}.or({}).click()", role("link", name), role("button", name))
        }
        Criterion::ClickLink(name) => format!("await {}.click()", role("link", name)),
        Criterion::ClickButton(name) => format!("await {}.click()", role("button", name)),
        Criterion::Fill { label, value } => format!("await {}.fill({})", field(label), literal(value)),
        Criterion::Choose { option, label } => {
            format!("await {}.selectOption({{ label: {} }})", field(label), literal(option))
        }
        Criterion::Check(label) => format!("await {}.check()", field(label)),
        Criterion::UrlIs(path) => {
            format!("await expect(page).toHaveURL(new RegExp({}))", literal(&super::url_pattern(path)))
        }
    }
}

/// At least one of the matches is visible: a page may say a thing twice.
fn visible(locator: &str) -> String {
    format!("await expect({locator}.first()).toBeVisible()")
}

fn role(role: &str, name: &str) -> String {
    format!("page.getByRole(\"{role}\", {{ name: {}, exact: true }})", literal(name))
}

/// A part of a text counts, in upper or lower case.
fn visible_text(text: &str) -> String {
    format!("page.getByText({}).filter({{ visible: true }})", literal(text))
}

fn field(label: &str) -> String {
    format!("page.getByLabel({}, {{ exact: true }})", literal(label))
}

fn literal(text: &str) -> String {
    format!("\"{}\"", Escaped::literal(text, Language::TypeScript))
}
