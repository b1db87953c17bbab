//! After a restore, nothing of before holds: neither leases nor results of the state that was lost.

use crate::fixture::{House, NOW, conformance, epoch, failure, id, later, new_task, numbers};
use chimera_core::{Phase, Policy, Status};
use chimera_store::{StoreError, lease, restored, steer};

conformance! {
    what_was_given_out_after_the_backup_is_refused_and_never_given_out_again,
    what_ended_keeps_its_end_and_gets_a_new_epoch_with_a_retry,
}

async fn declare(house: &House, seconds: u64) -> usize {
    house.store.write_alone(move |tx| restored::declare(tx, later(seconds))).await.expect("declared")
}

async fn what_was_given_out_after_the_backup_is_refused_and_never_given_out_again(house: House) {
    let lost = epoch(&house.running(1, "one").await);
    house.submit(new_task(2)).await;
    for (restore, running) in [(10, 1), (20, 2)] {
        assert_eq!(declare(&house, restore).await, running);
        let task = house.task(1).await;
        assert_eq!((task.status, task.workflow.crashes), (Status::Queued, 0), "it counts as nothing");
        let known = house.store.read(|tx| lease::last_beat(tx, "one")).await.expect("readable");
        assert_eq!(known, None, "its daemon's heartbeat finds that out");
        let claimed = house.claim("one", later(restore + 1), 2).await;
        assert_eq!(numbers(&claimed), [1, 2]);
        let epochs: Vec<i64> = claimed.iter().map(epoch).collect();
        assert_eq!(epochs, [later(restore).0 + 1; 2], "beyond all that was given out before");
        let attempt = claimed[0].workflow.attempt;
        for forgotten in lost..lost + 5 {
            let late = house.settle(&claimed[0], forgotten, failure(), later(restore + 2)).await;
            assert!(matches!(late, Err(StoreError::LeaseLost { .. })), "{forgotten}: {late:?}");
            let holds = house.store.read(move |tx| lease::holds(tx, &id(1), forgotten, attempt, NOW)).await;
            assert!(!holds.expect("readable"), "{forgotten}");
        }
    }
}

async fn what_ended_keeps_its_end_and_gets_a_new_epoch_with_a_retry(house: House) {
    let task = house.running(1, "one").await;
    house.settle(&task, epoch(&task), failure(), later(1)).await.expect("the lease holds");
    let before = house.story(1).await;
    assert_eq!(declare(&house, 10).await, 0);
    assert_eq!((house.task(1).await.status, house.story(1).await), (Status::Failed, before));
    let again = |tx: &mut chimera_store::Tx<'_>| {
        steer::requeue(tx, &id(1), Phase::E2eTestGeneration, later(11), &Policy::default())
    };
    house.store.write_alone(again).await.expect("requeued");
    let claimed = house.claim("one", later(12), 1).await;
    assert_eq!(epoch(&claimed[0]), later(10).0 + 1);
}
