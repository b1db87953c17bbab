//! A person sends a task back into the queue.

use crate::fixture::{NOW, TICK, at, claim, go, onward, pass, setback, settle, standing};
use chimera_core::{
    Artifacts, Event, Next, Outcome, Phase, Policy, Reason, Setback, State, Status, Workflow, limits, step,
};

fn requeued(state: &State, from: Phase) -> State {
    let after = go(state, Event::Requeued { from });
    assert_eq!((after.state.status, after.next), (Status::Queued, Next::Wait(NOW)));
    after.state
}

#[test]
fn a_task_can_be_retried_to_completion_from_every_phase_that_it_reached() {
    for status in [Status::Failed, Status::Cancelled] {
        for reached in Phase::WORKING {
            for from in Phase::WORKING.into_iter().filter(|from| *from <= reached) {
                let ended = standing(status, reached);
                let state = requeued(&ended, from);
                assert_eq!(state.workflow.attempt, ended.workflow.attempt, "no attempt began yet");
                assert_eq!(onward(state, Phase::Complete).status, Status::Completed, "{reached} {from}");
            }
        }
    }
}

#[test]
fn a_retry_starts_its_counts_anew_but_numbers_attempts_and_adds_costs_on() {
    let mut ended = standing(Status::Failed, Phase::E2eValidation);
    ended.workflow.usage.input_tokens = 7;
    (ended.workflow.iteration, ended.workflow.review_rounds, ended.workflow.validation_rounds) = (10, 3, 3);
    (ended.workflow.failures, ended.workflow.crashes) = (3, 4);
    (ended.workflow.test_rounds, ended.workflow.unchanged) = (2, 1);
    let before = ended.workflow.clone();
    let workflow = requeued(&ended, Phase::E2eTestGeneration).workflow;
    let expected = Workflow {
        attempt: before.attempt,
        usage: before.usage,
        artifacts: Artifacts::default(),
        ..Workflow::new()
    };
    assert_eq!(workflow, expected);
}

#[test]
fn a_retry_keeps_what_earlier_phases_left_and_drops_the_rest() {
    let ended = standing(Status::Failed, Phase::E2eValidation);
    let left = |from| requeued(&ended, from).workflow.artifacts;
    let kept = |from| {
        let have = left(from);
        [
            have.red.is_some() && have.test_sha256.is_some() && have.base_commit.is_some(),
            have.diff.is_some() && have.code_pr_id.is_some(),
            have.approved_commit.is_some(),
            have.deployment_url.is_some() && have.deployed_revision.is_some(),
        ]
    };
    assert_eq!(kept(Phase::E2eTestGeneration), [false, false, false, false]);
    assert_eq!(kept(Phase::CodeImplementation), [true, false, false, false]);
    assert_eq!(kept(Phase::GuardianReview), [true, true, false, false]);
    assert_eq!(kept(Phase::StagingDeployment), [true, true, true, false]);
    assert_eq!(kept(Phase::E2eValidation), [true, true, true, true]);
    assert!(left(Phase::CodeImplementation).head_commit.is_some(), "the coder goes on from its last commit");
}

#[test]
fn a_task_that_ended_at_the_limit_of_executions_can_be_retried_from_the_phase_that_said_no() {
    let policy = Policy { max_iterations: 0, ..Policy::default() };
    let no = settle(Outcome::Rejected(setback()));
    let ended = step(&at(Phase::E2eValidation), no, TICK, &policy).expect("legal").state;
    assert_eq!(ended.workflow.reason, Some(Reason::MaxIterations));
    for from in [Phase::E2eValidation, Phase::StagingDeployment] {
        assert_eq!(onward(requeued(&ended, from), Phase::Complete).status, Status::Completed, "{from}");
    }
}

#[test]
fn the_last_no_is_told_to_the_author_who_starts_again_and_to_nobody_else() {
    let policy = Policy { max_review_rounds: 0, ..Policy::default() };
    let no = settle(Outcome::Rejected(setback()));
    let ended = step(&at(Phase::GuardianReview), no, TICK, &policy).expect("legal").state;
    let told = |from| requeued(&ended, from).workflow.feedback;
    assert_eq!(told(Phase::CodeImplementation).map(|no| no.from), Some(Phase::GuardianReview));
    assert_eq!(told(Phase::GuardianReview), None);
    assert_eq!(told(Phase::E2eTestGeneration), None);
    let policy = Policy { max_test_rounds: 0, ..Policy::default() };
    let no = settle(Outcome::Rejected(setback()));
    let refused = step(&at(Phase::E2eTestGeneration), no, TICK, &policy).expect("legal").state;
    let told = requeued(&refused, Phase::E2eTestGeneration).workflow.feedback;
    assert_eq!(told.map(|no| no.from), Some(Phase::E2eTestGeneration), "the author answers its own");
}

#[test]
fn a_coder_whose_dispute_is_refused_is_told_so_with_its_own_words() {
    let disputed = |summary: &str| {
        let no = settle(Outcome::Failed(Setback::new(Reason::TestDisputed, summary)));
        go(&at(Phase::CodeImplementation), no).state
    };
    let told = |from| requeued(&disputed("line 9 is wrong"), from).workflow.feedback;
    let feedback = told(Phase::CodeImplementation).expect("something is told");
    assert_eq!(feedback.from, Phase::CodeImplementation);
    assert!(feedback.summary.contains("keeps it as it is"), "{}", feedback.summary);
    assert!(feedback.summary.ends_with("The dispute said: line 9 is wrong"), "{}", feedback.summary);
    assert_eq!(told(Phase::E2eTestGeneration), None, "the test is written anew");
    let long = requeued(&disputed(&"x".repeat(limits::SUMMARY_BYTES)), Phase::CodeImplementation);
    let summary = long.workflow.feedback.expect("something is told").summary;
    assert!(summary.len() <= limits::SUMMARY_BYTES, "{}", summary.len());
}

#[test]
fn a_retry_from_the_coder_may_make_the_change_again_that_was_rejected() {
    let ended = standing(Status::Failed, Phase::GuardianReview);
    let diff = ended.workflow.artifacts.diff.clone();
    let running = go(&requeued(&ended, Phase::CodeImplementation), claim()).state;
    let Outcome::Passed {
        output: chimera_core::PhaseOutput::CodeImplementation { commit, test_sha256, code_pr_id, .. },
    } = pass(&running.workflow)
    else {
        panic!("the coder's product")
    };
    let diff = diff.expect("there was a change");
    let output = chimera_core::PhaseOutput::CodeImplementation {
        commit,
        diff,
        test_sha256,
        code_pr_id,
        restored: false,
    };
    let after = go(&running, settle(Outcome::Passed { output })).state;
    assert_eq!((after.status, after.workflow.phase), (Status::Running, Phase::GuardianReview));
}

#[test]
fn a_retry_after_a_rejection_from_the_reviewer_still_knows_the_same_change() {
    let ended = standing(Status::Cancelled, Phase::GuardianReview);
    let running = go(&requeued(&ended, Phase::GuardianReview), claim()).state;
    let sent_back = go(&running, settle(Outcome::Rejected(setback()))).state;
    assert_eq!(sent_back.workflow.artifacts.diff, ended.workflow.artifacts.diff);
    assert!(sent_back.workflow.artifacts.diff.is_some());
}
