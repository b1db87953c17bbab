//! Tasks that wait for each other.

use crate::fixture::{House, NOW, conformance, epoch, failure, id, later, new_task, request, settled};
use chimera_core::{Gates, Phase, Policy, Status, Task, UnixMillis, limits};
use chimera_store::after::{HELD, Unlinked, Waits, Why, waits};
use chimera_store::queue::{self, Claim};
use chimera_store::settle::{Settlement, settle};
use chimera_store::steer::{cancel, requeue};
use chimera_store::submit::{NewTask, submit};
use chimera_store::{Store, StoreError};

conformance! {
    a_task_starts_once_all_that_it_waits_for_are_completed,
    a_dependency_that_fails_starts_nothing_until_it_is_retried,
    a_cancelled_task_that_is_retried_waits_again,
    what_cannot_be_waited_for_is_named,
    two_that_complete_at_once_release_what_waits_for_both,
    only_so_many_may_wait_for_one,
}

pub(crate) fn waiting(number: u64, after: &[u64]) -> NewTask {
    let mut request = request();
    request.after = after.iter().map(|number| id(*number)).collect();
    NewTask { request, ..new_task(number) }
}

async fn waits_of(house: &House, number: u64) -> Waits {
    let task = house.task(number).await;
    house.store.read(move |tx| waits(tx, &task)).await.expect("readable")
}

/// Records that a task is completed. What proves it is of no concern to the store.
pub(crate) async fn complete(store: &Store, task: Task, now: UnixMillis) {
    let mut end = settled(&task, failure(), now);
    (end.state.status, end.state.workflow.phase) = (Status::Completed, Phase::Complete);
    let settlement = Settlement::new(&task, epoch(&task), end, now);
    store.write_in_turn(move |tx| settle(tx, &settlement)).await.expect("the lease holds");
}

async fn a_task_starts_once_all_that_it_waits_for_are_completed(house: House) {
    house.submit(new_task(1)).await;
    house.submit(new_task(2)).await;
    let mut last = waiting(3, &[1, 2]);
    last.request.not_before = Some(later(100));
    assert_eq!(house.submit(last).await.ready_at, HELD);
    let both = house.claim("one", later(1), 9).await;
    assert_eq!(both.len(), 2, "not the third one");
    let [first, second] = <[Task; 2]>::try_from(both).expect("two");
    complete(&house.store, first, later(2)).await;
    assert_eq!(waits_of(&house, 3).await, Waits { some: vec![(id(2), Status::Running)], all: 1 });
    complete(&house.store, second, later(3)).await;
    assert_eq!(waits_of(&house, 3).await, Waits::default());
    assert_eq!(house.task(3).await.ready_at, later(100), "its earliest start still counts");
    assert_eq!(house.claim("one", later(99), 1).await, []);
    assert_eq!(house.claim("one", later(100), 1).await.len(), 1);
    assert_eq!(house.story(3).await, ["accepted", "released", "claimed"]);
    house.submit(waiting(4, &[1])).await;
    assert_eq!(house.claim("one", later(100), 1).await.len(), 1, "what is completed holds nobody");
}

async fn a_dependency_that_fails_starts_nothing_until_it_is_retried(house: House) {
    let first = house.running(1, "one").await;
    house.submit(waiting(2, &[1])).await;
    house.settle(&first, epoch(&first), failure(), later(1)).await.expect("the lease holds");
    assert_eq!(house.claim("one", later(2), 9).await, []);
    assert_eq!(waits_of(&house, 2).await, Waits { some: vec![(id(1), Status::Failed)], all: 1 });
    let back = |tx: &mut chimera_store::Tx<'_>| {
        requeue(tx, &id(1), Phase::E2eTestGeneration, later(3), &Policy::default())
    };
    house.store.write(back).await.expect("possible");
    let again = house.claim("one", later(4), 9).await.pop().expect("the first one");
    complete(&house.store, again, later(5)).await;
    assert_eq!(house.claim("one", later(6), 9).await.len(), 1);
}

async fn a_cancelled_task_that_is_retried_waits_again(house: House) {
    let first = house.running(1, "one").await;
    house.submit(waiting(2, &[1])).await;
    let policy = Policy::default();
    house.store.write(move |tx| cancel(tx, &id(2), later(1), &policy)).await.expect("possible");
    let back = move |tx: &mut chimera_store::Tx<'_>| {
        requeue(tx, &id(2), Phase::E2eTestGeneration, later(2), &policy)
    };
    assert_eq!(house.store.write(back).await.expect("possible").ready_at, HELD);
    house.store.write(move |tx| cancel(tx, &id(2), later(3), &policy)).await.expect("possible");
    complete(&house.store, first, later(4)).await;
    assert_eq!(house.task(2).await.status, Status::Cancelled, "no release wakes it");
    assert_eq!(house.store.write(back).await.expect("possible").ready_at, later(2), "nothing is left");
}

async fn what_cannot_be_waited_for_is_named(house: House) {
    house.submit(new_task(1)).await;
    let new = waiting(2, &[7, 1, 3]);
    let refused = house.store.write(move |tx| submit(tx, &new)).await;
    let Err(StoreError::After(unlinked)) = refused else { panic!("{refused:?}") };
    let unknown = |position, number| Unlinked { entry: 0, position, id: id(number), why: Why::Unknown };
    assert_eq!(unlinked, [unknown(0, 7), unknown(2, 3)]);
    let new = waiting(2, &[2]);
    let itself = house.store.write(move |tx| submit(tx, &new)).await;
    assert!(matches!(itself, Err(StoreError::After(_))), "it does not exist yet: no circle can be made");
    assert_eq!(house.claim("one", NOW, 9).await.len(), 1, "nothing of it is in the queue");
}

/// Two daemons complete the two tasks at the same time, again and again: neither sees what the other one writes,
/// yet one of them must release the third.
async fn two_that_complete_at_once_release_what_waits_for_both(house: House) {
    let other = house.second();
    for round in 0..20 {
        let [left, right, both] = [3 * round + 1, 3 * round + 2, 3 * round + 3];
        house.submit(new_task(left)).await;
        house.submit(new_task(right)).await;
        house.submit(waiting(both, &[left, right])).await;
        let claim = |tx: &mut chimera_store::Tx<'_>| {
            queue::claim(tx, &Claim { owner: "one", now: NOW, limit: 2, gates: &Gates::default() })
        };
        let taken = house.store.write(claim).await.expect("claimed");
        let [first, second] = <[Task; 2]>::try_from(taken).expect("two");
        let store = house.store.clone();
        let one = tokio::spawn(async move { complete(&store, first, NOW).await });
        complete(&other, second, NOW).await;
        one.await.expect("no panic");
        assert_eq!(house.task(both).await.ready_at, NOW, "round {round}");
        assert_eq!(house.claim("two", NOW, 1).await.len(), 1);
    }
}

async fn only_so_many_may_wait_for_one(house: House) {
    house.submit(new_task(1)).await;
    let fill = |tx: &mut chimera_store::Tx<'_>| {
        (0..limits::WAITERS as u64).try_for_each(|n| submit(tx, &waiting(n + 2, &[1])).map(drop))
    };
    house.store.write(fill).await.expect("accepted");
    let new = waiting(5000, &[1]);
    let refused = house.store.write(move |tx| submit(tx, &new)).await;
    let crowded = Unlinked { entry: 0, position: 0, id: id(1), why: Why::Crowded };
    assert!(matches!(&refused, Err(StoreError::After(why)) if *why == [crowded]), "{refused:?}");
    let first = house.claim("one", NOW, 9).await.pop().expect("the one that all wait for");
    complete(&house.store, first, later(1)).await;
    assert_eq!(house.claim("one", later(1), 2000).await.len(), limits::WAITERS);
}
