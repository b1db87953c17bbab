//! When what happened, how long it took, and what it cost.

use super::page::Page;
use super::{Subject, duration, millis};
use crate::bundle::dossier::Stretch;

/// Width of the drawing, in its own units.
const WIDTH: u64 = 1000;
/// Narrowest bar that can be seen.
const NARROW: u64 = 6;

pub(super) fn write(page: &mut Page, subject: &Subject<'_>) {
    let phases = &subject.dossier.phases;
    let Some(first) = phases.first() else { return };
    let begin = first.began;
    let end = |at: &Stretch| millis(at.began.since(begin)).saturating_add(at.duration_ms);
    let whole = phases.iter().map(end).max().unwrap_or(0).max(1);
    let place =
        |time: u64| u64::try_from(u128::from(time) * u128::from(WIDTH) / u128::from(whole)).unwrap_or(WIDTH);
    page.raw("<section><h2>What happened when</h2><div class=\"scroll\"><table class=\"timeline\"><thead><tr><th>Phase</th>");
    page.raw("<th class=\"bar\"></th><th class=\"num\">Time</th><th>Outcome</th><th class=\"num\">Cost</th></tr></thead><tbody>");
    for at in phases {
        let width = place(at.duration_ms).max(NARROW);
        let left = place(millis(at.began.since(begin))).min(WIDTH - NARROW);
        page.put("<tr><td>", at.phase, "");
        page.put("<span class=\"attempt\">attempt ", at.attempt, "</span></td>");
        page.raw("<td class=\"bar\"><svg viewBox=\"0 0 1000 12\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect class=\"");
        page.raw(tone(&at.outcome)).put("\" x=\"", left, "\" y=\"0\" height=\"12\" rx=\"3\" width=\"");
        page.text(width.min(WIDTH - left)).raw("\"/></svg></td>");
        page.put("<td class=\"num\">", duration(at.duration_ms), "</td><td><span class=\"chip ");
        page.raw(tone(&at.outcome)).put("\">", &at.outcome, "</span></td>");
        let cost =
            if at.usage.is_nothing() { "\u{2013}".to_owned() } else { format!("${:.2}", at.usage.cost_usd) };
        page.put("<td class=\"num\">", cost, "</td></tr>");
    }
    page.raw("</tbody></table></div></section>");
}

fn tone(outcome: &str) -> &'static str {
    match outcome {
        "passed" => "good",
        "rejected" | "failed" => "bad",
        _ => "dull",
    }
}
