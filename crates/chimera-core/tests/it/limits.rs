//! Everything has a limit.

use crate::fixture::{NOW, TICK, accepted, at, claim, digest, go, onward, pass, setback, settle, transient};
use chimera_core::limits::{RETRY_AFTER, WAITS, truncate};
use chimera_core::{
    Event, Finding, Next, Outcome, Phase, PhaseOutput, Policy, Reason, RetryPolicy, Setback, Severity, State,
    Status, Tick, Usage, step,
};
use std::time::Duration;

fn rejected(state: &State) -> State {
    go(state, settle(Outcome::Rejected(setback()))).state
}

#[test]
fn retries_back_off_and_run_out() {
    let mut state = accepted();
    for wait in [2, 4, 8] {
        state = go(&state, claim()).state;
        let after = go(&state, settle(transient()));
        assert_eq!(after.next, Next::Wait(NOW.plus(Duration::from_secs(wait))));
        state = after.state;
    }
    state = go(&state, claim()).state;
    state = go(&state, settle(transient())).state;
    assert_eq!((state.status, state.workflow.reason), (Status::Failed, Some(Reason::NotGreen)));
}

#[test]
fn the_next_phase_has_its_retries_again() {
    let mut state = go(&at(Phase::E2eTestGeneration), settle(transient())).state;
    assert_eq!(state.workflow.failures, 1);
    state = onward(state, Phase::CodeImplementation);
    assert_eq!((state.workflow.failures, state.workflow.error), (0, None));
}

#[test]
fn interruptions_use_up_no_retry_and_no_crash() {
    let mut state = go(&at(Phase::CodeImplementation), Event::Rescued).state;
    for _ in 0..100 {
        state = go(&state, claim()).state;
        state = go(&state, settle(Outcome::Interrupted)).state;
    }
    assert_eq!((state.workflow.failures, state.workflow.crashes), (0, 1));
}

#[test]
fn a_wait_that_the_other_side_asks_for_is_granted_up_to_a_day() {
    let asked = |retry_after| Outcome::Transient { setback: setback(), retry_after: Some(retry_after) };
    let cases = [
        (Duration::ZERO, Duration::from_secs(2)),
        (Duration::from_secs(90), Duration::from_secs(90)),
        (Duration::MAX, RETRY_AFTER),
    ];
    for (wish, granted) in cases {
        let after = go(&at(Phase::CodeImplementation), settle(asked(wish)));
        assert_eq!(after.next, Next::Wait(NOW.plus(granted)));
    }
}

#[test]
fn backoff_doubles_to_its_cap_and_jitter_takes_at_most_half() {
    let policy = RetryPolicy { max_retries: 60, base: Duration::from_secs(2), cap: Duration::from_secs(300) };
    let plain = |failures| policy.delay(failures, 0.0).expect("retries left");
    let waits: Vec<u64> = (1..=10).map(|failures| plain(failures).as_secs()).collect();
    assert_eq!(waits, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    assert_eq!(plain(60), policy.cap);
    assert_eq!(policy.delay(61, 0.0), None);
    assert_eq!(policy.delay(2, 0.5), Some(Duration::from_secs(3)));
    assert_eq!(policy.delay(2, 1.0), Some(Duration::from_secs(2)));
    assert_eq!(policy.delay(2, f64::NAN), Some(Duration::from_secs(4)));
    assert_eq!(policy.delay(2, -7.0), Some(Duration::from_secs(4)));
    assert_eq!(RetryPolicy { max_retries: 0, ..policy }.delay(1, 0.0), None);
    let longest = RetryPolicy { cap: Duration::MAX, base: Duration::MAX, ..policy };
    assert_eq!(longest.delay(60, 0.0), Some(Duration::MAX));
}

#[test]
fn crashes_are_counted_per_phase_and_poison_the_task_that_was_suspect_already() {
    let mut state = at(Phase::CodeImplementation);
    for crashes in 1..3 {
        state = go(&state, Event::Rescued).state;
        assert_eq!((state.status, state.workflow.crashes), (Status::Queued, crashes));
        state = go(&state, claim()).state;
    }
    let moved_on = onward(state.clone(), Phase::GuardianReview);
    assert_eq!(moved_on.workflow.crashes, 0);
    let end = go(&state, Event::Rescued);
    assert_eq!((end.state.status, end.next), (Status::Failed, Next::End));
    assert_eq!(end.state.workflow.reason, Some(Reason::Poisoned));
    let why = "the daemon crashed 3 times while it worked on this phase";
    assert_eq!(end.state.workflow.error.as_deref(), Some(why));
}

#[test]
fn a_reviewer_may_say_no_three_times() {
    let mut state = at(Phase::GuardianReview);
    for round in 1..=3 {
        state = rejected(&state);
        assert_eq!((state.workflow.phase, state.workflow.review_rounds), (Phase::CodeImplementation, round));
        state = onward(state, Phase::GuardianReview);
    }
    state = rejected(&state);
    assert_eq!((state.status, state.workflow.failed_in), (Status::Failed, Some(Phase::GuardianReview)));
    let feedback = state.workflow.feedback.expect("a person who retries it finds the last no");
    assert_eq!(feedback.from, Phase::GuardianReview);
}

#[test]
fn the_test_may_say_no_until_the_phase_executions_are_used_up() {
    let mut state = at(Phase::E2eValidation);
    for _ in 0..2 {
        state = onward(rejected(&state), Phase::E2eValidation);
    }
    // Two rounds of four phases are eight executions; of the third round two are left.
    assert_eq!(state.workflow.iteration, 8);
    state = onward(rejected(&state), Phase::GuardianReview);
    assert_eq!(state.workflow.iteration, 10);
    let end = go(&state, settle(pass(&state.workflow))).state;
    assert_eq!((end.status, end.workflow.reason), (Status::Failed, Some(Reason::MaxIterations)));
    assert_eq!(end.workflow.iteration, 10);
}

#[test]
fn the_rounds_of_validation_have_a_limit_of_their_own() {
    let policy = Policy { max_validation_rounds: 1, ..Policy::default() };
    let state = onward(rejected(&at(Phase::E2eValidation)), Phase::E2eValidation);
    let end = step(&state, settle(Outcome::Rejected(setback())), TICK, &policy).expect("legal").state;
    assert_eq!((end.status, end.workflow.reason), (Status::Failed, Some(Reason::NotGreen)));
}

#[test]
fn a_test_may_be_refused_three_times_and_that_uses_up_no_round_of_the_coder() {
    let mut state = at(Phase::E2eTestGeneration);
    for round in 1..=3 {
        state = rejected(&state);
        assert_eq!((state.workflow.phase, state.workflow.test_rounds), (Phase::E2eTestGeneration, round));
    }
    let written = onward(state.clone(), Phase::GuardianReview).workflow;
    assert_eq!((written.iteration, written.feedback), (0, None), "nobody else is told");
    let end = rejected(&state);
    assert_eq!((end.status, end.workflow.reason), (Status::Failed, Some(Reason::NotGreen)));
    assert_eq!(end.workflow.failed_in, Some(Phase::E2eTestGeneration));
}

#[test]
fn a_coder_may_change_nothing_once_but_not_twice_in_a_row() {
    let once = rejected(&at(Phase::CodeImplementation));
    assert_eq!((once.workflow.phase, once.workflow.iteration), (Phase::CodeImplementation, 1));
    let twice = rejected(&once);
    assert_eq!((twice.status, twice.workflow.failed_in), (Status::Failed, Some(Phase::CodeImplementation)));
    // A change in between counts.
    let between = rejected(&onward(once, Phase::GuardianReview));
    assert_eq!(rejected(&between).status, Status::Running);
}

#[test]
fn a_coder_that_changed_nothing_still_has_to_answer_the_last_no() {
    let finding = |message: &str| Finding {
        file: None,
        line: None,
        severity: Severity::Error,
        message: message.to_owned(),
    };
    let no = |summary: &str| {
        Outcome::Rejected(Setback {
            findings: vec![finding(summary)],
            ..Setback::new(Reason::NotGreen, summary)
        })
    };
    let sent_back = go(&at(Phase::GuardianReview), settle(no("a secret"))).state;
    let state = go(&sent_back, settle(no("changed nothing"))).state;
    let told = state.workflow.feedback.expect("it is told");
    assert_eq!(told.from, Phase::GuardianReview);
    assert_eq!(told.summary, "changed nothing\n\nStill to be answered: a secret");
    assert_eq!(told.findings, [finding("changed nothing"), finding("a secret")]);
}

#[test]
fn a_change_that_fails_on_staging_and_in_its_test_shares_one_count_of_rounds() {
    let policy = Policy { max_validation_rounds: 1, ..Policy::default() };
    let state = onward(rejected(&at(Phase::StagingDeployment)), Phase::E2eValidation);
    assert_eq!(state.workflow.validation_rounds, 1);
    let end = step(&state, settle(Outcome::Rejected(setback())), TICK, &policy).expect("legal").state;
    assert_eq!((end.status, end.workflow.reason), (Status::Failed, Some(Reason::NotGreen)));
}

#[test]
fn the_same_test_or_the_same_broken_build_again_ends_the_task() {
    let no = Outcome::Rejected(Setback { fingerprint: Some(digest(1)), ..setback() });
    for phase in [Phase::E2eTestGeneration, Phase::StagingDeployment] {
        let once = onward(go(&at(phase), settle(no.clone())).state, phase);
        assert_eq!(go(&once, settle(no.clone())).state.status, Status::Failed, "{phase}");
    }
}

#[test]
fn the_same_change_again_after_a_no_ends_the_task() {
    for no in [Phase::GuardianReview, Phase::E2eValidation] {
        let state = rejected(&at(no));
        let have = &state.workflow.artifacts;
        let output = PhaseOutput::CodeImplementation {
            commit: digest(0xc0de),
            diff: have.diff.clone().expect("kept to compare with"),
            test_sha256: have.test_sha256.clone().expect("frozen"),
            code_pr_id: "local-x".into(),
            restored: false,
        };
        let end = go(&state, settle(Outcome::Passed { output })).state;
        assert_eq!((end.status, end.workflow.reason), (Status::Failed, Some(Reason::NoChange)), "{no}");
    }
}

#[test]
fn the_same_failure_twice_in_a_row_ends_the_task_but_another_in_between_does_not() {
    let no = |n| Outcome::Rejected(Setback { fingerprint: Some(digest(n)), ..setback() });
    let again = |state: &State, n| onward(go(state, settle(no(n))).state, Phase::E2eValidation);
    let once = again(&at(Phase::E2eValidation), 1);
    let twice = go(&once, settle(no(1))).state;
    assert_eq!((twice.status, twice.workflow.reason), (Status::Failed, Some(Reason::NotGreen)));
    let between = again(&once, 2);
    assert_eq!(go(&between, settle(no(1))).state.status, Status::Running);
}

#[test]
fn the_dice_bring_a_retry_forward_but_never_to_the_past() {
    for jitter in [0.0, 0.25, 0.999, 1.0, f64::NAN, f64::INFINITY] {
        let tick = Tick { now: NOW, jitter };
        let state = at(Phase::CodeImplementation);
        let after = step(&state, settle(transient()), tick, &Policy::default()).expect("legal");
        let Next::Wait(at) = after.next else { panic!("{after:?}") };
        assert!((1_000..=2_000).contains(&at.since(NOW).as_millis()), "{jitter}: {at:?}");
    }
}

#[test]
fn a_claimed_cost_that_is_no_sum_of_money_is_none() {
    let cost = |cost_usd| Usage { cost_usd, ..Usage::default() };
    let sum = |a, b| cost(a).plus(cost(b)).cost_usd;
    let exact = |a: f64, b: f64| assert!((a - b).abs() < f64::EPSILON, "{a} is not {b}");
    exact(sum(1.0, 0.5), 1.5);
    exact(sum(1.0, -0.5), 1.0);
    exact(sum(1.0, f64::NAN), 1.0);
    assert!(sum(f64::MAX, f64::MAX).is_finite());
    let full = Usage { input_tokens: u64::MAX, output_tokens: u64::MAX, cost_usd: 0.0 };
    assert_eq!(full.plus(full), full);
}

#[test]
fn a_text_is_cut_at_a_character_and_never_longer_than_its_limit() {
    for text in ["", "a", "abc", "abcd", "äöü", "日本語日本語", "🦀🦀", "a🦀b"] {
        for max in 0..=text.len() + 1 {
            let mut cut = text.to_owned();
            truncate(&mut cut, max);
            assert!(cut.len() <= max, "{text:?} cut to {max} is {cut:?}");
            if text.len() <= max {
                assert_eq!(cut, text);
            } else if max >= "…".len() {
                let kept = cut.strip_suffix('…').expect("the cut is marked");
                assert!(text.starts_with(kept));
            }
        }
    }
    let long = Setback::new(Reason::Config, "x".repeat(10_000));
    assert_eq!(long.summary.len(), chimera_core::limits::SUMMARY_BYTES);
}

#[test]
fn a_named_time_uses_up_no_retry_but_not_for_ever() {
    let asked = || {
        let retry_after = Some(Duration::from_secs(60));
        settle(Outcome::Transient { setback: setback(), retry_after })
    };
    let mut state = at(Phase::CodeImplementation);
    for _ in 0..WAITS {
        let after = go(&state, asked());
        assert_eq!(after.next, Next::Wait(NOW.plus(Duration::from_secs(60))));
        state = go(&after.state, claim()).state;
    }
    assert_eq!((state.workflow.failures, state.workflow.waits), (0, WAITS));
    state = go(&state, asked()).state;
    assert_eq!((state.workflow.failures, state.workflow.waits), (1, WAITS), "from now on it is a failure");
    let next = go(&go(&state, claim()).state, settle(pass(&state.workflow))).state;
    assert_eq!((next.workflow.failures, next.workflow.waits), (0, 0), "each phase begins anew");
}
