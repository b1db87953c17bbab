//! Runs, files, hashes, and how to check them.

use super::page::Page;
use super::{Subject, duration, size};
use crate::bundle::pack;
use chimera_core::{EvidenceKind, TestReport, TestStatus};

/// Every run of the test that left a report, in its order.
pub(super) fn runs(page: &mut Page, subject: &Subject<'_>) {
    let reports: Vec<_> = subject.of_kind(EvidenceKind::Report).collect();
    if reports.is_empty() {
        return;
    }
    page.raw("<section><h2>Every run of the test</h2><div class=\"scroll\"><table><thead><tr><th>Run</th><th>Attempt</th>");
    page.raw(
        "<th>Showed</th><th class=\"num\">Assertions</th><th class=\"num\">Time</th></tr></thead><tbody>",
    );
    for exhibit in reports {
        page.raw("<tr><td>");
        match &exhibit.path {
            Some(path) => page.put("<a href=\"", path, "\">").text(exhibit.label()).raw("</a>"),
            None => page.text(exhibit.label()),
        };
        page.put("</td><td>", exhibit.attempt, "</td>");
        match subject.report(exhibit) {
            Some(report) => {
                let (class, word) = showed(&report);
                let assertions: u64 = report.tests.iter().map(|test| u64::from(test.assertions)).sum();
                let time: u64 = report.tests.iter().map(|test| test.duration_ms).sum();
                page.raw("<td><span class=\"chip ").raw(class).put("\">", word, "</span></td>");
                page.put("<td class=\"num\">", assertions, "</td>");
                page.put("<td class=\"num\">", duration(time), "</td></tr>");
            }
            None => {
                page.raw("<td colspan=\"3\">its report cannot be shown</td></tr>");
            }
        }
    }
    page.raw("</tbody></table></div></section>");
}

/// What a run showed, in a word.
pub(super) fn showed(report: &TestReport) -> (&'static str, String) {
    let passed = report.tests.iter().filter(|test| test.status == TestStatus::Passed).count();
    let failed = report.tests.iter().filter(|test| test.status == TestStatus::AssertionFailed).count();
    let all = report.tests.len();
    if report.error.is_some() || all == 0 {
        ("dull", "broke".to_owned())
    } else if passed == all {
        ("good", format!("{passed} passed"))
    } else if passed + failed == all {
        ("bad", format!("{failed} of {all} failed"))
    } else {
        ("dull", format!("{} of {all} broke", all - passed - failed))
    }
}

/// The frozen test.
pub(super) fn test(page: &mut Page, subject: &Subject<'_>) {
    let wanted = subject.dossier.task.artifacts.test_sha256.as_ref();
    let mut tests = subject.of_kind(EvidenceKind::Test);
    let Some(exhibit) = tests.find(|exhibit| wanted.is_none_or(|wanted| exhibit.sha256 == *wanted)) else {
        return;
    };
    let Some(source) = subject.content(exhibit) else { return };
    let path = subject.dossier.task.artifacts.test_path.as_deref().unwrap_or(&exhibit.name);
    page.put(
        "<section><details><summary>The frozen test <code>",
        path,
        "</code></summary><pre class=\"source\">",
    );
    page.text(String::from_utf8_lossy(source)).raw("</pre></details></section>");
}

/// The index of the evidence.
pub(super) fn files(page: &mut Page, subject: &Subject<'_>) {
    let exhibits = &subject.dossier.exhibits;
    page.put(
        "<section><details><summary>",
        exhibits.len(),
        " pieces of evidence</summary><div class=\"scroll\">",
    );
    page.raw("<table><thead><tr><th>File</th><th>Kind</th><th>Attempt</th><th class=\"num\">Size</th><th>SHA-256</th></tr></thead><tbody>");
    for exhibit in exhibits {
        page.raw("<tr><td>");
        match &exhibit.path {
            Some(path) => page.put("<a href=\"", path, "\">").text(&exhibit.name).raw("</a>"),
            None => page.text(&exhibit.name).put(
                " <span class=\"note\">",
                exhibit.left_out.as_deref().unwrap_or(""),
                "</span>",
            ),
        };
        page.put("</td><td>", exhibit.kind.as_str(), "</td>").put("<td>", exhibit.attempt, "</td>");
        page.put("<td class=\"num\">", size(exhibit.size), "</td>");
        page.put("<td><code title=\"", &exhibit.sha256, "\">")
            .text(exhibit.sha256.short())
            .raw("</code></td></tr>");
    }
    page.raw("</tbody></table></div></details></section>");
}

/// What identifies the delivery, and how to check it.
pub(super) fn hashes(page: &mut Page, subject: &Subject<'_>) {
    let have = &subject.dossier.task.artifacts;
    let rows = [
        ("Base commit", have.base_commit.as_ref().map(ToString::to_string)),
        ("Head commit", have.head_commit.as_ref().map(ToString::to_string)),
        ("Approved commit", have.approved_commit.as_ref().map(ToString::to_string)),
        ("Deployed revision", have.deployed_revision.as_ref().map(ToString::to_string)),
        ("Frozen test, SHA-256", have.test_sha256.as_ref().map(ToString::to_string)),
        ("Diff, SHA-256", have.diff.as_ref().map(ToString::to_string)),
        (
            "Journal",
            Some(format!("{} entries, head {}", subject.dossier.journal.len(), subject.journal_head)),
        ),
        ("Signed with key", Some(subject.key_id.to_owned())),
    ];
    page.raw("<section><h2>Check it yourself</h2><p>This page is for reading and proves nothing by itself. The archive that it came in does:</p><pre class=\"source\">chimera-daemon verify ");
    page.text(&subject.dossier.task.task_id).raw(".tar --key ").text(subject.key_id);
    page.raw("</pre><p class=\"note\">Get the id of the key from whoever runs the daemon, not from here: <code>chimera-daemon key</code>. <code>--rerun</code> repeats red and green on your machine.</p><div class=\"scroll\"><table class=\"hashes\"><tbody>");
    for (name, value) in rows {
        if let Some(value) = value {
            page.put("<tr><th>", name, "</th>").put("<td><code>", value, "</code></td></tr>");
        }
    }
    page.raw("</tbody></table></div></section>");
}

pub(super) fn footer(page: &mut Page, subject: &Subject<'_>) {
    let tools = &subject.dossier.tools;
    page.put("<footer class=\"wrap\"><p>Written by chimera-daemon ", &tools.daemon, "");
    for tool in &tools.programs {
        page.put(" \u{b7} ", &tool.version, "");
    }
    page.put(". All data of this page: <code>", pack::MANIFEST, "</code> and what it lists.</p></footer>");
}
