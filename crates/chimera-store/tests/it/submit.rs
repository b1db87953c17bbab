//! Accepting: once, and for good.

use crate::fixture::{House, conformance, id, key, new_task};
use chimera_core::Status;
use chimera_store::submit::{Submitted, submit};
use chimera_store::{Options, Store, StoreError, read};

conformance! {
    a_task_is_stored_as_it_was_asked_for,
    the_same_key_and_body_is_the_same_task,
}

async fn a_task_is_stored_as_it_was_asked_for(house: House) {
    let mut new = new_task(1);
    new.request.feature = "Ünïcode, \"quotes\", \u{1F980} and '; DROP TABLE tasks; --".to_owned();
    new.request.staging_url = Some("http://127.0.0.1:9/".to_owned());
    new.request.acceptance = vec!["see text \"3 notes\"".to_owned()];
    new.request.labels = [("team".to_owned(), "shop".to_owned())].into();
    let accepted = house.submit(new.clone()).await;
    assert_eq!((&accepted.request, accepted.status), (&new.request, Status::Queued));
    assert_eq!(house.task(1).await, accepted);
    assert_eq!(house.story(1).await, ["accepted"]);
}

async fn the_same_key_and_body_is_the_same_task(house: House) {
    let send = |number, body| {
        let mut new = new_task(number);
        new.idempotency = key("once", body);
        house.store.write(move |tx| submit(tx, &new))
    };
    assert!(matches!(send(1, 'a').await, Ok(Submitted::Created(task)) if task.id == id(1)));
    assert!(matches!(send(2, 'a').await, Ok(Submitted::Existing(task)) if task.id == id(1)));
    let other = send(3, 'b').await;
    assert!(matches!(other, Err(StoreError::IdempotencyConflict { task }) if task == id(1)));
    let counts = house.store.read(read::counts).await.expect("readable");
    assert_eq!(counts.queued, 1, "nothing of the refused ones is left");
}

#[tokio::test]
async fn what_was_answered_is_there_after_reopening() {
    let house = House::sqlite(&Options::default());
    for number in 0..20 {
        house.submit(new_task(number)).await;
    }
    // A copy of the files as a crash would leave them: nothing is closed, nothing is checkpointed.
    let copy = tempfile::tempdir().expect("a temporary directory");
    for suffix in ["", "-wal"] {
        let name = format!("tasks.db{suffix}");
        std::fs::copy(house.file().with_file_name(&name), copy.path().join(&name)).expect("copied");
    }
    let reopened =
        Store::open(&copy.path().join("tasks.db").as_path().into(), &Options::default()).expect("it opens");
    let counts = reopened.read(read::counts).await.expect("readable");
    assert_eq!(counts.queued, 20);
}
