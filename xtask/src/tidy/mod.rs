//! The rules that no compiler checks.
//!
//! A rule is a function from the [`Tree`] of the project to its [`Complaint`]s; [`RULES`] names them all.
//! Map: [`text`] judges lines and names, [`code`] Rust syntax, [`crates`] who may depend on what,
//! [`migrations`] that history stays as it was, [`links`] that documents point at something.

mod code;
mod crates;
mod links;
mod migrations;
#[cfg(test)]
mod tests;
mod text;
mod tree;

pub(crate) use tree::{Source, Tree};

use std::fmt;

/// What a rule is.
type Rule = fn(&Tree) -> Vec<Complaint>;

/// Every rule.
const RULES: [Rule; 13] = [
    text::files_fit,
    text::names_say_something,
    text::no_local_paths,
    code::rust_can_be_parsed,
    code::functions_fit,
    code::modules_are_documented,
    code::nothing_is_unfinished,
    code::nothing_is_allowed_silently,
    code::tests_do_not_sleep,
    code::sql_stays_in_the_store,
    crates::dependencies_are_listed,
    migrations::history_stays,
    links::links_lead_somewhere,
];

/// A broken rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    path: String,
    line: Option<usize>,
    text: String,
}

impl Complaint {
    /// About a whole file.
    fn file(source: &Source, text: impl Into<String>) -> Self {
        Self { path: source.path.clone(), line: None, text: text.into() }
    }

    /// About a line, counted from 1.
    fn line(source: &Source, line: usize, text: impl Into<String>) -> Self {
        Self { path: source.path.clone(), line: Some(line), text: text.into() }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.path, self.text),
            None => write!(f, "{}: {}", self.path, self.text),
        }
    }
}

/// Every broken rule, in the order of the rules.
pub(crate) fn check(tree: &Tree) -> Vec<Complaint> {
    RULES.iter().flat_map(|rule| rule(tree)).collect()
}
