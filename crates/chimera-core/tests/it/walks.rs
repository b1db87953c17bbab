//! Random deliveries: whatever happens, in whatever order, the promises hold.

use crate::fixture::{NOW, acceptance, accepted, digest, green, product, red, setback, unavailable};
use chimera_core::{
    Digest, EntryKind, Event, Next, Outcome, Phase, PhaseOutput, Policy, RetryPolicy, Setback, State, Status,
    Tick, Transition, Usage, Workflow, limits, replay, step,
};
use proptest::prelude::*;
use std::time::Duration;

/// What the world does to a task next, if it can.
#[derive(Debug, Clone, Copy)]
enum Choice {
    Pass,
    /// A product that does not fit the record.
    Flawed,
    Reject {
        fingerprint: Option<u8>,
    },
    Fail,
    Transient,
    Unknown,
    Unavailable,
    Interrupt,
    Rescue,
    Cancel,
    Requeue {
        from: usize,
    },
}

fn choice() -> impl Strategy<Value = Choice> {
    prop_oneof![
        12 => Just(Choice::Pass),
        1 => Just(Choice::Flawed),
        6 => proptest::option::of(0_u8..3).prop_map(|fingerprint| Choice::Reject { fingerprint }),
        1 => Just(Choice::Fail),
        3 => Just(Choice::Transient),
        2 => Just(Choice::Unknown),
        1 => Just(Choice::Unavailable),
        2 => Just(Choice::Interrupt),
        3 => Just(Choice::Rescue),
        1 => Just(Choice::Cancel),
        2 => (0_usize..5).prop_map(|from| Choice::Requeue { from }),
    ]
}

fn policy() -> impl Strategy<Value = Policy> {
    (0_u32..4, 0_u32..15, 0_u32..5, 0_u32..5, 0_u32..5, 0_u32..5).prop_map(
        |(retries, iterations, test, review, validation, crashes)| Policy {
            retry: RetryPolicy { max_retries: retries, ..RetryPolicy::default() },
            max_iterations: iterations,
            max_test_rounds: test,
            max_review_rounds: review,
            max_validation_rounds: validation,
            max_crashes: crashes,
        },
    )
}

/// A product that looks right but does not fit what is on record.
fn flawed(workflow: &Workflow) -> PhaseOutput {
    let (have, bad) = (&workflow.artifacts, digest(0xbad));
    let known = |digest: &Option<Digest>| digest.clone().expect("an earlier phase left it");
    match product(workflow, 0xf000) {
        PhaseOutput::E2eTestGeneration { test_path, base_commit, test_commit, target_run, .. } => {
            let test_sha256 = digest(0xf000);
            let red = red(&bad);
            PhaseOutput::E2eTestGeneration {
                test_path,
                test_sha256,
                base_commit,
                test_commit,
                red,
                target_run,
            }
        }
        PhaseOutput::CodeImplementation { commit, diff, code_pr_id, .. } => {
            PhaseOutput::CodeImplementation { commit, diff, test_sha256: bad, code_pr_id, restored: false }
        }
        PhaseOutput::GuardianReview { .. } => PhaseOutput::GuardianReview { commit: bad },
        PhaseOutput::StagingDeployment { url, .. } => PhaseOutput::StagingDeployment { url, revision: bad },
        PhaseOutput::E2eValidation { .. } => {
            PhaseOutput::E2eValidation { green: green(&known(&have.test_sha256), &bad) }
        }
    }
}

/// The event that the choice means for a task in that state; `turn` makes products and epochs new.
fn event(state: &State, choice: Choice, turn: u32) -> Event {
    if state.status == Status::Queued {
        return match choice {
            Choice::Cancel => Event::Cancelled,
            _ => Event::Claimed { worker: "worker-1".into(), epoch: i64::from(turn) + 1 },
        };
    }
    if state.status.is_end() {
        let from = match choice {
            Choice::Requeue { from } => Phase::WORKING[from],
            _ => Phase::E2eTestGeneration,
        };
        return Event::Requeued { from };
    }
    let outcome = match choice {
        Choice::Rescue => return Event::Rescued,
        Choice::Cancel => return Event::Cancelled,
        Choice::Pass | Choice::Requeue { .. } => {
            Outcome::Passed { output: product(&state.workflow, 0x1_0000 + 2 * u64::from(turn)) }
        }
        Choice::Flawed => Outcome::Passed { output: flawed(&state.workflow) },
        Choice::Reject { fingerprint } => {
            Outcome::Rejected(Setback { fingerprint: fingerprint.map(|n| digest(u64::from(n))), ..setback() })
        }
        Choice::Fail => Outcome::Failed(setback()),
        Choice::Transient => Outcome::Transient { setback: setback(), retry_after: None },
        Choice::Unknown => Outcome::Unknown(setback()),
        Choice::Unavailable => unavailable(),
        Choice::Interrupt => Outcome::Interrupted,
    };
    Event::Settled { outcome, usage: Usage { input_tokens: 1, output_tokens: 1, cost_usd: 0.25 } }
}

/// Takes one step of which everything that must always hold is checked.
fn checked(state: &State, event: &Event, turn: u32, policy: &Policy) -> Option<Transition> {
    let tick = Tick { now: NOW.plus(Duration::from_secs(u64::from(turn))), jitter: 0.5 };
    let after = step(state, event.clone(), tick, policy).ok()?;
    assert_eq!(after.entry.at, tick.now);
    assert_eq!((after.entry.phase, after.entry.to), (state.workflow.phase, after.state.workflow.phase));
    attempts_grow(state, &after);
    within_limits(&after.state.workflow, policy);
    coherent(&after);
    equipped(&after.state);
    if let Event::Settled { outcome: Outcome::Interrupted, usage } = event {
        let mut expected = state.workflow.clone();
        expected.usage = expected.usage.plus(*usage);
        assert_eq!(after.state.workflow, expected, "an interruption counts as nothing");
    }
    let text = serde_json::to_string(&after.state.workflow).expect("it can be written");
    assert_eq!(serde_json::from_str::<Workflow>(&text).expect("it can be read"), after.state.workflow);
    Some(after)
}

/// Each attempt that begins has a number of its own.
fn attempts_grow(before: &State, after: &Transition) {
    let begins = after.next == Next::Run;
    assert_eq!(after.state.workflow.attempt, before.workflow.attempt + u32::from(begins));
    let told = if matches!(after.entry.kind, EntryKind::Claimed { .. }) { &after.state } else { before };
    assert_eq!(after.entry.attempt, told.workflow.attempt);
}

fn within_limits(workflow: &Workflow, policy: &Policy) {
    assert!(workflow.iteration <= policy.max_iterations, "{workflow:?}");
    // The no that is once too often is counted, and ends the task.
    let ended = u32::from(workflow.phase == Phase::Failed);
    assert!(workflow.test_rounds <= policy.max_test_rounds + ended, "{workflow:?}");
    assert!(workflow.unchanged <= limits::UNCHANGED + ended, "{workflow:?}");
    assert!(workflow.review_rounds <= policy.max_review_rounds + ended, "{workflow:?}");
    assert!(workflow.validation_rounds <= policy.max_validation_rounds + ended, "{workflow:?}");
    assert!(workflow.failures <= policy.retry.max_retries + ended, "{workflow:?}");
    assert!(workflow.crashes < policy.max_crashes.max(1) + ended, "{workflow:?}");
}

/// Status, phase, reason and what the worker does next tell the same story.
fn coherent(after: &Transition) {
    let (status, workflow) = (after.state.status, &after.state.workflow);
    assert_eq!(status == Status::Running, after.next == Next::Run);
    assert_eq!(status == Status::Queued, matches!(after.next, Next::Wait(_)));
    assert_eq!(status.is_end(), after.next == Next::End);
    assert_eq!(status == Status::Completed, workflow.phase == Phase::Complete);
    assert_eq!(status == Status::Failed, workflow.phase == Phase::Failed);
    assert_eq!(status == Status::Failed, workflow.reason.is_some());
    assert_eq!(status == Status::Failed, workflow.failed_in.is_some());
    if status == Status::Failed {
        assert!(workflow.error.is_some(), "a failed task says why");
    }
    let told = workflow.feedback.as_ref().map(|no| no.from.sends_back_to());
    assert!(told.is_none_or(|told| told == workflow.phase || status.is_end()), "{workflow:?}");
}

/// A phase that runs or waits finds what it needs; a completed task shows its proof.
fn equipped(state: &State) {
    let (phase, have) = (state.workflow.phase, &state.workflow.artifacts);
    if phase == Phase::Failed {
        return;
    }
    if phase >= Phase::CodeImplementation {
        let red = have.red.as_ref().expect("a red run");
        assert_eq!(Some(red.test_sha256()), have.test_sha256.as_ref());
        assert_eq!(Some(red.revision()), have.base_commit.as_ref());
        assert!(have.test_path.is_some() && have.head_commit.is_some());
    }
    if phase >= Phase::GuardianReview {
        assert!(have.diff.is_some() && have.code_pr_id.is_some());
    }
    if phase >= Phase::StagingDeployment {
        assert!(have.approved_commit.is_some() && have.approved_commit == have.head_commit);
    } else {
        assert!(have.approved_commit.is_none(), "an approval of another round is none");
    }
    if phase >= Phase::E2eValidation {
        assert_eq!(have.deployed_revision, have.approved_commit);
        assert!(have.deployment_url.is_some());
    } else {
        assert!(have.deployed_revision.is_none(), "a deployment of another round is none");
    }
    if phase == Phase::Complete {
        let green = have.green.as_ref().expect("a green run");
        assert_eq!(Some(green.test_sha256()), have.test_sha256.as_ref());
        assert_eq!(Some(green.revision()), have.approved_commit.as_ref());
        assert!(green.runs() >= 1);
    } else {
        assert!(have.green.is_none());
    }
}

/// Most events until a task ends that nobody interrupts or retries: each execution of a phase may be
/// settled once per retry, and each settling be preceded by crashes, all with a claim before them.
fn longest(policy: &Policy) -> u32 {
    let executions = 5 + policy.max_test_rounds + policy.max_iterations;
    let settles = executions * (policy.retry.max_retries + 1);
    settles * 2 * policy.max_crashes.max(1)
}

proptest! {
    #[test]
    fn every_delivery_ends_within_its_bound(
        policy in policy(),
        choices in proptest::collection::vec(choice(), 1..60),
    ) {
        let mut state = accepted();
        let mut interruptions = 0;
        let mut turn = 0;
        for choice in choices.iter().copied().cycle() {
            let choice = match choice {
                Choice::Interrupt | Choice::Unavailable if interruptions >= 20 => Choice::Pass,
                choice => choice,
            };
            let event = event(&state, choice, turn);
            let interrupted = matches!(
                event,
                Event::Settled { outcome: Outcome::Interrupted | Outcome::Unavailable { .. }, .. }
            );
            interruptions += u32::from(interrupted);
            state = checked(&state, &event, turn, &policy).expect("the model makes legal events only").state;
            turn += 1;
            prop_assert!(turn <= longest(&policy) + 2 * interruptions, "still not ended: {:?}", state);
            if state.status.is_end() {
                break;
            }
        }
    }

    #[test]
    fn the_promises_hold_through_every_retry_by_hand(
        policy in policy(),
        choices in proptest::collection::vec(choice(), 1..120),
    ) {
        let mut state = accepted();
        let mut journal = vec![acceptance()];
        for (turn, choice) in (0..).zip(choices) {
            let event = event(&state, choice, turn);
            match checked(&state, &event, turn, &policy) {
                Some(after) => {
                    state = after.state;
                    journal.push(after.entry);
                    let again = replay(&journal).map(|replayed| replayed.state);
                    prop_assert_eq!(again.as_ref(), Ok(&state), "the journal tells it all");
                }
                None if state.status == Status::Completed => {
                    state = accepted();
                    journal = vec![acceptance()];
                }
                None => prop_assert!(state.status.is_end(), "only a retry can be refused: {:?}", state),
            }
        }
    }
}

#[test]
fn the_longest_delivery_takes_exactly_its_bound_of_phase_executions() {
    let policy = Policy {
        max_validation_rounds: 100,
        max_review_rounds: 100,
        max_test_rounds: 7,
        max_iterations: 11,
        ..Policy::default()
    };
    let mut state = accepted();
    let mut executions = 0;
    for turn in 0.. {
        let workflow = &state.workflow;
        let no = match workflow.phase {
            Phase::E2eTestGeneration => workflow.test_rounds < policy.max_test_rounds,
            phase => phase == Phase::E2eValidation,
        };
        let choice = if no { Choice::Reject { fingerprint: None } } else { Choice::Pass };
        let event = event(&state, choice, turn);
        executions += u32::from(matches!(event, Event::Settled { .. }));
        state = checked(&state, &event, turn, &policy).expect("legal").state;
        if state.status.is_end() {
            break;
        }
    }
    assert_eq!(executions, 5 + policy.max_test_rounds + policy.max_iterations);
}
