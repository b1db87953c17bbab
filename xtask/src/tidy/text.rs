//! Rules about lines and names.

use super::{Complaint, Tree};
use std::path::Path;

/// Longest Rust file: what a reader can hold in mind.
const FILE_LINES: usize = 300;
/// Longest file of tests; cases are many and alike.
const TEST_FILE_LINES: usize = 500;
/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 9] =
    ["util", "utils", "helper", "helpers", "common", "manager", "managers", "misc", "shared"];

/// Rust files are short.
pub(super) fn files_fit(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for source in tree.rust() {
        let limit = if source.is_test() { TEST_FILE_LINES } else { FILE_LINES };
        let lines = source.text.lines().count();
        if lines > limit {
            let text = format!("{lines} lines, {limit} are the limit: give a part of it a file of its own");
            complaints.push(Complaint::file(source, text));
        }
    }
    complaints
}

/// No module is called after nothing.
pub(super) fn names_say_something(tree: &Tree) -> Vec<Complaint> {
    let empty = |name: &str| EMPTY_NAMES.contains(&name);
    let mut complaints = Vec::new();
    for source in tree.rust() {
        let path = source.path.strip_suffix(".rs").unwrap_or(&source.path);
        if let Some(name) = path.split('/').find(|part| empty(part)) {
            let text = format!("`{name}` says nothing: name the module after what it does");
            complaints.push(Complaint::file(source, text));
        }
    }
    complaints
}

/// Nothing speaks of the machine that it was written on.
pub(super) fn no_local_paths(tree: &Tree) -> Vec<Complaint> {
    let mut roots = vec![concat!("/ho", "me/"), concat!("/Us", "ers/"), concat!("/ro", "ot/")];
    // A checkout right below `/` may be called anything, such as `/src`.
    if tree.root().components().count() > 2
        && let Some(root) = Path::to_str(tree.root())
    {
        roots.push(root);
    }
    let mut complaints = Vec::new();
    for source in tree.sources() {
        for (number, line) in (1..).zip(source.text.lines()) {
            if let Some(found) = roots.iter().find(|root| starts_a_path(line, root)) {
                let text = format!("`{found}` exists on one machine only: say it relative to something");
                complaints.push(Complaint::line(source, number, text));
            }
        }
    }
    complaints
}

/// True if the text occurs where a path begins, rather than in the middle of a longer one.
fn starts_a_path(line: &str, root: &str) -> bool {
    line.match_indices(root).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "_-.}/".contains(c))
    })
}
