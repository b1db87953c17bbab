//! A cancellation that was acknowledged is final, whatever the attempt comes to that ran meanwhile.

use crate::fixture::{House, conformance, epoch, failure, id, later, settled};
use chimera_core::{
    Digest, Evidence, EvidenceKind, Gates, Next, Outcome, Phase, Policy, Reason, Role, Setback, Status, Task,
    Transition,
};
use chimera_store::settle::Onward;
use chimera_store::steer::{self, Cancel};
use chimera_store::{StoreError, lease, moved, read};

conformance! {
    no_result_outruns_an_acknowledged_cancellation,
    only_the_worker_of_the_task_ends_it_as_cancelled,
    a_task_without_a_worker_ends_as_cancelled,
}

async fn cancel(house: &House, number: u64) {
    let wish =
        move |tx: &mut chimera_store::Tx<'_>| steer::cancel(tx, &id(number), later(1), &Policy::default());
    assert_eq!(house.store.write(wish).await.expect("wished"), Cancel::Requested);
}

fn trouble() -> Setback {
    Setback::new(Reason::AgentError, "quota reached")
}

/// As if the first phase had passed: what proves it is of no concern to the store.
fn passed(task: &Task) -> Transition {
    let mut on = settled(task, Outcome::Interrupted, later(2));
    on.next = Next::Run;
    (on.state.status, on.state.workflow.phase) = (Status::Running, Phase::CodeImplementation);
    (on.state.workflow.attempt, on.entry.to) = (2, Phase::CodeImplementation);
    on
}

/// As if the last phase had passed.
fn completed(task: &Task) -> Transition {
    let mut end = settled(task, failure(), later(2));
    (end.state.status, end.state.workflow.phase) = (Status::Completed, Phase::Complete);
    end
}

fn found() -> Evidence {
    Evidence {
        sha256: Digest::parse(&"f".repeat(64)).expect("a digest"),
        kind: EvidenceKind::Log,
        name: "agent.log".to_owned(),
        size: 3,
        phase: Phase::E2eTestGeneration,
        attempt: 1,
    }
}

async fn no_result_outruns_an_acknowledged_cancellation(house: House) {
    type Comes = Box<dyn Fn(&Task) -> Transition>;
    let (free, busy) = (Gates::default(), Gates { roles: [(Role::Coder, 1)].into(), ..Gates::default() });
    let to = |outcome: Outcome| -> Comes { Box::new(move |task| settled(task, outcome.clone(), later(2))) };
    let waits = || to(Outcome::Transient { setback: trouble(), retry_after: None });
    let ways: Vec<(&str, Comes, &Gates, bool)> = vec![
        ("goes on", Box::new(passed), &free, false),
        ("goes on, with evidence", Box::new(passed), &free, true),
        ("goes back to a limit", Box::new(passed), &busy, false),
        ("is completed", Box::new(completed), &free, false),
        ("is completed, with evidence", Box::new(completed), &free, true),
        ("tries again", waits(), &free, false),
        ("tries again, with evidence", waits(), &free, true),
        ("is handed back", to(Outcome::Interrupted), &free, false),
        ("cannot be read", to(Outcome::Unknown(trouble())), &free, false),
        ("fails", to(failure()), &free, false),
        ("fails, with evidence", to(failure()), &free, true),
    ];
    for (number, (way, comes, gates, with)) in (1..).zip(ways) {
        let task = house.running(number, "one").await;
        cancel(&house, number).await;
        let evidence: Vec<Evidence> = with.then(found).into_iter().collect();
        let onward = house.record(&task, epoch(&task), comes(&task), &evidence, gates).await;
        assert_eq!(onward.expect("recorded"), Onward::Cancelled, "{way}");
        let ended = house.task(number).await;
        let lease = (ended.lease, ended.cancel_requested);
        assert_eq!(
            (ended.status, lease, ended.completed_at),
            (Status::Cancelled, (None, false), Some(later(2)))
        );
        let story = ["accepted", "claimed", "cancel_requested", "cancelled"];
        assert_eq!(house.story(number).await, story, "{way}");
        let of = id(number);
        let kept = house.store.read(move |tx| read::evidence(tx, &of)).await.expect("readable");
        assert_eq!(kept.len(), evidence.len(), "{way}: what the attempt left is kept");
    }
    assert_eq!(house.claim("one", later(9999), 99).await, []);
}

async fn only_the_worker_of_the_task_ends_it_as_cancelled(house: House) {
    let zombie = house.running(1, "one").await;
    house.rescue(later(61), &[]).await;
    let heir = house.claim("two", later(61), 1).await.pop().expect("the task is free again");
    cancel(&house, 1).await;
    let late = house.settle(&zombie, epoch(&zombie), Outcome::Interrupted, later(62)).await;
    assert!(matches!(late, Err(StoreError::LeaseLost { .. })), "its lease is gone");
    assert_eq!(house.task(1).await.status, Status::Running);
    house.settle(&heir, epoch(&heir), Outcome::Interrupted, later(63)).await.expect("the heir holds it");
    assert_eq!(house.task(1).await.status, Status::Cancelled);
}

async fn a_task_without_a_worker_ends_as_cancelled(house: House) {
    for number in 1..=2 {
        house.running(number, "one").await;
        cancel(&house, number).await;
    }
    let policy = Policy::default();
    let forsaken = house
        .store
        .write(move |tx| lease::forsake(tx, "one", &[id(1)], later(2), &policy))
        .await
        .expect("done");
    assert_eq!(forsaken, [id(1)]);
    house.store.write(|tx| moved::close(tx, later(3))).await.expect("closed");
    for number in 1..=2 {
        assert_eq!(house.task(number).await.status, Status::Cancelled);
    }
}
