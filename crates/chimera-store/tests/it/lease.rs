//! Leases: whoever lost one changes nothing any more.

use crate::fixture::{House, NOW, conformance, epoch, failure, id, later, new_task};
use chimera_core::{EntryKind, Outcome, Policy, Reason, Status};
use chimera_store::{StoreError, lease, read};

conformance! {
    a_worker_that_lost_its_lease_changes_nothing,
    nothing_settles_before_the_claim_or_twice,
    heartbeats_keep_a_task_and_tell_what_is_wished_of_it,
    an_owner_known_to_be_gone_is_not_waited_for,
    a_task_that_kills_every_daemon_is_set_aside,
    the_journal_tells_each_change_once_and_in_order,
}

async fn a_worker_that_lost_its_lease_changes_nothing(house: House) {
    let zombie = house.running(1, "one").await;
    assert_eq!(house.rescue(later(61), &[]).await, [id(1)]);
    let heir = house.claim("two", later(61), 1).await.pop().expect("the task is free again");
    assert_eq!((epoch(&zombie), epoch(&heir)), (1, 2));
    let before = (house.task(1).await, house.story(1).await);

    let late = house.settle(&zombie, epoch(&zombie), failure(), later(62)).await;
    assert!(matches!(late, Err(StoreError::LeaseLost { id: lost }) if lost == id(1)));
    assert_eq!(house.beat("one", later(62)).await, []);
    assert_eq!((house.task(1).await, house.story(1).await), before);

    house.settle(&heir, epoch(&heir), failure(), later(63)).await.expect("the heir holds it");
    assert_eq!(house.task(1).await.status, Status::Failed);
}

async fn nothing_settles_before_the_claim_or_twice(house: House) {
    let task = house.running(1, "one").await;
    let early = house.settle(&task, epoch(&task) + 1, failure(), NOW).await;
    assert!(matches!(early, Err(StoreError::LeaseLost { .. })), "an epoch that nobody was given");
    house.settle(&task, epoch(&task), failure(), NOW).await.expect("the lease holds");
    let again = house.settle(&task, epoch(&task), failure(), NOW).await;
    assert!(matches!(again, Err(StoreError::LeaseLost { .. })), "the lease ended with the task");
    assert_eq!(house.story(1).await, ["accepted", "claimed", "settled"]);
}

async fn heartbeats_keep_a_task_and_tell_what_is_wished_of_it(house: House) {
    house.running(1, "one").await;
    let policy = Policy::default();
    let held = house.beat("one", later(50)).await;
    assert_eq!((held[0].id.clone(), held[0].epoch, held[0].cancel_requested), (id(1), 1, false));
    assert_eq!(house.rescue(later(100), &[]).await, [], "the heartbeat was 50 s ago");

    house
        .store
        .write(move |tx| chimera_store::steer::cancel(tx, &id(1), NOW, &policy))
        .await
        .expect("wished");
    assert!(house.beat("one", later(101)).await[0].cancel_requested);
    let wishes = house.store.read_apart(|tx| lease::cancellations(tx, "one")).await;
    assert_eq!(wishes.expect("readable"), [id(1)]);
    assert_eq!(house.rescue(later(162), &[]).await, [id(1)]);
    assert_eq!(house.task(1).await.status, Status::Cancelled, "nobody starts again what was to be stopped");
}

async fn an_owner_known_to_be_gone_is_not_waited_for(house: House) {
    house.running(1, "dead").await;
    house.running(2, "alive").await;
    let owners = house.store.read(|tx| lease::owners(tx, NOW)).await.expect("readable");
    assert_eq!(
        owners.iter().map(|owner| (owner.name.as_str(), owner.expired)).collect::<Vec<_>>(),
        [("alive", false), ("dead", false)]
    );
    assert_eq!(house.rescue(NOW, &["dead"]).await, [id(1)]);
    let rescued = house.task(1).await;
    assert_eq!((rescued.status, rescued.lease, rescued.workflow.crashes), (Status::Queued, None, 1));
    assert_eq!(house.task(2).await.status, Status::Running);
}

async fn a_task_that_kills_every_daemon_is_set_aside(house: House) {
    house.submit(new_task(1)).await;
    house.make_suspect(1).await;
    house.claim_alone("doomed", NOW).await;
    house.rescue(NOW, &["doomed"]).await;
    let task = house.task(1).await;
    assert_eq!((task.status, task.workflow.reason), (Status::Failed, Some(Reason::Poisoned)));
    assert_eq!(house.claim("next", later(600), 1).await, []);
}

async fn the_journal_tells_each_change_once_and_in_order(house: House) {
    let task = house.running(1, "one").await;
    house.settle(&task, 1, Outcome::Interrupted, later(1)).await.expect("handed back");
    house.claim("two", later(2), 1).await;
    let journal = house.journal(1).await;
    assert_eq!(journal.iter().map(|event| event.seq).collect::<Vec<_>>(), [1, 2, 3, 4]);
    let epochs: Vec<i64> = journal
        .iter()
        .filter_map(|event| match &event.entry.kind {
            EntryKind::Claimed { epoch, .. } => Some(*epoch),
            _ => None,
        })
        .collect();
    assert_eq!(epochs, [1, 2]);
    assert_eq!(house.task(1).await.seq, 4);
    let last = house.store.read(read::last_event_id).await.expect("readable");
    assert_eq!(last, journal[3].id);
}
