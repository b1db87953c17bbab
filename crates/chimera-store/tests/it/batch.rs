//! Many tasks at once: all or none.

use crate::after::waiting;
use crate::fixture::{House, NOW, conformance, id, key, new_task};
use chimera_core::TaskId;
use chimera_store::after::Why;
use chimera_store::batch::{Batch, NewBatch, submit};
use chimera_store::{StoreError, read};

conformance! {
    a_batch_is_accepted_as_a_whole_and_its_entries_may_wait_for_earlier_ones,
    a_batch_with_anything_wrong_in_it_leaves_nothing,
    the_same_batch_under_the_same_key_is_accepted_once,
}

async fn send(house: &House, batch: NewBatch) -> Result<Batch, StoreError> {
    house.store.write(move |tx| submit(tx, &batch)).await
}

async fn a_batch_is_accepted_as_a_whole_and_its_entries_may_wait_for_earlier_ones(house: House) {
    let tasks = vec![new_task(1), waiting(2, &[1]), waiting(3, &[1, 2])];
    let Ok(Batch::Created(tasks)) = send(&house, NewBatch { tasks, idempotency: None }).await else {
        panic!("accepted")
    };
    assert_eq!(tasks.len(), 3);
    assert_eq!(house.claim("one", NOW, 9).await.len(), 1);
}

async fn a_batch_with_anything_wrong_in_it_leaves_nothing(house: House) {
    let tasks = vec![new_task(1), waiting(2, &[1, 77]), waiting(3, &[2]), waiting(4, &[88])];
    let Err(StoreError::After(wrong)) = send(&house, NewBatch { tasks, idempotency: None }).await else {
        panic!("refused")
    };
    let places: Vec<_> = wrong.iter().map(|one| (one.entry, one.position, one.id.clone(), one.why)).collect();
    assert_eq!(places, [(1, 1, id(77), Why::Unknown), (3, 0, id(88), Why::Unknown)]);
    assert_eq!(house.store.read(read::counts).await.expect("readable").queued, 0);
}

async fn the_same_batch_under_the_same_key_is_accepted_once(house: House) {
    let batch = |first: u64, body| NewBatch {
        tasks: vec![new_task(first), waiting(first + 1, &[first])],
        idempotency: key("nightly", body),
    };
    assert!(matches!(send(&house, batch(1, 'a')).await, Ok(Batch::Created(_))));
    let Ok(Batch::Existing(known)) = send(&house, batch(11, 'a')).await else { panic!("known") };
    let ids: Vec<TaskId> = known.iter().map(|(id, _)| id.clone()).collect();
    assert_eq!(ids, [id(1), id(2)]);
    assert!(known.iter().all(|(id, task)| task.as_ref().is_some_and(|task| task.id == *id)));
    let other = send(&house, batch(21, 'b')).await;
    assert!(matches!(other, Err(StoreError::IdempotencyConflict { .. })), "{other:?}");
    let mut single = new_task(31);
    single.idempotency = key("nightly", 'c');
    let single = house.store.write(move |tx| chimera_store::submit::submit(tx, &single)).await;
    assert!(matches!(single, Err(StoreError::IdempotencyConflict { .. })), "{single:?}");
    assert_eq!(house.store.read(read::counts).await.expect("readable").queued, 2);
}
