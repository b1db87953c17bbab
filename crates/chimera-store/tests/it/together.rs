//! Changes that share a statement: what is wrong with one does not reach the others.

use crate::fixture::{House, NOW, conformance, epoch, failure, id, new_task};
use chimera_core::{Status, Task};
use chimera_store::submit::{Submitted, accept};
use chimera_store::{StoreError, read};
use std::sync::mpsc;

conformance! {
    a_task_that_cannot_be_accepted_keeps_none_of_the_others_out,
    results_without_a_lease_change_nothing_and_keep_none_of_the_others_back,
    a_result_that_comes_twice_at_once_is_recorded_once,
    what_comes_later_in_the_same_commit_sees_the_changes,
    more_than_one_statement_holds_are_all_accepted,
}

/// Holds the writer until all of `waiting` wait: they share one commit.
macro_rules! together {
    ($house:expr, $($waiting:expr),+ $(,)?) => {{
        let (go, gate) = mpsc::channel::<()>();
        let hold = $house.store.write(move |_| Ok(gate.recv().is_ok()));
        let open = async { go.send(()).expect("the writer waits") };
        tokio::join!(hold, $($waiting),+, open)
    }};
}

async fn record(house: &House, task: &Task, epoch: i64) -> Result<(), StoreError> {
    house.settle(task, epoch, failure(), NOW).await
}

async fn a_task_that_cannot_be_accepted_keeps_none_of_the_others_out(house: House) {
    house.submit(new_task(2)).await;
    let put = |number| accept(&house.store, new_task(number));
    let (_, first, taken, last, ()) = together!(house, put(1), put(2), put(3));
    assert!(matches!(first, Ok(Submitted::Created(task)) if task.id == id(1)));
    assert!(taken.is_err(), "there is a task of that id");
    assert!(matches!(last, Ok(Submitted::Created(task)) if task.id == id(3)));
    for number in 1..4 {
        assert_eq!(house.story(number).await, ["accepted"]);
    }
}

async fn results_without_a_lease_change_nothing_and_keep_none_of_the_others_back(house: House) {
    let (one, two) = (house.running(1, "one").await, house.running(2, "one").await);
    let stale = epoch(&one) - 1;
    let before = house.task(1).await;
    let (_, lost, kept, ()) =
        together!(house, record(&house, &one, stale), record(&house, &two, epoch(&two)));
    assert!(matches!(lost, Err(StoreError::LeaseLost { id: lost }) if lost == id(1)));
    kept.expect("the lease holds");
    assert_eq!((house.task(1).await, house.story(1).await), (before, vec!["accepted", "claimed"]));
    assert_eq!(house.task(2).await.status, Status::Failed);
}

async fn a_result_that_comes_twice_at_once_is_recorded_once(house: House) {
    let task = house.running(1, "one").await;
    let result = || record(&house, &task, epoch(&task));
    let (_, first, second, ()) = together!(house, result(), result());
    first.expect("the lease holds");
    assert!(matches!(second, Err(StoreError::LeaseLost { .. })));
    assert_eq!(house.story(1).await, ["accepted", "claimed", "settled"]);
}

async fn what_comes_later_in_the_same_commit_sees_the_changes(house: House) {
    let task = house.running(1, "one").await;
    let look = house.store.write(|tx| read::task(tx, &id(1)));
    let undone = house.store.write(|_| Err::<(), _>(StoreError::Busy));
    let (_, recorded, seen, undone, ()) = together!(house, record(&house, &task, epoch(&task)), look, undone);
    recorded.expect("the lease holds");
    assert_eq!(seen.expect("readable").expect("the task exists").status, Status::Failed);
    assert!(matches!(undone, Err(StoreError::Busy)));
    assert_eq!(house.task(1).await.status, Status::Failed, "what failed later took nothing back");
}

async fn more_than_one_statement_holds_are_all_accepted(house: House) {
    const TASKS: u64 = 200;
    let store = house.store.clone();
    let many = async move {
        let puts: Vec<_> = (0..TASKS)
            .map(|number| {
                let store = store.clone();
                tokio::spawn(async move { accept(&store, new_task(number)).await })
            })
            .collect();
        for put in puts {
            put.await.expect("no panic").expect("accepted");
        }
    };
    let (go, gate) = mpsc::channel::<()>();
    let hold = house.store.write(move |_| Ok(gate.recv().is_ok()));
    let open = async {
        tokio::task::yield_now().await;
        go.send(()).expect("the writer waits");
    };
    let (_, (), ()) = tokio::join!(hold, many, open);
    let counts = house.store.read(read::counts).await.expect("readable");
    assert_eq!(counts.queued, TASKS);
    assert_eq!(house.store.read(read::last_event_id).await.expect("readable"), 200);
    for number in 0..TASKS {
        assert_eq!(house.journal(number).await.len(), 1);
    }
}
