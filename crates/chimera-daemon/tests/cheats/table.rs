//! What came of the cases, for people.

use crate::case::{Expect, Runner};
use crate::hall::Verdict;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// Where the table is kept.
const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cheats.md");
const BEGIN: &str = "<!-- begin: written by the tests -->\n";
const END: &str = "<!-- end -->\n";

/// Prints the table and how many of which kind came through.
pub(crate) fn print(results: &[Verdict]) {
    println!("\n{}", markdown(results));
    for runner in Runner::ALL {
        let of =
            |honest| results.iter().filter(move |one| one.runner == runner && one.case.honest() == honest);
        let through = |honest| of(honest).filter(|one| one.status == "completed").count();
        println!(
            "{}: {} of {} dishonest completed, {} of {} honest",
            runner.name(),
            through(false),
            of(false).count(),
            through(true),
            of(true).count()
        );
    }
}

/// Puts the table into the documents.
pub(crate) fn write_into_docs(results: &[Verdict]) {
    let path = Path::new(DOCS);
    let text = std::fs::read_to_string(path).expect("docs/cheats.md");
    let (before, rest) = text.split_once(BEGIN).expect("the beginning of the table");
    let (_, after) = rest.split_once(END).expect("the end of the table");
    std::fs::write(path, format!("{before}{BEGIN}{}{END}{after}", markdown(results))).expect("written");
}

/// One row per case, with what each runner's delivery came to.
fn markdown(results: &[Verdict]) -> String {
    let mut text = String::new();
    for (title, honest) in [("Dishonest or broken", false), ("Honest", true)] {
        let _ = writeln!(
            text,
            "\n### {title}\n\n| case | what it does | pytest | Playwright Test |\n|---|---|---|---|"
        );
        let mut rows: BTreeMap<usize, [String; 2]> = BTreeMap::new();
        let mut names: Vec<&str> = Vec::new();
        for one in results.iter().filter(|one| one.case.honest() == honest) {
            let row = names.iter().position(|name| *name == one.case.name).unwrap_or_else(|| {
                names.push(one.case.name);
                names.len() - 1
            });
            rows.entry(row).or_insert_with(|| ["".to_owned(), "".to_owned()])[one.runner as usize] = end(one);
        }
        for (row, [py, ts]) in rows {
            let name = names[row];
            let what = results.iter().find(|one| one.case.name == name).map_or("", |one| one.case.what);
            let _ = writeln!(text, "| `{name}` | {what} | {py} | {ts} |");
        }
    }
    text
}

/// What it came to in this run; bold if that is not what it must.
fn end(one: &Verdict) -> String {
    match (one.complaint(), one.case.expect) {
        (Some(_), _) => format!("**{} {}**", one.status, one.reason),
        (None, Expect::Completed) => "completed".to_owned(),
        (None, Expect::Refused(_)) => format!("`{}`", one.reason),
    }
}
