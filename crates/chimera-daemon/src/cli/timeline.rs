//! The journal of a task as lines for people.

use super::style::{bad, bold, busy, dim, good, short, tame};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// Width of the longest phase name.
const PHASE_WIDTH: usize = 19;
/// Findings of a setback that are shown; the rest is in the report.
const FINDINGS: usize = 5;
/// Longest remark on a line, in characters.
const REMARK: usize = 100;

/// Where a task stands, as far as its journal was read.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    phase: Option<String>,
    since: Option<Timestamp>,
}

impl Timeline {
    /// The phase that runs.
    pub(super) fn running(&self) -> Option<&str> {
        self.phase.as_deref()
    }

    /// Takes the next event and gives the lines that tell it; most begin an attempt and tell nothing.
    pub(super) fn take(&mut self, event: &Value) -> Vec<String> {
        let at = time(event);
        let before = self.since;
        let to = text(event, "to");
        let retries = event["retry_at"].is_string();
        let goes_on = match text(event, "event") {
            "claimed" => true,
            "settled" => !retries && !matches!(outcome(event), "interrupted" | "unavailable") && !ended(to),
            "priority_changed" | "cancel_requested" => return vec![aside(event)],
            _ => false,
        };
        self.phase = goes_on.then(|| to.to_owned());
        self.since = if goes_on { at } else { None };
        match text(event, "event") {
            "settled" => settled(event, &took(before, at)),
            "rescued" => vec![aside(event)],
            "requeued" | "overdue" | "expired" | "released" | "discarded" => vec![aside(event)],
            _ => Vec::new(),
        }
    }
}

/// Why a task does not run, in a line.
pub(super) fn waits(waiting: &Value) -> String {
    let detail = tame(text(waiting, "detail"));
    if detail.starts_with("waits ") { detail } else { format!("waits: {detail}") }
}

/// The line of the phase that runs.
pub(super) fn running(phase: &str, mark: char, seconds: f64) -> String {
    format!("  {} {phase:PHASE_WIDTH$}  {}", busy(mark), dim(format!("{:>8}", seconds_text(seconds))))
}

/// A duration for people.
pub(super) fn seconds_text(seconds: f64) -> String {
    if seconds < 0.1 {
        return format!("{:.0} ms", seconds * 1000.0);
    }
    if seconds < 60.0 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round();
    format!("{:.0} min {:02.0} s", (whole / 60.0).floor(), whole % 60.0)
}

/// Seconds between two times of an answer.
pub(super) fn between(from: &Value, to: &Value) -> Option<f64> {
    let time = |value: &Value| value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
    Some(time(to)?.duration_since(time(from)?).as_secs_f64())
}

fn took(from: Option<Timestamp>, to: Option<Timestamp>) -> String {
    let took = from.zip(to).map(|(from, to)| to.duration_since(from).max(SignedDuration::ZERO));
    took.map(|took| seconds_text(took.as_secs_f64())).unwrap_or_default()
}

fn settled(event: &Value, took: &str) -> Vec<String> {
    let result = &event["result"];
    let (mark, remark) = match outcome(event) {
        "passed" => (good('✓').to_string(), product(&result["output"])),
        "interrupted" => (dim('·').to_string(), "handed back".to_owned()),
        _ => (bad('✗').to_string(), setback(event)),
    };
    let phase = text(event, "phase");
    let mut lines = vec![format!("  {mark} {phase:PHASE_WIDTH$}  {}  {remark}", dim(format!("{took:>8}")))];
    let findings = result["findings"].as_array().map(Vec::as_slice).unwrap_or_default();
    lines.extend(findings.iter().take(FINDINGS).map(finding));
    if findings.len() > FINDINGS {
        lines.push(format!("      {}", dim(format!("and {} more", findings.len() - FINDINGS))));
    }
    lines
}

/// At which step the first failing test of a red run failed, as far as it is on record.
fn failing_step(red: &Value) -> String {
    let reach = red["reach"].as_array().map(Vec::as_slice).unwrap_or_default();
    let Some(failed) = reach.iter().map(|reach| &reach["failed"]).find(|failed| failed.is_object()) else {
        return String::new();
    };
    let Some(line) = failed["line"].as_u64() else { return String::new() };
    match failed["criteria"][0].as_u64() {
        Some(criterion) => format!(" (at line {line}, criterion {criterion})"),
        None => format!(" (at line {line})"),
    }
}

/// What a phase produced, in a few words.
fn product(output: &Value) -> String {
    let commit = |value: &Value| bold(value.as_str().unwrap_or_default().chars().take(7).collect::<String>());
    match text(output, "phase") {
        "E2E_TEST_GENERATION" => {
            format!(
                "{} fails on {}, as it must{}",
                tame(text(output, "test_path")),
                commit(&output["base_commit"]),
                failing_step(&output["red"])
            )
        }
        "CODE_IMPLEMENTATION" => format!("commit {}", commit(&output["commit"])),
        "GUARDIAN_REVIEW" => format!("approves {}", commit(&output["commit"])),
        "STAGING_DEPLOYMENT" => {
            format!("{} serves {}", tame(text(output, "url")), commit(&output["revision"]))
        }
        "E2E_VALIDATION" => {
            let green = &output["green"];
            format!(
                "the same test passes on {}, {} times in a row",
                commit(&green["revision"]),
                green["runs"]
            )
        }
        _ => String::new(),
    }
}

fn setback(event: &Value) -> String {
    let summary = short(text(&event["result"], "summary"), REMARK);
    match (event["retry_at"].as_str(), text(event, "to")) {
        (Some(at), _) => format!("{summary} {}", dim(format!("(again at {} UTC)", clock(at)))),
        (None, to) if ended(to) => summary,
        (None, to) => format!("{summary} {}", dim(format!("(back to {to})"))),
    }
}

fn finding(finding: &Value) -> String {
    let place = match (finding["file"].as_str(), finding["line"].as_u64()) {
        (Some(file), Some(line)) => format!("{file}:{line}: "),
        (Some(file), None) => format!("{file}: "),
        _ => String::new(),
    };
    format!("      {} {}{}", dim('-'), tame(&place), short(text(finding, "message"), REMARK))
}

/// Something that is no attempt's end.
fn aside(event: &Value) -> String {
    let told = match text(event, "event") {
        "rescued" => "the daemon that worked on it vanished; the phase is repeated".to_owned(),
        "requeued" => format!("sent back into the queue, from {}", text(event, "to")),
        "cancel_requested" => "asked to stop".to_owned(),
        "overdue" => "its deadline passed while it waited".to_owned(),
        "expired" => "it had not begun when it expired".to_owned(),
        "released" => "what it waited for is completed".to_owned(),
        "discarded" => "given up for good".to_owned(),
        "priority_changed" => format!("priority {}", event["priority"]),
        other => tame(other),
    };
    format!("  {} {}", dim('·'), dim(told))
}

/// The time of day of an RFC 3339 time.
fn clock(at: &str) -> String {
    at.split('T').nth(1).map_or_else(|| tame(at), |time| time.chars().take(8).collect())
}

fn ended(phase: &str) -> bool {
    matches!(phase, "COMPLETE" | "FAILED")
}

fn outcome(event: &Value) -> &str {
    text(&event["result"], "outcome")
}

fn time(event: &Value) -> Option<Timestamp> {
    text(event, "at").parse().ok()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Timeline, seconds_text};
    use serde_json::{Value, json};

    fn told(timeline: &mut Timeline, event: &Value) -> Vec<String> {
        timeline.take(event).iter().map(|line| anstream::adapter::strip_str(line).to_string()).collect()
    }

    #[test]
    fn a_rejected_review_shows_its_findings_and_where_it_leads() {
        let mut timeline = Timeline::default();
        let claimed = json!({"event": "claimed", "at": "2030-01-01T00:00:00.000Z", "to": "GUARDIAN_REVIEW"});
        assert!(told(&mut timeline, &claimed).is_empty());
        assert_eq!(timeline.running(), Some("GUARDIAN_REVIEW"));
        let rejected = json!({"event": "settled", "at": "2030-01-01T00:00:01.500Z", "phase": "GUARDIAN_REVIEW",
            "to": "CODE_IMPLEMENTATION", "result": {"outcome": "rejected", "summary": "a check failed",
            "findings": [{"file": "a.js", "line": 3, "severity": "error", "message": "no\u{1b}[2J"}]}});
        assert_eq!(
            told(&mut timeline, &rejected),
            [
                "  ✗ GUARDIAN_REVIEW         1.5 s  a check failed (back to CODE_IMPLEMENTATION)",
                "      - a.js:3: no [2J"
            ]
        );
        assert_eq!(timeline.running(), Some("CODE_IMPLEMENTATION"));
    }

    #[test]
    fn a_red_run_shows_at_which_step_it_failed() {
        let mut timeline = Timeline::default();
        let settled = |red: Value| {
            json!({"event": "settled", "at": "2030-01-01T00:00:01.500Z", "phase": "E2E_TEST_GENERATION",
                "to": "CODE_IMPLEMENTATION", "result": {"outcome": "passed", "output": {"phase": "E2E_TEST_GENERATION",
                "test_path": "t.py", "base_commit": "2ac8989ffff", "red": red}}})
        };
        let failed =
            json!({"reach": [{"status": "passed"}, {"failed": {"line": 12, "criteria": [3], "said": "x"}}]});
        let line = told(&mut timeline, &settled(failed)).remove(0);
        assert!(line.ends_with("t.py fails on 2ac8989, as it must (at line 12, criterion 3)"), "{line}");
        // Proofs of earlier versions do not say.
        let line = told(&mut timeline, &settled(json!({}))).remove(0);
        assert!(line.ends_with("t.py fails on 2ac8989, as it must"), "{line}");
    }

    #[test]
    fn a_retry_waits_and_an_end_stops_the_clock() {
        let mut timeline = Timeline::default();
        let waits = json!({"event": "settled", "at": "2030-01-01T00:00:00Z", "phase": "CODE_IMPLEMENTATION",
            "to": "CODE_IMPLEMENTATION", "retry_at": "2030-01-01T00:00:04.000Z",
            "result": {"outcome": "transient", "summary": "rate limit"}});
        assert!(told(&mut timeline, &waits)[0].ends_with("rate limit (again at 00:00:04 UTC)"));
        assert_eq!(timeline.running(), None);
        let end = json!({"event": "settled", "at": "2030-01-01T00:00:09Z", "phase": "E2E_VALIDATION", "to": "COMPLETE",
            "result": {"outcome": "passed", "output": {"phase": "E2E_VALIDATION", "green": {"revision": "0123456789", "runs": 2}}}});
        assert!(told(&mut timeline, &end)[0].ends_with("passes on 0123456, 2 times in a row"));
        assert_eq!(timeline.running(), None);
    }

    #[test]
    fn durations_read_well() {
        for (seconds, text) in
            [(0.04, "40 ms"), (59.94, "59.9 s"), (61.0, "1 min 01 s"), (119.9, "2 min 00 s")]
        {
            assert_eq!(seconds_text(seconds), text);
        }
    }
}
