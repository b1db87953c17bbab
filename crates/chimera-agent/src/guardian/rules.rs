//! The checks of the change itself.

use super::diff::File;
use super::{Review, secrets};
use crate::workspace::litter_dir;
use chimera_core::{Finding, Severity};
use std::collections::BTreeMap;

/// Paths that no change may touch in any project: what runs in the name of others.
pub const PROTECTED: [&str; 10] = [
    ".git/",
    ".github/workflows/",
    ".github/actions/",
    ".gitlab-ci.yml",
    ".circleci/",
    ".ci/",
    ".buildkite/",
    "Jenkinsfile",
    "azure-pipelines.yml",
    ".gitmodules",
];
/// Lock files, in whatever directory: they pin what tests, builds and users run, the test tool among it.
pub const LOCKS: [&str; 11] = [
    "package-lock.json",
    "npm-shrinkwrap.json",
    "yarn.lock",
    "pnpm-lock.yaml",
    "bun.lock",
    "bun.lockb",
    "poetry.lock",
    "uv.lock",
    "pdm.lock",
    "Pipfile.lock",
    "pylock.toml",
];
/// Most binary files that are let pass in one change; pictures of a page are fine, a binary dump is not.
const BINARIES: usize = 20;

/// Places that a finding on the size of a change names.
const PLACES: usize = 3;

/// All findings of all rules.
pub(super) fn all(review: &Review<'_>, change: &[File]) -> Vec<Finding> {
    let own: Vec<&File> = change.iter().filter(|file| file.path != review.frozen_path).collect();
    [
        frozen(review),
        empty(&own),
        other_tests(review, &own),
        protected(review, &own),
        locks(review, &own),
        size(review, &own),
        links(&own),
        conflicts(&own),
        secrets::findings(&own),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn error(file: Option<&str>, line: Option<u32>, message: String) -> Finding {
    Finding { file: file.map(str::to_owned), line, severity: Severity::Error, message }
}

fn frozen(review: &Review<'_>) -> Vec<Finding> {
    let same =
        review.frozen_at_head.is_some_and(|bytes| crate::vault::sha256(bytes) == *review.frozen_sha256);
    if same {
        return Vec::new();
    }
    vec![error(
        Some(review.frozen_path),
        None,
        "the frozen test was changed or removed: restore it".to_owned(),
    )]
}

fn empty(own: &[&File]) -> Vec<Finding> {
    if own.is_empty() {
        vec![error(None, None, "the change consists of the test alone".to_owned())]
    } else {
        Vec::new()
    }
}

fn other_tests(review: &Review<'_>, own: &[&File]) -> Vec<Finding> {
    let tests = &review.project.e2e_dir;
    let touched = own.iter().filter(|file| covers(tests, &file.path));
    touched
        .map(|file| {
            error(Some(&file.path), None, format!("a change must not touch {tests}/ besides its own test"))
        })
        .collect()
}

fn protected(review: &Review<'_>, own: &[&File]) -> Vec<Finding> {
    let rules: Vec<&str> =
        PROTECTED.into_iter().chain(review.project.protected.iter().map(String::as_str)).collect();
    let allowed = |path: &str| review.project.allow_paths.iter().any(|rule| covers(rule, path));
    let hit = |path: &str| rules.iter().copied().find(|rule| covers(rule, path) && !allowed(path));
    own.iter()
        .filter_map(|file| Some((file, hit(&file.path)?)))
        .map(|(file, rule)| {
            error(Some(&file.path), None, format!("`{rule}` is protected: no change may touch it"))
        })
        .collect()
}

fn locks(review: &Review<'_>, own: &[&File]) -> Vec<Finding> {
    let allowed = |path: &str| review.project.allow_paths.iter().any(|rule| covers(rule, path));
    let touched = own.iter().filter(|file| {
        let name = file.path.rsplit('/').next().unwrap_or_default();
        LOCKS.contains(&name) && !allowed(&file.path)
    });
    touched
        .map(|file| {
            let why = "a lock file decides what is run, the test tool included: the project can allow it in `allow_paths`";
            error(Some(&file.path), None, why.to_owned())
        })
        .collect()
}

/// Whether a path is this file, or lies in this directory.
fn covers(rule: &str, path: &str) -> bool {
    let rule = rule.trim_end_matches('/');
    path == rule || path.strip_prefix(rule).is_some_and(|rest| rest.starts_with('/'))
}

fn size(review: &Review<'_>, own: &[&File]) -> Vec<Finding> {
    let lines: u64 = own.iter().map(|file| file.added.len() as u64 + u64::from(file.removed)).sum();
    let binaries = own.iter().filter(|file| file.binary).count();
    let most = review.project.max_diff_lines;
    let mut findings = Vec::new();
    if lines > u64::from(most) {
        let most_of_it = largest_places(own);
        let why = format!("{lines} changed lines are more than the {most} allowed: {most_of_it}");
        findings.push(error(None, None, why));
    }
    if binaries > BINARIES {
        findings.push(error(
            None,
            None,
            format!("{binaries} binary files are more than the {BINARIES} allowed"),
        ));
    }
    findings
}

/// Where most of the changed lines are: build outputs as a whole, otherwise by the first directory.
fn largest_places(own: &[&File]) -> String {
    let mut places: BTreeMap<&str, u64> = BTreeMap::new();
    for file in own {
        let place = litter_dir(&file.path).or(file.path.split('/').next()).unwrap_or_default();
        *places.entry(place).or_default() += file.added.len() as u64 + u64::from(file.removed);
    }
    let mut places: Vec<(&str, u64)> = places.into_iter().collect();
    places.sort_by_key(|(_, lines)| std::cmp::Reverse(*lines));
    let shown = places.iter().take(PLACES).map(|(place, lines)| format!("{lines} in {place}"));
    shown.collect::<Vec<_>>().join(", ")
}

fn links(own: &[&File]) -> Vec<Finding> {
    let odd = own.iter().filter_map(|file| {
        if file.repository {
            return Some((file, "a repository within the repository".to_owned()));
        }
        let target = file.added.first().filter(|_| file.link).map(|(_, target)| target)?;
        let depth = file.path.matches('/').count();
        let up = target.split('/').filter(|part| *part == "..").count();
        (target.starts_with('/') || up > depth)
            .then(|| (file, "a link that leads out of the repository".to_owned()))
    });
    odd.map(|(file, what)| error(Some(&file.path), None, format!("{what} is not allowed"))).collect()
}

fn conflicts(own: &[&File]) -> Vec<Finding> {
    let marked = |line: &str| line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> ");
    let lines = own.iter().flat_map(|file| file.added.iter().map(move |(number, line)| (file, number, line)));
    lines
        .filter(|(_, _, line)| marked(line))
        .map(|(file, number, _)| {
            error(Some(&file.path), Some(*number), "a conflict is not resolved".to_owned())
        })
        .collect()
}
