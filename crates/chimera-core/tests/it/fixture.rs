//! Tasks at every place of a delivery, made only by [`step`], and products that fit them.

use chimera_core::{
    Digest, Entry, EntryKind, Event, GreenProof, GreenRuns, Next, Outcome, Phase, PhaseOutput, Policy,
    Reason, RedProof, RedRuns, Setback, State, Status, TestReport, TestResult, TestStatus, Tick, Transition,
    UnixMillis, Usage, Workflow, step,
};

/// The time at which everything happens.
pub(crate) const NOW: UnixMillis = UnixMillis(1_700_000_000_000);
/// That time, with the dice at their lowest.
pub(crate) const TICK: Tick = Tick { now: NOW, jitter: 0.0 };
/// The commit that every task grows on.
pub(crate) const BASE: u64 = 0xba5e;

/// A hash that differs from that of any other number.
pub(crate) fn digest(n: u64) -> Digest {
    Digest::parse(&format!("{n:064x}")).expect("64 digits")
}

/// A run of one test.
pub(crate) fn report(status: TestStatus, assertions: u32) -> TestReport {
    TestReport { tests: vec![TestResult::new("test_it", status, assertions)], error: None }
}

/// A red run of the test with that hash on the base.
pub(crate) fn red(test: &Digest) -> RedProof {
    red_on(test, BASE)
}

/// A red run of the test with that hash on that commit.
pub(crate) fn red_on(test: &Digest, commit: u64) -> RedProof {
    let failed = report(TestStatus::AssertionFailed, 1);
    let runs = RedRuns { base: &failed, blank: &failed, error: &failed };
    RedProof::judge(&runs, test.clone(), digest(commit), NOW).expect("it is red")
}

/// Two green runs of the test with that hash on that commit.
pub(crate) fn green(test: &Digest, revision: &Digest) -> GreenProof {
    let passed = report(TestStatus::Passed, 1);
    let (passes, base_again) = ([passed.clone(), passed], report(TestStatus::AssertionFailed, 1));
    let runs = GreenRuns { passes: &passes, base_again: &base_again };
    GreenProof::judge(&red(test), &runs, 2, test.clone(), revision.clone(), NOW).expect("it is green")
}

/// What the current phase produces if all goes well; `fresh` names what is new in it.
pub(crate) fn product(workflow: &Workflow, fresh: u64) -> PhaseOutput {
    let have = &workflow.artifacts;
    let known = |digest: &Option<Digest>| digest.clone().expect("an earlier phase left it");
    match workflow.phase {
        Phase::E2eTestGeneration => PhaseOutput::E2eTestGeneration {
            test_path: "tests/e2e/test_it.py".into(),
            test_sha256: digest(fresh),
            base_commit: digest(BASE),
            test_commit: digest(fresh + 1),
            red: red(&digest(fresh)),
            target_run: "failed".into(),
        },
        Phase::CodeImplementation => PhaseOutput::CodeImplementation {
            commit: digest(fresh),
            diff: digest(fresh + 1),
            test_sha256: known(&have.test_sha256),
            code_pr_id: "local-chimera-0123456789ab".into(),
            restored: false,
        },
        Phase::GuardianReview => PhaseOutput::GuardianReview { commit: known(&have.head_commit) },
        Phase::StagingDeployment => PhaseOutput::StagingDeployment {
            url: "http://127.0.0.1:4000".into(),
            revision: known(&have.approved_commit),
        },
        Phase::E2eValidation => PhaseOutput::E2eValidation {
            green: green(&known(&have.test_sha256), &known(&have.deployed_revision)),
        },
        Phase::Complete | Phase::Failed => unreachable!("nothing runs at an end"),
    }
}

/// The current phase did what it is for.
pub(crate) fn pass(workflow: &Workflow) -> Outcome {
    Outcome::Passed { output: product(workflow, 0x1000 + 2 * u64::from(workflow.attempt)) }
}

/// A setback with the reason that the tests recognise.
pub(crate) fn setback() -> Setback {
    Setback::new(Reason::NotGreen, "it did not work")
}

/// A transient trouble.
pub(crate) fn transient() -> Outcome {
    Outcome::Transient { setback: setback(), retry_after: None }
}

/// The agent says that nobody can work with it.
pub(crate) fn unavailable() -> Outcome {
    Outcome::Unavailable { agent: "my-coder".into(), setback: setback(), retry_after: None }
}

/// A worker's claim.
pub(crate) fn claim() -> Event {
    Event::Claimed { worker: "worker-1".into(), epoch: 1 }
}

/// The end of an attempt that used nothing.
pub(crate) fn settle(outcome: Outcome) -> Event {
    Event::Settled { outcome, usage: Usage::default() }
}

/// One step under the default policy, which must be legal.
pub(crate) fn go(state: &State, event: Event) -> Transition {
    step(state, event, TICK, &Policy::default()).expect("a legal event")
}

/// A task that was just accepted.
pub(crate) fn accepted() -> State {
    State { status: Status::Queued, workflow: Workflow::new() }
}

/// The journal entry of that.
pub(crate) fn acceptance() -> Entry {
    let phase = Phase::E2eTestGeneration;
    Entry { at: NOW, phase, to: phase, attempt: 0, kind: EntryKind::Accepted }
}

/// A task that runs in that phase, or is complete, having got there without a setback.
pub(crate) fn at(phase: Phase) -> State {
    onward(accepted(), phase)
}

/// Goes on from there until that phase runs.
pub(crate) fn onward(mut state: State, phase: Phase) -> State {
    if state.status == Status::Queued {
        state = go(&state, claim()).state;
    }
    while state.workflow.phase != phase {
        let outcome = pass(&state.workflow);
        let after = go(&state, settle(outcome));
        assert!(after.next == Next::Run || phase == Phase::Complete, "{after:?}");
        state = after.state;
    }
    state
}

/// A task in that status that stands in that phase (or the end that the status implies).
pub(crate) fn standing(status: Status, phase: Phase) -> State {
    match status {
        Status::Running => at(phase),
        Status::Queued => go(&at(phase), Event::Rescued).state,
        Status::Cancelled => go(&at(phase), Event::Cancelled).state,
        Status::Failed => go(&at(phase), settle(Outcome::Failed(setback()))).state,
        Status::Completed => at(Phase::Complete),
    }
}
