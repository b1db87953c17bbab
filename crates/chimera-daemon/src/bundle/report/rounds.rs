//! What was said no to, round by round, and what was remarked on the way.

use super::Subject;
use super::page::Page;
use chimera_core::{EntryKind, EvidenceKind, Finding, Outcome, Phase, Severity};

/// Most findings shown of a round.
const FINDINGS: usize = chimera_core::limits::FINDINGS;

pub(super) fn write(page: &mut Page, subject: &Subject<'_>) {
    let mut begun = false;
    for entry in &subject.dossier.journal {
        let EntryKind::Settled { result, .. } = &entry.kind else { continue };
        let told = match (result, entry.phase) {
            (Outcome::Passed { .. }, Phase::GuardianReview) => None,
            (Outcome::Passed { .. } | Outcome::Interrupted | Outcome::Unavailable { .. }, _) => continue,
            (Outcome::Rejected(setback) | Outcome::Failed(setback) | Outcome::Unknown(setback), _)
            | (Outcome::Transient { setback, .. }, _) => Some(setback),
        };
        if !begun {
            page.raw("<section><h2>Reviews and setbacks</h2>");
            begun = true;
        }
        let noted;
        let (class, word, summary, findings) = match told {
            Some(setback) => ("bad", "no", setback.summary.as_str(), setback.findings.as_slice()),
            None => {
                noted = remarks(subject, entry.attempt);
                ("good", "approved", "Every reviewer approved.", noted.as_slice())
            }
        };
        page.put("<div class=\"round\"><h3>", entry.phase, " <span class=\"chip ")
            .raw(class)
            .put("\">", word, "</span>");
        page.put("<span class=\"attempt\">attempt ", entry.attempt, "</span></h3>");
        page.put("<p class=\"summary\">", summary, "</p>");
        list(page, findings);
        page.raw("</div>");
    }
    if begun {
        page.raw("</section>");
    }
}

/// What the reviewers of an attempt remarked without saying no.
fn remarks(subject: &Subject<'_>, attempt: u32) -> Vec<Finding> {
    let found = subject.of_kind(EvidenceKind::Review).find(|exhibit| exhibit.attempt == attempt);
    let bytes = found.and_then(|exhibit| subject.content(exhibit));
    bytes.and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default()
}

fn list(page: &mut Page, findings: &[Finding]) {
    if findings.is_empty() {
        return;
    }
    page.raw("<ul class=\"findings\">");
    for finding in findings.iter().take(FINDINGS) {
        let (class, word) = match finding.severity {
            Severity::Error => ("bad", "error"),
            Severity::Warning => ("dull", "warning"),
            Severity::Info => ("dull", "info"),
        };
        page.raw("<li><span class=\"chip ").raw(class).put("\">", word, "</span> ");
        if let Some(file) = &finding.file {
            page.put("<code>", file, "");
            if let Some(line) = finding.line {
                page.text(format!(":{line}"));
            }
            page.raw("</code> ");
        }
        page.text(&finding.message).raw("</li>");
    }
    page.raw("</ul>");
}
