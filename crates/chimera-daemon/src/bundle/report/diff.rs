//! The change, coloured.

use super::Subject;
use super::page::Page;
use chimera_core::EvidenceKind;

/// Most lines shown; the patch itself is beside the page.
const LINES: usize = 3000;
/// Longest line shown, in characters.
const LINE_CHARS: usize = 400;
/// Files beyond this many are folded.
const UNFOLDED: usize = 8;

pub(super) fn write(page: &mut Page, subject: &Subject<'_>) {
    let wanted = subject.dossier.task.artifacts.diff.as_ref();
    let mut diffs = subject.of_kind(EvidenceKind::Diff).rev();
    let Some(exhibit) = diffs.find(|exhibit| Some(&exhibit.sha256) == wanted) else { return };
    page.raw("<section><h2>The change</h2>");
    match subject.content(exhibit) {
        Some(bytes) => {
            let test = subject.dossier.task.artifacts.test_path.as_deref();
            files(page, &String::from_utf8_lossy(bytes), test);
        }
        None => {
            page.raw("<p class=\"note\">It is too large for this page.</p>");
        }
    }
    if let Some(path) = &exhibit.path {
        page.put("<p class=\"note\">The whole patch: <a href=\"", path, "\">").text(path).raw("</a></p>");
    }
    page.raw("</section>");
}

fn files(page: &mut Page, patch: &str, test: Option<&str>) {
    let mut left = LINES;
    let starts = patch.match_indices("diff --git ").map(|(at, _)| at);
    let starts: Vec<usize> = starts.filter(|at| *at == 0 || patch.as_bytes()[at - 1] == b'\n').collect();
    for (number, start) in starts.iter().enumerate() {
        let end = starts.get(number + 1).copied().unwrap_or(patch.len());
        let part = &patch[*start..end];
        // The test is shown on its own.
        let open = number < UNFOLDED && Some(name(part)) != test;
        file(page, part, open, &mut left);
    }
    if left == 0 {
        page.put("<p class=\"note\">Only the first ", LINES, " lines are shown.</p>");
    }
}

/// The file that a part of a patch is about.
fn name(part: &str) -> &str {
    let head = part.split("\n@@").next().unwrap_or_default();
    let marked = |mark: &str| head.lines().find_map(|line| line.strip_prefix(mark));
    let first = || head.lines().next().and_then(|line| line.rsplit_once(" b/")).map_or("?", |(_, name)| name);
    marked("+++ b/").or_else(|| marked("--- a/")).unwrap_or_else(first).trim_end_matches('\t')
}

fn file(page: &mut Page, part: &str, open: bool, left: &mut usize) {
    let body = part.find("\n@@").map_or("", |at| &part[at + 1..]);
    let count = |mark: char| body.lines().filter(|line| line.starts_with(mark)).count();
    page.raw(if open {
        "<details class=\"diff\" open><summary><code>"
    } else {
        "<details class=\"diff\"><summary><code>"
    });
    page.text(name(part)).put("</code> <span class=\"plus\">+", count('+'), "</span> ");
    page.put("<span class=\"minus\">\u{2212}", count('-'), "</span></summary><pre>");
    if body.is_empty() {
        page.raw("<span class=\"h\">no lines to show: a binary file, or only its mode</span>");
    }
    for line in body.lines() {
        if *left == 0 {
            break;
        }
        *left -= 1;
        page.raw(match line.as_bytes().first() {
            Some(b'+') => "<span class=\"a\">",
            Some(b'-') => "<span class=\"d\">",
            Some(b'@' | b'\\') => "<span class=\"h\">",
            _ => "<span>",
        });
        let cut: String = line.chars().take(LINE_CHARS).collect();
        page.text(&cut);
        if cut.len() < line.len() {
            page.text(" [...]");
        }
        page.raw("\n</span>");
    }
    page.raw("</pre></details>");
}
