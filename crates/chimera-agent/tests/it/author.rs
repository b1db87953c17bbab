//! The built-in test author.

use chimera_agent::author::compile;
use chimera_agent::criteria::{Criterion, parse_all};
use chimera_agent::spec::{E2E_DIR, E2e};
use std::path::Path;
use std::process::Command;

const HOSTILE: [&str; 12] = [
    "plain",
    "\"\"\"\nimport os; os._exit(0)\n\"\"\"",
    "'''",
    "ends with a backslash \\",
    "\\\"\"\"\\",
    "\"",
    "tab\tnul\u{0}bell\u{7}escape\u{1b}[31m",
    "carriage\rreturn\r\nand newline",
    "\u{202e}right to left\u{2028}line\u{2029}paragraph\u{85}next",
    "Ünïcödé 本 🦀 e\u{301} \u{feff}\u{e000}\u{10ffff}",
    "{braces} %s %(x)s $x `x` #x",
    "\u{301}combining first \\N{BULLET} \\x41 \\u0041",
];

fn every_criterion(text: &str) -> Vec<Criterion> {
    let t = || text.to_owned();
    vec![
        Criterion::Open(t()),
        Criterion::SeeHeading(t()),
        Criterion::SeeText(t()),
        Criterion::SeeLink(t()),
        Criterion::SeeButton(t()),
        Criterion::TitleIs(t()),
        Criterion::NotSeeText(t()),
        Criterion::Click(t()),
        Criterion::ClickLink(t()),
        Criterion::ClickButton(t()),
        Criterion::Fill { label: t(), value: t() },
        Criterion::Choose { option: t(), label: t() },
        Criterion::Check(t()),
        Criterion::UrlIs("/x".to_owned()),
    ]
}

/// Runs a Python script on files and gives back what it printed.
fn python(script: &str, dir: &Path) -> String {
    let out = Command::new("python3").args(["-c", script]).current_dir(dir).output().expect("python3 runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("UTF-8")
}

#[test]
fn the_test_reads_like_the_criteria() {
    let sentences = [
        "see title \"Shop\"",
        "click link \"Books\"",
        "fill \"Search\" with \"Rust\"",
        "choose \"Newest\" from \"Sort by\"",
        "check \"In stock\"",
        "click \"Go\"",
        "url is \"/books.html\"",
        "see text \"1 book\"",
        "not see text \"Error\"",
    ];
    let criteria = parse_all(&sentences.map(str::to_owned)).expect("in the grammar");
    let test = compile(E2e::Pytest, E2E_DIR, "User can find books", &criteria, "/index.html");
    assert_eq!(test.path, "tests/e2e/test_user_can_find_books.py");
    let expected = r##""""User can find books"""

import re

from playwright.sync_api import Page, expect


def test_user_can_find_books(page: Page) -> None:
    # open "/index.html"
    page.goto("/index.html")
    # criterion 1: title is "Shop"
    expect(page).to_have_title("Shop")
    # criterion 2: click link "Books"
    page.get_by_role("link", name="Books", exact=True).click()
    # criterion 3: fill "Search" with "Rust"
    page.get_by_label("Search", exact=True).fill("Rust")
    # criterion 4: choose "Newest" from "Sort by"
    page.get_by_label("Sort by", exact=True).select_option(label="Newest")
    # criterion 5: check "In stock"
    page.get_by_label("In stock", exact=True).check()
    # criterion 6: click "Go"
    page.get_by_role("link", name="Go", exact=True).or_(page.get_by_role("button", name="Go", exact=True)).click()
    # criterion 7: url is "/books.html"
    expect(page).to_have_url(re.compile("^https?://[^/]+/books\\.html(\\?[^#]*)?(#.*)?$"))
    # criterion 8: see text "1 book"
    expect(page.get_by_text("1 book").filter(visible=True).first).to_be_visible()
    # criterion 9: not see text "Error"
    expect(page.get_by_text("Error").filter(visible=True)).to_have_count(0)
"##;
    assert_eq!(test.source, expected);
}

#[test]
fn no_text_can_become_code() {
    let dir = tempfile::tempdir().expect("a directory");
    for (number, text) in HOSTILE.iter().enumerate() {
        let test = compile(E2e::Pytest, E2E_DIR, text, &every_criterion(text), "/");
        std::fs::write(dir.path().join(format!("{number}.py")), &test.source).expect("written");
    }
    let texts = serde_json::to_string(&HOSTILE).expect("JSON");
    std::fs::write(dir.path().join("texts.json"), texts).expect("written");
    let script = r#"
import ast, json
for number, text in enumerate(json.load(open("texts.json", encoding="utf-8"))):
    source = open(f"{number}.py", encoding="utf-8", newline="").read()
    tree = ast.parse(source)
    assert ast.get_docstring(tree, clean=False) == text, (number, ast.get_docstring(tree, clean=False), text)
    kinds = [type(node).__name__ for node in tree.body]
    assert kinds == ["Expr", "Import", "ImportFrom", "FunctionDef"], (number, kinds)
    body = tree.body[-1].body
    assert len(body) == 14 and all(type(node).__name__ == "Expr" for node in body), (number, body)
    strings = [n.value for n in ast.walk(tree.body[-1]) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    assert strings.count(text) == 16, (number, strings.count(text), strings)
    assert source.isprintable() or all(c.isprintable() or c == "\n" for c in source), number
print("ok")
"#;
    assert_eq!(python(script, dir.path()).trim(), "ok");
}

#[tokio::test]
async fn no_text_can_become_typescript() {
    let dir = tempfile::tempdir().expect("a directory");
    for (number, text) in HOSTILE.iter().enumerate() {
        let test = compile(E2e::PlaywrightTest, E2E_DIR, text, &every_criterion(text), "/");
        std::fs::write(dir.path().join(format!("{number}.spec.ts")), &test.source).expect("written");
    }
    let texts = serde_json::to_string(&HOSTILE).expect("JSON");
    std::fs::write(dir.path().join("texts.json"), texts).expect("written");
    let script = r#"
const fs = require('fs');
const { babelParse, types } = require(process.argv[1]);
JSON.parse(fs.readFileSync('texts.json', 'utf8')).forEach((text, number) => {
  const source = fs.readFileSync(`${number}.spec.ts`, 'utf8');
  const { program } = babelParse(source, 'x.spec.ts', false);
  const kinds = program.body.map(node => node.type).join();
  if (kinds !== 'ImportDeclaration,ExpressionStatement') throw new Error(`${number}: ${kinds}`);
  const body = program.body[1].expression.arguments[1].body.body;
  if (body.length !== 14 || body.some(node => node.expression?.type !== 'AwaitExpression')) throw new Error(`${number}: ${source}`);
  let count = 0;
  types.traverseFast(program.body[1], node => { count += node.type === 'StringLiteral' && node.value === text; });
  // The title is the text, too, unless white space in it was put together.
  if (count !== 16 && count !== 17) throw new Error(`${number}: ${count}`);
});
console.log('ok');
"#;
    let tools = crate::toolchain::tools().await.playwright_test.expect("Playwright Test");
    let parser = tools.dir.join("node_modules/playwright/lib/transform/babelBundle.js");
    let out = Command::new(tools.node).arg("-e").arg(script).arg(parser).current_dir(dir.path()).output();
    let out = out.expect("Node.js runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(String::from_utf8_lossy(&out.stdout).trim(), "ok");
}

#[test]
fn the_typescript_reads_like_the_criteria() {
    let sentences =
        ["see title \"Shop\"", "click \"Go\"", "url is \"/books.html\"", "not see text \"Error\""];
    let criteria = parse_all(&sentences.map(str::to_owned)).expect("in the grammar");
    let test = compile(E2e::PlaywrightTest, E2E_DIR, "User can find books", &criteria, "/index.html");
    assert_eq!(test.path, "tests/e2e/user_can_find_books.spec.ts");
    let expected = r##"import { expect, test } from "@playwright/test";

test("User can find books", async ({ page }) => {
  // open "/index.html"
  await page.goto("/index.html");
  // criterion 1: title is "Shop"
  await expect(page).toHaveTitle("Shop");
  // criterion 2: click "Go"
  await page.getByRole("link", { name: "Go", exact: true }).or(page.getByRole("button", { name: "Go", exact: true })).click();
  // criterion 3: url is "/books.html"
  await expect(page).toHaveURL(new RegExp("^https?://[^/]+/books\\.html(\\?[^#]*)?(#.*)?$"));
  // criterion 4: not see text "Error"
  await expect(page.getByText("Error").filter({ visible: true })).toHaveCount(0);
});
"##;
    assert_eq!(test.source, expected);
}

#[test]
fn an_address_is_matched_whole_and_escaped() {
    let dir = tempfile::tempdir().expect("a directory");
    let cases = [
        ("/a.html", "http://h:1/a.html", true),
        ("/a.html", "http://h:1/a.html?x=1#top", true),
        ("/a.html", "http://h:1/aXhtml", false),
        ("/a.html", "http://h:1/b/a.html", false),
        ("/a.html", "http://h:1/a.html/b", false),
        ("/a?x=1", "http://h:1/a?x=1", true),
        ("/a?x=1", "http://h:1/a?x=1&y=2", false),
        ("/a?x=1", "http://h:1/a", false),
        ("/a#top", "http://h:1/a#top", true),
        ("/a#top", "http://h:1/a", false),
        ("/bücher", "http://h:1/b%C3%BCcher", true),
        ("/", "http://h:1/", true),
        ("/", "http://h:1/a", false),
        ("/(a+)*$", "http://h:1/(a+)*$", true),
    ];
    for (number, (path, _, _)) in cases.iter().enumerate() {
        let test = compile(E2e::Pytest, E2E_DIR, "x", &[Criterion::UrlIs((*path).to_owned())], "/");
        std::fs::write(dir.path().join(format!("{number}.py")), test.source).expect("written");
    }
    std::fs::write(dir.path().join("cases.json"), serde_json::to_string(&cases).expect("JSON"))
        .expect("written");
    let script = r#"
import ast, json, re
for number, (path, url, expected) in enumerate(json.load(open("cases.json", encoding="utf-8"))):
    tree = ast.parse(open(f"{number}.py", encoding="utf-8").read())
    pattern = [n.value for n in ast.walk(tree.body[-1]) if isinstance(n, ast.Constant) and isinstance(n.value, str)][-1]
    assert bool(re.search(pattern, url)) == expected, (path, url, pattern)
print("ok")
"#;
    assert_eq!(python(script, dir.path()).trim(), "ok");
}
