//! What is seen at a glance: the verdict, and why.

use super::page::Page;
use super::{Subject, duration, millis};
use crate::bundle::dossier::Source;
use crate::web::rfc3339;
use chimera_core::{EvidenceKind, GreenProof, Phase, RedProof, Status, TestReport, TestStatus};

pub(super) fn write(page: &mut Page, subject: &Subject<'_>) {
    let (task, request) = (&subject.dossier.task, &subject.dossier.request);
    page.raw("<header><div class=\"wrap\"><p class=\"brand\">Chimera <span>delivery report</span>");
    page.put("<code>", &task.task_id, "</code></p>");
    let (class, word) = match task.status {
        Status::Completed => ("<p class=\"verdict good\">", "Proven"),
        Status::Cancelled => ("<p class=\"verdict\">", "Cancelled"),
        _ => ("<p class=\"verdict bad\">", "Not proven"),
    };
    page.put(class, word, "");
    if let Some(reason) = task.reason {
        page.put(" <b>", reason, "</b>");
    }
    page.raw("</p>").put("<h1>", &request.feature, "</h1>");
    page.put("<p class=\"lead\">", sentence(subject), "</p><dl class=\"facts\">");
    let facts = [
        ("Project", subject.dossier.project.name.clone()),
        ("Page", request.target_url.clone()),
        ("Branch", subject.dossier.project.branch.clone()),
        ("When", when(subject)),
        ("Cost", cost(subject)),
    ];
    for (name, value) in facts {
        page.put("<div><dt>", name, "</dt>").put("<dd>", value, "</dd></div>");
    }
    page.raw("</dl></div></header>");
    cards(page, subject);
}

fn when(subject: &Subject<'_>) -> String {
    let task = &subject.dossier.task;
    let began = task.started_at.unwrap_or(task.created_at);
    let minute = rfc3339(began).get(..16).unwrap_or_default().replace('T', " ");
    let took = task.completed_at.map(|end| millis(end.since(began)));
    took.map_or_else(|| format!("{minute} UTC"), |took| format!("{minute} UTC, {}", duration(took)))
}

fn cost(subject: &Subject<'_>) -> String {
    let usage = subject.dossier.task.usage;
    if usage.is_nothing() {
        return "none reported".to_owned();
    }
    format!("${:.2}, {} tokens", usage.cost_usd, usage.input_tokens.saturating_add(usage.output_tokens))
}

fn sentence(subject: &Subject<'_>) -> String {
    let task = &subject.dossier.task;
    match (task.status, &task.error) {
        (Status::Completed, _) => {
            "One unchanged end-to-end test failed in a real browser before the change, and passes \
                                   after it, on the commit that was reviewed and staged."
                .to_owned()
        }
        (Status::Failed, Some(error)) => {
            format!("Ended in {}: {error}", task.failed_in.map_or("an unknown phase", Phase::as_str))
        }
        _ => "It ended before anything was proven.".to_owned(),
    }
}

/// Red, green, review and controls, one card each.
fn cards(page: &mut Page, subject: &Subject<'_>) {
    let have = &subject.dossier.task.artifacts;
    page.raw("<section class=\"cards wrap\">");
    match &have.red {
        Some(red) => {
            let failed = subject.run(subject.red_attempt(), "red").map_or(0, |report| {
                report.tests.iter().filter(|test| test.status == TestStatus::AssertionFailed).count()
            });
            let detail = format!("on {}, before the change", RedProof::revision(red).short());
            card(page, "red", "Red", &format!("{failed} of {} failed", red.test_ids().len()), &detail);
        }
        None => card(page, "none", "Red", "not seen", "the test was not seen failing as it must"),
    }
    match &have.green {
        Some(green) => {
            let detail = format!("in a row on {}", GreenProof::revision(green).short());
            card(page, "green", "Green", &format!("{0} of {0} passed", green.runs()), &detail);
        }
        None => card(page, "none", "Green", "not seen", "the test was not seen passing as it must"),
    }
    let rounds = subject.dossier.phases.iter().filter(|at| at.phase == Phase::GuardianReview).count();
    match &have.approved_commit {
        Some(commit) => {
            let detail = format!("{} in round {rounds}", commit.short());
            card(page, "green", "Review", "approved", &detail);
        }
        None => card(
            page,
            "none",
            "Review",
            if rounds == 0 { "not reached" } else { "not approved" },
            "no commit",
        ),
    }
    let controls = subject
        .of_kind(EvidenceKind::Report)
        .filter(|exhibit| exhibit.label().starts_with("control"))
        .filter(|exhibit| [subject.red_attempt(), subject.green_attempt()].contains(&Some(exhibit.attempt)));
    let reports: Vec<_> = controls.filter_map(|exhibit| subject.report(exhibit)).collect();
    let passed = |report: &&TestReport| report.tests.iter().all(|test| test.status == TestStatus::Passed);
    match (reports.len(), reports.iter().filter(|report| !passed(report)).count()) {
        (0, _) => card(page, "none", "Controls", "none", "no runs that must fail are on record"),
        (all, failed) => {
            let kind = if failed == all { "red" } else { "none" };
            card(
                page,
                kind,
                "Controls",
                &format!("{failed} of {all} failed"),
                "where the test must fail, too",
            );
        }
    }
    page.raw("</section>");
}

fn card(page: &mut Page, kind: &'static str, name: &str, value: &str, detail: &str) {
    page.raw("<div class=\"card ").raw(kind).put("\"><p class=\"name\">", name, "</p>");
    page.put("<p class=\"value\">", value, "</p>").put("<p class=\"detail\">", detail, "</p></div>");
}

/// The acceptance criteria, and what came of each.
pub(super) fn criteria(page: &mut Page, subject: &Subject<'_>) {
    let criteria = &subject.dossier.criteria;
    page.raw("<section><h2>What was asked for</h2>");
    if criteria.from == Source::Derived {
        page.raw(
            "<p class=\"note\">The request brought no criteria; these were derived from its sentence.</p>",
        );
    }
    page.raw("<ol class=\"criteria\">");
    for sentence in &criteria.sentences {
        page.raw(if subject.completed() { "<li class=\"held\">" } else { "<li>" });
        page.put("<code>", sentence, "</code>");
        page.raw(if subject.completed() {
            "<span class=\"chip good\">holds</span></li>"
        } else {
            "<span class=\"chip\">not shown</span></li>"
        });
    }
    page.raw("</ol>");
    let red = subject.run(subject.red_attempt(), "red");
    for test in red.iter().flat_map(|report| &report.tests) {
        if let Some(message) = &test.message {
            page.put("<p class=\"note\">Before the change, <code>", &test.id, "</code> stopped here:</p>");
            page.put("<pre class=\"message\">", message, "</pre>");
        }
    }
    page.raw("</section>");
}
