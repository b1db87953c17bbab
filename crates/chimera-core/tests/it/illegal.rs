//! Events that cannot happen.

use crate::fixture::{TICK, at, claim, pass, setback, settle, standing};
use chimera_core::{Event, IllegalEvent, Outcome, Phase, Policy, Status, step};

fn events() -> Vec<(&'static str, Event)> {
    vec![
        ("claimed", claim()),
        ("settled", settle(Outcome::Failed(setback()))),
        ("interrupted", settle(Outcome::Interrupted)),
        ("rescued", Event::Rescued),
        ("cancelled", Event::Cancelled),
        ("overdue", Event::Overdue),
        ("expired", Event::Expired),
        ("requeued", Event::Requeued { from: Phase::E2eTestGeneration }),
    ]
}

/// The events that each status takes.
fn legal(status: Status) -> &'static [&'static str] {
    match status {
        Status::Queued => &["claimed", "cancelled", "overdue"],
        Status::Running => &["settled", "interrupted", "rescued", "cancelled"],
        Status::Failed | Status::Cancelled => &["requeued"],
        Status::Completed => &[],
    }
}

#[test]
fn each_status_takes_its_events_and_no_other() {
    for status in Status::ALL {
        for phase in Phase::WORKING {
            let state = standing(status, phase);
            for (name, event) in events() {
                let taken = step(&state, event, TICK, &Policy::default()).is_ok();
                assert_eq!(taken, legal(status).contains(&name), "{name} while {status} in {phase}");
            }
        }
    }
}

#[test]
fn the_product_of_another_phase_is_refused() {
    for running in Phase::WORKING {
        for product in Phase::WORKING.into_iter().filter(|phase| *phase != running) {
            let event = settle(pass(&at(product).workflow));
            let error = step(&at(running), event, TICK, &Policy::default()).expect_err("another phase's");
            assert_eq!((error.status, error.phase), (Status::Running, running));
        }
    }
}

#[test]
fn a_task_that_waits_or_runs_at_an_end_takes_no_event() {
    for status in [Status::Queued, Status::Running] {
        for end in [Phase::Complete, Phase::Failed] {
            let mut state = standing(status, Phase::E2eValidation);
            state.workflow.phase = end;
            for (name, event) in events() {
                let refused = step(&state, event, TICK, &Policy::default()).is_err();
                assert!(refused, "{name} while {status} in {end}");
            }
        }
    }
}

#[test]
fn a_retry_from_a_phase_that_was_not_reached_is_refused() {
    for status in [Status::Failed, Status::Cancelled] {
        for reached in Phase::WORKING {
            let state = standing(status, reached);
            for from in Phase::ALL {
                let taken = step(&state, Event::Requeued { from }, TICK, &Policy::default()).is_ok();
                assert_eq!(taken, from <= reached, "{status} in {reached}, retried from {from}");
            }
        }
    }
}

#[test]
fn the_refusal_says_what_cannot_be_done_and_why() {
    let error = step(&at(Phase::Complete), Event::Cancelled, TICK, &Policy::default()).expect_err("too late");
    let expected =
        IllegalEvent { event: "a cancellation", status: Status::Completed, phase: Phase::Complete };
    assert_eq!(error, expected);
    assert_eq!(error.to_string(), "a cancellation is not possible: the task is completed (phase COMPLETE)");
}
