//! What the project demands of every change, before it is violated.

use super::{Prompt, inline};
use crate::command::{Assignment, Rules};

/// What holds for every change.
pub(super) fn write(prompt: &mut Prompt, assignment: &Assignment<'_>) {
    let rules = &assignment.rules;
    prompt.head("Rules for the change");
    let mut lines = Vec::new();
    if let Some(test) = assignment.test_path {
        lines.push(format!(
            "Do not change {}, nor anything else in {}/: frozen tests live there.",
            inline(test),
            assignment.e2e_dir
        ));
    }
    lines.push(format!("Do not touch these paths: {}.", rules.protected.join(", ")));
    lines.push(format!(
        "Do not touch lock files, so no new dependencies: {}.{}",
        rules.lock_files.join(", "),
        if rules.allowed.is_empty() {
            String::new()
        } else {
            format!(" These paths may be touched all the same: {}.", rules.allowed.join(", "))
        }
    ));
    lines.push(format!(
        "At most {} changed lines. No secrets, no build products, no conflict markers.",
        assignment.limits.max_diff_lines
    ));
    lines.push(
        "Files that .gitignore ignores are not part of the change and will be missing when it is staged. The \
            same goes for build outputs and caches (node_modules/, dist/, __pycache__/ and the like), unless the repository tracks \
            files there."
            .to_owned(),
    );
    lines.push(
        "Do not commit, push or deploy: the daemon does. It takes every file as you leave it.".to_owned(),
    );
    prompt.list(&lines);
    checks(prompt, rules);
    running(prompt, rules);
}

/// What will be run on the change.
fn checks(prompt: &mut Prompt, rules: &Rules<'_>) {
    let checks = rules.checks.iter().map(|check| format!("check: `{check}`"));
    let suite = rules.suite.map(|suite| format!("test suite, in which nothing may newly fail: `{suite}`"));
    let commands: Vec<String> = checks.chain(suite).collect();
    if !commands.is_empty() {
        prompt.say("These commands will be run by `sh -c` in a copy of your change, and must succeed:");
        prompt.list(&commands);
    }
}

/// How the application is built and started.
fn running(prompt: &mut Prompt, rules: &Rules<'_>) {
    let mut lines = Vec::new();
    lines.extend(rules.build.map(|build| format!("build: `{build}`")));
    lines.extend(rules.start.map(|start| format!("start, with the port to listen on in $PORT: `{start}`")));
    lines.extend(rules.ready.map(|ready| format!("ready once this path answers: {ready}")));
    let from = if rules.build.is_some() { " that the build leaves" } else { "" };
    lines.extend(rules.static_dir.map(|dir| format!("the files below `{dir}`{from} are served as they are")));
    if !lines.is_empty() {
        prompt.say("This is how the application is run, in a copy of the repository; run it so yourself to try your change:");
        prompt.list(&lines);
    }
}
