//! A task stays with the machine that has its branch, until that has been silent for too long.

use crate::fixture::{House, LEASE, NOW, conformance, epoch, failure, id, new_task};
use chimera_core::Gates;
use chimera_core::{
    Digest, Outcome, PhaseOutput, RedProof, RedRuns, Task, TaskId, TestReport, TestResult, TestStatus,
    UnixMillis,
};
use chimera_store::home::{self, Away};
use chimera_store::queue::Claim;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(600);

conformance! {
    a_task_with_a_commit_stays_with_its_home,
    a_task_without_a_commit_may_go_anywhere,
    a_home_that_was_silent_for_too_long_loses_its_tasks,
}

async fn claim(house: &House, owner: &'static str, home: &'static str, now: UnixMillis) -> Vec<Task> {
    let claim = move |tx: &mut chimera_store::Tx<'_>| {
        home::claim(tx, &Claim { owner, now, limit: 10, gates: &Gates::default() }, home)
    };
    house.store.write(claim).await.expect("claimed")
}

async fn beat(house: &House, home: &'static str, now: UnixMillis) {
    let beat = move |tx: &mut chimera_store::Tx<'_>| {
        home::present(tx, home, now, LEASE)?;
        if home::is_any_silent(tx, now.minus(PATIENCE))? {
            home::give_up(tx, now.minus(PATIENCE))
        } else {
            Ok(())
        }
    };
    house.store.write(beat).await.expect("heard");
}

async fn away(house: &House, task: &TaskId, now: UnixMillis) -> Option<Away> {
    let task = task.clone();
    house.store.read(move |tx| home::away(tx, &task, now)).await.expect("readable")
}

/// The first phase has passed: there is a commit.
pub(crate) fn committed() -> Outcome {
    let digest = |digit: &str| Digest::parse(&digit.repeat(64)).expect("a digest");
    let test = TestResult::new("test", TestStatus::AssertionFailed, 1);
    let report = TestReport { tests: vec![test], error: None };
    let runs = RedRuns { base: &report, blank: &report, error: &report };
    let output = PhaseOutput::E2eTestGeneration {
        test_path: "tests/e2e/test_x.py".to_owned(),
        test_sha256: digest("a"),
        base_commit: digest("b"),
        test_commit: digest("c"),
        red: RedProof::judge(&runs, digest("a"), digest("b"), NOW).expect("red"),
        target_run: "unreachable".to_owned(),
    };
    Outcome::Passed { output }
}

/// A task with a commit at home `one`, which waits again.
async fn with_a_commit(house: &House) {
    house.submit(new_task(1)).await;
    beat(house, "one", NOW).await;
    let task = claim(house, "a daemon", "one", NOW).await.remove(0);
    house.settle(&task, epoch(&task), committed(), NOW).await.expect("recorded");
    let now = house.task(1).await;
    house.settle(&now, epoch(&now), Outcome::Interrupted, NOW).await.expect("handed back");
}

async fn a_task_with_a_commit_stays_with_its_home(house: House) {
    with_a_commit(&house).await;
    assert_eq!(claim(&house, "another", "two", NOW).await, []);
    assert_eq!(away(&house, &id(1), NOW).await, None, "its home is there");
    let later = NOW.plus(LEASE * 2);
    let silent = Away { home: "one".to_owned(), seen_at: NOW };
    assert_eq!(away(&house, &id(1), later).await, Some(silent));
    assert_eq!(claim(&house, "a new daemon", "one", later).await.len(), 1);
}

async fn a_task_without_a_commit_may_go_anywhere(house: House) {
    house.submit(new_task(1)).await;
    let task = claim(&house, "a daemon", "one", NOW).await.remove(0);
    house.settle(&task, epoch(&task), Outcome::Interrupted, NOW).await.expect("handed back");
    let task = claim(&house, "another", "two", NOW).await.remove(0);
    house.settle(&task, epoch(&task), failure(), NOW).await.expect("recorded");
}

async fn a_home_that_was_silent_for_too_long_loses_its_tasks(house: House) {
    with_a_commit(&house).await;
    let almost = NOW.plus(PATIENCE);
    beat(&house, "two", almost).await;
    assert_eq!(claim(&house, "another", "two", almost).await, []);
    let over = almost.plus(Duration::from_millis(1));
    beat(&house, "two", over).await;
    assert_eq!(claim(&house, "another", "two", over).await.len(), 1);
    // It comes back, and finds that the task is not its own any more.
    beat(&house, "one", over).await;
    assert_eq!(claim(&house, "a late daemon", "one", over).await, []);
}
