//! Every arrow of the state machine.

use crate::fixture::{
    NOW, accepted, at, claim, digest, go, green, pass, red_on, setback, settle, transient, unavailable,
};
use chimera_core::{
    EntryKind, Event, Next, Outcome, Phase, PhaseOutput, Reason, State, Status, UnixMillis, Usage,
};

const E2E: Phase = Phase::E2eTestGeneration;
const CODE: Phase = Phase::CodeImplementation;
const REVIEW: Phase = Phase::GuardianReview;
const STAGE: Phase = Phase::StagingDeployment;
const VALIDATE: Phase = Phase::E2eValidation;

/// Two seconds, the first wait of the default policy without jitter.
const FIRST_WAIT: Next = Next::Wait(UnixMillis(NOW.0 + 2_000));

#[test]
fn a_claim_begins_the_next_attempt() {
    let after = go(&accepted(), claim());
    assert_eq!((after.state.status, after.next), (Status::Running, Next::Run));
    assert_eq!((after.state.workflow.phase, after.state.workflow.attempt), (E2E, 1));
    assert_eq!(after.entry.attempt, 1, "the entry tells of the attempt that begins");
}

#[test]
fn each_passed_phase_leads_to_the_next() {
    let arrows =
        [(E2E, CODE), (CODE, REVIEW), (REVIEW, STAGE), (STAGE, VALIDATE), (VALIDATE, Phase::Complete)];
    for (from, to) in arrows {
        let before = at(from);
        let after = go(&before, settle(pass(&before.workflow)));
        assert_eq!(after.state.workflow.phase, to, "from {from}");
        let end = to == Phase::Complete;
        let expected = if end { (Status::Completed, Next::End) } else { (Status::Running, Next::Run) };
        assert_eq!((after.state.status, after.next), expected, "from {from}");
        assert_eq!((after.entry.phase, after.entry.to), (from, to));
        let begun = after.state.workflow.attempt - before.workflow.attempt;
        assert_eq!(begun, u32::from(!end), "passing {from} begins the attempt of the next phase");
    }
}

#[test]
fn a_no_goes_back_to_the_author_of_the_test_while_there_is_none_and_then_to_the_coder() {
    let arrows = [(E2E, E2E), (CODE, CODE), (REVIEW, CODE), (STAGE, CODE), (VALIDATE, CODE)];
    for (phase, to) in arrows {
        let before = at(phase);
        let after = go(&before, settle(Outcome::Rejected(setback())));
        let workflow = &after.state.workflow;
        assert_eq!((after.state.status, workflow.phase, after.next), (Status::Running, to, Next::Run));
        assert_eq!(workflow.attempt, before.workflow.attempt + 1, "a round is an attempt of its own");
        let feedback = workflow.feedback.as_ref().expect("whoever goes on is told why");
        assert_eq!((feedback.from, feedback.summary.as_str()), (phase, "it did not work"));
    }
}

#[test]
fn an_agent_that_nobody_can_work_with_costs_the_task_nothing() {
    for phase in Phase::WORKING {
        let before = at(phase);
        let after = go(&before, settle(unavailable()));
        assert_eq!((after.state.status, after.next), (Status::Queued, Next::Wait(NOW)));
        let mut expected = before.workflow.clone();
        expected.error = Some("it did not work".to_owned());
        assert_eq!(after.state.workflow, expected, "but says why");
    }
}

#[test]
fn a_failure_ends_the_task_in_every_phase_with_its_reason() {
    for phase in Phase::WORKING {
        let after = go(&at(phase), settle(Outcome::Failed(setback())));
        assert_failed(&after.state, phase, Reason::NotGreen);
        assert_eq!(after.state.workflow.error.as_deref(), Some("it did not work"));
        assert_eq!((after.entry.to, after.next), (Phase::Failed, Next::End));
    }
}

#[test]
fn a_transient_or_unknown_outcome_waits_in_every_phase_and_releases_the_slot() {
    for phase in Phase::WORKING {
        for outcome in [transient(), Outcome::Unknown(setback())] {
            let after = go(&at(phase), settle(outcome));
            assert_eq!((after.state.status, after.state.workflow.phase), (Status::Queued, phase));
            assert_eq!((after.next, after.state.workflow.failures), (FIRST_WAIT, 1));
            assert!(matches!(after.entry.kind, EntryKind::Settled { retry_at: Some(_), reason: None, .. }));
        }
    }
}

#[test]
fn an_interruption_hands_the_task_back_in_every_phase_and_counts_as_nothing() {
    for phase in Phase::WORKING {
        let before = at(phase);
        let after = go(&before, settle(Outcome::Interrupted));
        assert_eq!((after.state.status, after.next), (Status::Queued, Next::Wait(NOW)));
        assert_eq!(after.state.workflow, before.workflow);
    }
}

#[test]
fn a_rescue_hands_the_task_back_in_every_phase_and_counts_as_a_crash_only() {
    for phase in Phase::WORKING {
        let before = at(phase);
        let after = go(&before, Event::Rescued);
        assert_eq!((after.state.status, after.next), (Status::Queued, Next::Wait(NOW)));
        let mut expected = before.workflow.clone();
        expected.crashes = 1;
        assert_eq!(after.state.workflow, expected);
        let again = go(&after.state, claim()).state.workflow;
        assert_eq!((again.phase, again.attempt), (phase, before.workflow.attempt + 1));
    }
}

#[test]
fn a_cancellation_stops_waiting_and_running_tasks_where_they_stand() {
    for phase in Phase::WORKING {
        let running = at(phase);
        let waiting = go(&running, settle(Outcome::Interrupted)).state;
        for before in [running, waiting] {
            let after = go(&before, Event::Cancelled);
            assert_eq!((after.state.status, after.next), (Status::Cancelled, Next::End));
            assert_eq!(after.state.workflow, before.workflow);
        }
    }
}

/// The products that a phase may claim to have, and the reason for which each is refused.
fn flawed() -> Vec<(PhaseOutput, Reason)> {
    let (test, other) = (at(CODE).workflow.artifacts.test_sha256.expect("frozen"), digest(0xbad));
    let deployed = at(VALIDATE).workflow.artifacts.deployed_revision.expect("deployed");
    let written = |red| PhaseOutput::E2eTestGeneration {
        test_path: "tests/e2e/test_it.py".into(),
        test_sha256: test.clone(),
        base_commit: digest(crate::fixture::BASE),
        test_commit: digest(2),
        red,
        target_run: "failed".into(),
    };
    let change = PhaseOutput::CodeImplementation {
        commit: digest(1),
        diff: digest(2),
        test_sha256: other.clone(),
        code_pr_id: "local-x".into(),
        restored: false,
    };
    let staged = PhaseOutput::StagingDeployment { url: "http://127.0.0.1:1".into(), revision: other.clone() };
    vec![
        (written(crate::fixture::red(&other)), Reason::RedNotProvable),
        (written(red_on(&test, 0xbad)), Reason::RedNotProvable),
        (change, Reason::TestTampered),
        (PhaseOutput::GuardianReview { commit: other.clone() }, Reason::AgentError),
        (staged, Reason::StaleStaging),
        (PhaseOutput::E2eValidation { green: green(&other, &deployed) }, Reason::TestTampered),
        (PhaseOutput::E2eValidation { green: green(&test, &other) }, Reason::StaleStaging),
    ]
}

#[test]
fn a_product_that_does_not_hold_against_the_record_ends_the_task() {
    for (output, reason) in flawed() {
        let phase = output.phase();
        let after = go(&at(phase), settle(Outcome::Passed { output }));
        assert_failed(&after.state, phase, reason);
    }
}

/// Something that must not be, done to a state.
type Spoil = fn(&mut State);

#[test]
fn green_without_the_red_of_the_same_test_or_on_an_unapproved_commit_never_completes() {
    let no_red = |state: &mut State| state.workflow.artifacts.red = None;
    let other_red = |state: &mut State| {
        state.workflow.artifacts.red = Some(crate::fixture::red(&digest(0xbad)));
    };
    let unapproved = |state: &mut State| state.workflow.artifacts.approved_commit = Some(digest(0xbad));
    let spoilers: [(Spoil, Reason); 3] = [
        (no_red, Reason::RedNotProvable),
        (other_red, Reason::TestTampered),
        (unapproved, Reason::StaleStaging),
    ];
    for (spoil, reason) in spoilers {
        let mut state = at(VALIDATE);
        let outcome = pass(&state.workflow);
        spoil(&mut state);
        assert_failed(&go(&state, settle(outcome)).state, VALIDATE, reason);
    }
}

#[test]
fn what_attempts_use_adds_up_whatever_comes_of_them() {
    let usage = Usage { input_tokens: 10, output_tokens: 1, cost_usd: 0.5 };
    let outcomes = [transient(), Outcome::Interrupted, Outcome::Failed(setback())];
    let mut state = accepted();
    for outcome in outcomes {
        state = go(&state, claim()).state;
        state = go(&state, Event::Settled { outcome, usage }).state;
    }
    assert_eq!(state.workflow.usage, Usage { input_tokens: 30, output_tokens: 3, cost_usd: 1.5 });
}

fn assert_failed(state: &State, phase: Phase, reason: Reason) {
    let workflow = &state.workflow;
    assert_eq!(
        (state.status, workflow.phase, workflow.failed_in, workflow.reason),
        (Status::Failed, Phase::Failed, Some(phase), Some(reason))
    );
}
