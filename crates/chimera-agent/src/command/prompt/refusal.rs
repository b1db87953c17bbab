//! What the last round was refused for.

use super::{Prompt, count, inline, numbers, short};
use crate::command::{Assignment, FailedSuite, FailedTest, Failure};
use chimera_core::{FailedAt, Finding, Phase, Severity};

/// Most cases of a suite whose details are shown; the names of the others are.
const CASES: usize = 5;
/// Longest details of one case of a suite, in bytes.
const DETAILS_BYTES: usize = 4 * 1024;
/// Longest list of findings, in bytes: a long one is worth its room, since each finding has to be answered.
const FINDINGS_BYTES: usize = 128 * 1024;

/// Which round this is, on what, and what was wrong with the last one; nothing in a first round.
pub(super) fn write(prompt: &mut Prompt, assignment: &Assignment<'_>) {
    let Some(report) = assignment.failure_report else { return };
    match assignment.round {
        Some(round) => prompt.head(&format!("Round {} of at most {}", round.number, round.of)),
        None => prompt.head("Your last round was refused"),
    }
    prompt.say(standing(assignment));
    match assignment.failure {
        Some(failure) => said(prompt, assignment, failure),
        None => findings(prompt, assignment, report),
    }
    if let Some(left_out) = assignment.left_out {
        prompt.quote("what you left that is not part of your change", left_out);
    }
    files(prompt, assignment);
}

/// The same for the author of the test.
pub(super) fn write_test(prompt: &mut Prompt, assignment: &Assignment<'_>) {
    let Some(report) = assignment.failure_report else { return };
    match assignment.round {
        Some(round) => prompt.head(&format!("Round {} of at most {}", round.number, round.of)),
        None => prompt.head("Your last test was refused"),
    }
    prompt.say("Your last test was refused. Write the whole file anew, without what was wrong with it.");
    if let Some(failure) = assignment.failure {
        for test in &failure.tests {
            failed_test(prompt, assignment, test, "On the application as it is now");
        }
    }
    findings(prompt, assignment, report);
    files(prompt, assignment);
}

/// Where the files of that refusal are.
fn files(prompt: &mut Prompt, assignment: &Assignment<'_>) {
    if !assignment.evidence.is_empty() {
        prompt.say(format!(
            "More about it is in the directory that the environment variable CHIMERA_EVIDENCE names: {}.",
            assignment.evidence.join(", ")
        ));
    }
}

/// What was wrong with the change before, for those who judge the next one.
pub(super) fn before(prompt: &mut Prompt, assignment: &Assignment<'_>) {
    let Some(report) = assignment.failure_report else { return };
    prompt.say("An earlier version of this change was refused; see whether this one is right.");
    findings(prompt, assignment, report);
}

/// Summary and findings; a summary that the findings say as well is said once.
fn findings(prompt: &mut Prompt, assignment: &Assignment<'_>, report: &str) {
    if assignment.findings.is_empty()
        || !assignment.findings.iter().any(|finding| report.contains(finding.message.as_str()))
    {
        prompt.quote("why the last round was refused", report);
    }
    if !assignment.findings.is_empty() {
        let lines: Vec<String> = assignment.findings.iter().map(finding).collect();
        prompt.quote_most("findings of the last round", &lines.join("\n"), FINDINGS_BYTES);
    }
}

/// What the round starts from, and what ends the task.
fn standing(assignment: &Assignment<'_>) -> String {
    let head =
        assignment.head_commit.map_or_else(|| "the last commit".to_owned(), |head| short(head).to_owned());
    let mut text = format!("Your last commit {head} is checked out. Fix it; do not start over.");
    if let (Some(change), Some(base)) = (assignment.change, assignment.base_commit) {
        text += &format!(
            " So far you changed {}, +{} -{} (git diff {}).",
            count(change.files, "file"),
            change.added,
            change.removed,
            short(base)
        );
    }
    if assignment.refused_by == Some(Phase::E2eValidation) {
        text += " If it fails in the same way once more, the task ends.";
    }
    text
}

fn said(prompt: &mut Prompt, assignment: &Assignment<'_>, failure: &Failure) {
    for test in &failure.tests {
        failed_test(prompt, assignment, test, "Your change was staged, and");
    }
    if let Some(suite) = &failure.suite {
        failed_suite(prompt, suite);
    }
    if failure.tests.is_empty() && failure.suite.is_none() {
        prompt.quote("why the last round was refused", assignment.failure_report.unwrap_or_default());
    }
    if !failure.refused.is_empty() {
        let hosts: Vec<String> = failure.refused.iter().map(|host| inline(host)).collect();
        prompt.say(format!(
            "The page asked for {}, which cannot be reached while it is judged: do without.",
            hosts.join(", ")
        ));
    }
    if let Some(log) = failure.server_log.as_deref().filter(|log| !log.trim().is_empty()) {
        prompt.quote("end of the server's log while the test ran", log);
    }
}

fn failed_test(prompt: &mut Prompt, assignment: &Assignment<'_>, test: &FailedTest, when: &str) {
    let at = &test.at;
    prompt.say(format!("{when} the end-to-end test `{}` failed{}.", inline(&test.id), place(assignment, at)));
    if fails_there_without_the_change(assignment, test) {
        prompt.say(
            "It fails at the same line without your change. Either your change does not reach that step yet, or the step itself \
             does not fit the application (a label with another name, a login that does not work). If no sensible change makes it \
             fit, answer \"disputed\" and say why.",
        );
    }
    let mut seen = String::new();
    if let Some(statement) = &at.statement {
        seen += &format!("the failing line: {statement}\n\n");
    }
    seen += &test.message;
    prompt.quote("what the test said", &seen);
    if let Some(url) = &at.url {
        let status = at.status.map(|status| format!(" (HTTP status {status})")).unwrap_or_default();
        prompt.say(format!("The page was {}{status}.", inline(url)));
    }
    if let Some(tree) = &at.snapshot {
        prompt.quote("what the page showed then (accessibility tree)", tree);
    }
    for (title, notes) in [("browser console", &at.console), ("failed requests of the page", &at.requests)] {
        if !notes.is_empty() {
            prompt.quote(title, &notes.join("\n"));
        }
    }
    if at.url.is_some() && at.console.is_empty() && at.requests.is_empty() {
        prompt.say("The browser's console showed no errors, and no request failed.");
    }
}

/// Whether the red run failed at the very line at which the change fails.
fn fails_there_without_the_change(assignment: &Assignment<'_>, test: &FailedTest) -> bool {
    let Some(red) = assignment.red else { return false };
    let mut steps = red.test_ids().iter().zip(red.reach());
    let before = steps.find(|(id, _)| **id == test.id).and_then(|(_, reach)| reach.failed.as_ref()?.line);
    before.is_some() && before == test.at.line
}

/// Line and criterion of a failure.
fn place(assignment: &Assignment<'_>, at: &FailedAt) -> String {
    let mut text = String::new();
    if let (Some(line), Some(path)) = (at.line, assignment.test_path) {
        text += &format!(" at {}:{line}", inline(path));
    }
    if !at.criteria.is_empty() {
        let all = match assignment.acceptance.len() {
            0 => String::new(),
            all => format!(" of {all}"),
        };
        text += &format!(", at criterion {}{all}", numbers(&at.criteria));
    }
    if !at.shown.is_empty() {
        let what = if at.shown.len() == 1 { "criterion" } else { "criteria" };
        text += &format!("; before it, {what} {} passed", numbers(&at.shown));
    }
    text
}

fn failed_suite(prompt: &mut Prompt, suite: &FailedSuite) {
    prompt.say(format!(
        "The project's test suite fails with your change and did not without it: {}. Its command is `{}`.",
        count(u32::try_from(suite.cases.len()).unwrap_or(u32::MAX), "test"),
        suite.command
    ));
    for case in suite.cases.iter().take(CASES) {
        let details = if case.details.trim().is_empty() { &case.message } else { &case.details };
        prompt.quote_most("a test that fails now", &format!("{}\n\n{details}", case.name), DETAILS_BYTES);
    }
    if suite.cases.len() > CASES {
        let names: Vec<&str> = suite.cases[CASES..].iter().map(|case| case.name.as_str()).collect();
        prompt.quote("further tests that fail now", &names.join("\n"));
    }
}

/// A finding in one piece, such as `error in app.py:3: ...`.
fn finding(finding: &Finding) -> String {
    let severity = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "info",
    };
    let line = finding.line.map(|line| format!(":{line}")).unwrap_or_default();
    let place = finding.file.as_deref().map(|file| format!(" in {file}{line}")).unwrap_or_default();
    format!("{severity}{place}: {}", finding.message)
}
