//! `docs/state-machine.md` says what [`step`] does: the tables in it are printed from here.

use crate::fixture::{TICK, at, claim, go, pass, setback, settle, standing, transient, unavailable};
use chimera_core::{Event, Next, Outcome, Phase, Policy, Reason, RetryPolicy, State, Status, step};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

const BEGIN: &str = "<!-- generated: begin (UPDATE_DOCS=1 cargo test -p chimera-core writes it) -->\n";
const END: &str = "<!-- generated: end -->\n";

#[test]
fn the_documents_print_the_state_machine_as_it_is() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/state-machine.md");
    let text = std::fs::read_to_string(&path).expect("docs/state-machine.md is there");
    let (before, rest) = text.split_once(BEGIN).expect("docs/state-machine.md marks where it is generated");
    let (_, after) = rest.split_once(END).expect("docs/state-machine.md marks where that ends");
    let expected = format!("{before}{BEGIN}{}{END}{after}", generated());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, expected).expect("docs/state-machine.md can be written");
    } else {
        let advice = "docs/state-machine.md no longer tells what `step` does; look at the difference, then run \
                      `UPDATE_DOCS=1 cargo test -p chimera-core`";
        assert!(text == expected, "{advice}\n\n{}", generated());
    }
}

#[test]
fn the_documents_explain_every_reason() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/state-machine.md");
    let text = std::fs::read_to_string(&path).expect("docs/state-machine.md is there");
    for reason in Reason::ALL {
        assert!(text.contains(&format!("| `{reason}` |")), "`{reason}` is not explained");
    }
}

fn generated() -> String {
    let mut out = String::new();
    out.push_str(&phases());
    out.push_str(&limits());
    out.push_str(&statuses());
    out.push_str(&diagram());
    out
}

/// What can come of an attempt, each with the policy under which it is seen.
fn outcomes() -> [(&'static str, Event, Policy); 9] {
    let roomy = Policy::default();
    let strict = Policy {
        retry: RetryPolicy { max_retries: 0, ..roomy.retry },
        max_iterations: 0,
        max_test_rounds: 0,
        max_review_rounds: 0,
        max_validation_rounds: 0,
        max_crashes: 1,
    };
    [
        ("rejected", settle(Outcome::Rejected(setback())), roomy),
        ("rejected, no round left", settle(Outcome::Rejected(setback())), strict),
        ("agent unavailable", settle(unavailable()), roomy),
        ("failed", settle(Outcome::Failed(setback())), roomy),
        ("transient, unknown", settle(transient()), roomy),
        ("the same, no retry left", settle(transient()), strict),
        ("interrupted", settle(Outcome::Interrupted), roomy),
        ("daemon crashed", Event::Rescued, roomy),
        ("crashed once too often", Event::Rescued, strict),
    ]
}

fn phases() -> String {
    let mut out = String::from("### What follows an attempt\n\n| phase | agent | passed |");
    for (name, ..) in outcomes() {
        let _ = write!(out, " {name} |");
    }
    let _ = write!(out, "\n|---|---|---|{}\n", "---|".repeat(outcomes().len()));
    for phase in Phase::WORKING {
        let state = at(phase);
        let role = phase.role().expect("somebody carries it out");
        let passed = go(&state, settle(pass(&state.workflow))).state.workflow.phase;
        let _ = write!(out, "| {phase} | {role} | {passed} |");
        for (_, event, policy) in outcomes() {
            let _ = write!(out, " {} |", follows(&state, event, &policy));
        }
        out.push('\n');
    }
    out.push('\n');
    out
}

fn follows(state: &State, event: Event, policy: &Policy) -> String {
    let after = step(state, event, TICK, policy).expect("a legal event");
    let workflow = after.state.workflow;
    match (after.next, workflow.reason) {
        (Next::Wait(at), _) if at == TICK.now => "the same again".to_owned(),
        (Next::Wait(_), _) => "the same after a wait".to_owned(),
        (_, Some(Reason::NotGreen)) => "FAILED".to_owned(),
        (_, Some(reason)) => format!("FAILED (`{reason}`)"),
        (_, None) if workflow.phase == state.workflow.phase => "another round".to_owned(),
        (_, None) => workflow.phase.to_string(),
    }
}

fn limits() -> String {
    let policy = Policy::default();
    let retry = policy.retry;
    let rows = [
        ("retries of one phase", retry.max_retries.to_string()),
        ("wait before the first retry, doubled by each", format!("{} s", retry.base.as_secs())),
        ("longest wait of our own", format!("{} s", retry.cap.as_secs())),
        (
            "longest wait that the other side may ask for",
            format!("{} h", chimera_core::limits::RETRY_AFTER.as_secs() / 3600),
        ),
        ("times a test may be refused", policy.max_test_rounds.to_string()),
        (
            "rounds in a row in which the coder may change nothing",
            chimera_core::limits::UNCHANGED.to_string(),
        ),
        ("times a reviewer may say no", policy.max_review_rounds.to_string()),
        ("times the change may fail on staging", policy.max_validation_rounds.to_string()),
        (
            "phase executions after the first time that a task was sent back to the coder",
            policy.max_iterations.to_string(),
        ),
        ("crashes of the daemon in one phase that set the task aside", policy.max_crashes.to_string()),
    ];
    let mut out = String::from("### Limits\n\n| what | default |\n|---|---|\n");
    for (what, default) in rows {
        let _ = writeln!(out, "| {what} | {default} |");
    }
    out.push('\n');
    out
}

fn statuses() -> String {
    let events: [(&str, Event); 6] = [
        ("claimed", claim()),
        ("attempt ended", settle(Outcome::Failed(setback()))),
        ("rescued", Event::Rescued),
        ("cancelled", Event::Cancelled),
        ("deadline passed", Event::Overdue),
        ("retried by a person", Event::Requeued { from: Phase::E2eTestGeneration }),
    ];
    let mut out = String::from("### What each status takes\n\n| status |");
    for (name, _) in &events {
        let _ = write!(out, " {name} |");
    }
    let _ = write!(out, "\n|---|{}\n", "---|".repeat(events.len()));
    for status in Status::ALL {
        let _ = write!(out, "| {status} |");
        for (_, event) in &events {
            let state = standing(status, Phase::CodeImplementation);
            let taken = step(&state, event.clone(), TICK, &Policy::default()).is_ok();
            let _ = write!(out, " {} |", if taken { "yes" } else { "refused" });
        }
        out.push('\n');
    }
    out.push('\n');
    out
}

/// Arrows between phases; the waiting within one is in the table.
fn diagram() -> String {
    let mut arrows = BTreeSet::new();
    for phase in Phase::WORKING {
        let state = at(phase);
        let passed = ("passed", settle(pass(&state.workflow)), Policy::default());
        for (name, event, policy) in outcomes().into_iter().chain([passed]) {
            let to = step(&state, event, TICK, &policy).expect("a legal event").state.workflow.phase;
            if to == Phase::Failed {
                arrows.insert((phase, to, "no way on"));
            } else if to != phase {
                arrows.insert((phase, to, name));
            }
        }
    }
    let mut out = String::from("### The picture\n\n```mermaid\nstateDiagram-v2\n");
    let _ = writeln!(out, "    [*] --> {}", Phase::E2eTestGeneration);
    for (from, to, why) in arrows {
        let _ = writeln!(out, "    {from} --> {to}: {why}");
    }
    let _ = writeln!(out, "    {} --> [*]\n    {} --> [*]\n```", Phase::Complete, Phase::Failed);
    out
}
