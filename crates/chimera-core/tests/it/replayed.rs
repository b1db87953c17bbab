//! A journal that was tampered with does not follow.

use crate::fixture::{acceptance, accepted, claim, digest, go, green, pass, report, setback, settle};
use chimera_core::{
    Artifacts, Entry, EntryKind, GreenRuns, Outcome, Phase, PhaseOutput, Priority, Reason, RedRuns, Shown,
    Status, TestReport, TestStatus, Usage, rejudge, replay,
};

/// The journal of a delivery with one no of the reviewer.
fn journal() -> Vec<Entry> {
    let (mut state, mut journal) = (accepted(), vec![acceptance()]);
    let mut event = claim();
    let mut rejected = false;
    while !state.status.is_end() {
        let after = go(&state, event);
        journal.push(after.entry);
        state = after.state;
        let no = state.workflow.phase == Phase::GuardianReview && !rejected;
        rejected |= no;
        event = settle(if no {
            Outcome::Rejected(setback())
        } else if state.status.is_end() {
            Outcome::Interrupted
        } else {
            pass(&state.workflow)
        });
    }
    journal
}

fn why(journal: &[Entry]) -> String {
    replay(journal).expect_err("it does not follow").to_string()
}

#[test]
fn a_delivery_follows_and_names_the_attempts_that_prove_it() {
    let replayed = replay(&journal()).expect("it follows");
    assert_eq!(replayed.state.status, Status::Completed);
    assert_eq!((replayed.red_attempt, replayed.green_attempt), (Some(1), Some(7)));
}

#[test]
fn nothing_can_be_left_out_doubled_or_swapped() {
    let whole = journal();
    for at in 0..whole.len() {
        let (mut without, mut doubled) = (whole.clone(), whole.clone());
        without.remove(at);
        doubled.insert(at, whole[at].clone());
        let same = replay(&without).map(|replayed| replayed.state.status);
        assert!(same != Ok(Status::Completed), "entry {at} can be left out");
        assert!(replay(&doubled).is_err(), "entry {at} can be doubled");
        if at > 0 {
            let mut swapped = whole.clone();
            swapped.swap(at - 1, at);
            assert!(replay(&swapped).is_err(), "entries {at} and the one before can be swapped");
        }
    }
    assert_eq!(why(&[]), "entry 1 of the journal: it is empty");
}

#[test]
fn an_entry_that_tells_another_end_does_not_follow() {
    for at in 1..journal().len() {
        let mut told = journal();
        told[at].to = Phase::Complete;
        assert!(at + 1 == told.len() || replay(&told).is_err(), "entry {at}");
        let mut told = journal();
        told[at].attempt += 1;
        assert!(replay(&told).is_err(), "entry {at}");
        let mut told = journal();
        told[at].phase = Phase::CodeImplementation;
        assert!(journal()[at].phase == Phase::CodeImplementation || replay(&told).is_err(), "entry {at}");
    }
}

#[test]
fn a_green_run_of_another_test_or_commit_does_not_follow() {
    let whole = journal();
    let replayed = replay(&whole).expect("it follows").state.workflow.artifacts;
    let (test, head) = (replayed.test_sha256.expect("a test"), replayed.head_commit.expect("a head"));
    for forged in [green(&test, &digest(0xbad)), green(&digest(0xbad), &head)] {
        let mut told = whole.clone();
        let result = Outcome::Passed { output: PhaseOutput::E2eValidation { green: forged } };
        told.last_mut().expect("an end").kind = EntryKind::Settled {
            result,
            reason: None,
            retry_at: None,
            usage: Usage::default(),
            handed_back: false,
        };
        assert!(
            why(&told).contains("leads from E2E_VALIDATION to FAILED, not to COMPLETE"),
            "{}",
            why(&told)
        );
    }
}

#[test]
fn remarks_are_possible_only_where_somebody_could_make_them() {
    let mut told = journal();
    let end = told.last().expect("an end").clone();
    let priority = EntryKind::PriorityChanged { priority: Priority::default() };
    told.push(Entry { phase: Phase::Complete, kind: priority.clone(), ..end.clone() });
    assert!(why(&told).contains("while the task is completed"));
    told.pop();
    told.insert(1, Entry { kind: priority, ..acceptance() });
    assert!(replay(&told).is_ok());
    told.insert(1, Entry { kind: EntryKind::CancelRequested, ..acceptance() });
    assert!(why(&told).contains("while the task is queued"));
    told[1] = Entry { kind: EntryKind::Rescued { reason: Some(Reason::Poisoned) }, ..acceptance() };
    assert!(why(&told).contains("not possible: the task is queued"));
}

#[test]
fn reports_lead_to_the_proofs_on_record_or_to_none() {
    let record = replay(&journal()).expect("it follows").state.workflow.artifacts;
    let red = report(TestStatus::AssertionFailed, 1);
    let passed = report(TestStatus::Passed, 1);
    let twice = [passed.clone(), passed.clone()];
    let judged = |red: &TestReport, green: &[TestReport], control: &TestReport| {
        let red = RedRuns { base: red, blank: control, error: control };
        let green = GreenRuns { passes: green, base_again: control };
        rejudge(&record, &Shown { red, green }).map_err(|why| why.to_string())
    };
    assert_eq!(judged(&red, &twice, &red), Ok(()));
    let told = |judged: Result<(), String>| judged.expect_err("it does not hold");
    assert!(told(judged(&passed, &twice, &red)).starts_with("the runs before the change prove no red"));
    assert!(told(judged(&red, &twice[..1], &red)).starts_with("the runs after it prove no green"));
    assert!(
        told(judged(&red, &[passed.clone(), red.clone()], &red))
            .starts_with("the runs after it prove no green")
    );
    assert!(told(judged(&red, &twice, &passed)).contains("passes on a blank page"));
    let thrice = [twice.to_vec(), twice[..1].to_vec()].concat();
    assert_eq!(told(judged(&red, &thrice, &red)), "3 green runs, but 2 are on record");
    let mut other = red.clone();
    other.tests[0].id = "test_other".into();
    assert!(told(judged(&other, &twice, &red)).contains("test_other"));
    let (red_runs, green) =
        (RedRuns { base: &red, blank: &red, error: &red }, GreenRuns { passes: &twice, base_again: &red });
    assert!(rejudge(&Artifacts::default(), &Shown { red: red_runs, green }).is_err());
}
