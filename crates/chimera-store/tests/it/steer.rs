//! What people may do to a task, and what not.

use crate::fixture::{House, NOW, conformance, epoch, failure, id, later, new_task, numbers, priority};
use chimera_core::{Phase, Policy, Status};
use chimera_store::StoreError;
use chimera_store::steer::{Cancel, cancel, requeue, set_priority};

conformance! {
    a_waiting_task_is_cancelled_at_once_and_never_runs,
    a_running_task_is_asked_to_stop_once,
    an_ended_task_goes_back_into_the_queue_from_a_phase_it_reached,
    a_new_priority_is_a_new_place,
}

async fn cancelled(house: &House, number: u64) -> Result<Cancel, StoreError> {
    house.store.write(move |tx| cancel(tx, &id(number), later(5), &Policy::default())).await
}

async fn a_waiting_task_is_cancelled_at_once_and_never_runs(house: House) {
    house.submit(new_task(1)).await;
    assert_eq!(cancelled(&house, 1).await.expect("possible"), Cancel::Cancelled);
    let task = house.task(1).await;
    assert_eq!((task.status, task.completed_at), (Status::Cancelled, Some(later(5))));
    assert_eq!(house.claim("one", later(6), 1).await, []);
    let again = cancelled(&house, 1).await;
    assert!(matches!(again, Err(StoreError::Ended { status: Status::Cancelled, .. })));
    assert!(
        matches!(cancelled(&house, 7).await, Err(StoreError::NotFound { id: unknown }) if unknown == id(7))
    );
}

async fn a_running_task_is_asked_to_stop_once(house: House) {
    house.running(1, "one").await;
    for _ in 0..2 {
        assert_eq!(cancelled(&house, 1).await.expect("possible"), Cancel::Requested);
    }
    assert_eq!(house.task(1).await.status, Status::Running, "its worker decides");
    assert_eq!(house.story(1).await, ["accepted", "claimed", "cancel_requested"]);
}

async fn an_ended_task_goes_back_into_the_queue_from_a_phase_it_reached(house: House) {
    let back = |phase| house.store.write(move |tx| requeue(tx, &id(1), phase, later(9), &Policy::default()));
    let task = house.running(1, "one").await;
    assert!(matches!(back(Phase::E2eTestGeneration).await, Err(StoreError::Illegal(_))), "it runs");
    house.settle(&task, epoch(&task), failure(), later(2)).await.expect("the lease holds");
    assert!(matches!(back(Phase::GuardianReview).await, Err(StoreError::Illegal(_))), "never reached");
    let queued = back(Phase::E2eTestGeneration).await.expect("possible");
    assert_eq!((queued.status, queued.completed_at, queued.workflow.reason), (Status::Queued, None, None));
    let again = house.claim("two", later(9), 1).await.pop().expect("ready at once");
    assert_eq!(epoch(&again), 2, "epochs go on growing");
}

async fn a_new_priority_is_a_new_place(house: House) {
    for number in 1..4 {
        house.submit(new_task(number)).await;
    }
    let change =
        |number, value| house.store.write(move |tx| set_priority(tx, &id(number), priority(value), later(1)));
    let changed = change(3, 10).await.expect("possible");
    assert_eq!(changed.request.priority, priority(10));
    change(1, 1).await.expect("possible");
    let claimed = house.claim("one", later(2), 3).await;
    assert_eq!(numbers(&claimed), [3, 2, 1]);
    change(2, 9).await.expect("a running task may get one, for its retries");
    house.settle(&claimed[0], 1, failure(), NOW).await.expect("the lease holds");
    assert!(matches!(change(3, 2).await, Err(StoreError::Ended { status: Status::Failed, .. })));
    assert!(matches!(change(9, 2).await, Err(StoreError::NotFound { .. })));
}
