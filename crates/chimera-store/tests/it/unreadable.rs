//! One row that cannot be read stops nobody.

use crate::fixture::{House, NOW, conformance, id, later, new_task, numbers};
use chimera_core::{Reason, Status};
use chimera_store::submit::NewTask;
use chimera_store::{read, times};
use std::time::Duration;

conformance! {
    a_queued_one_at_the_head_is_set_aside_and_the_next_is_claimed,
    a_running_one_is_set_aside_and_its_neighbours_are_rescued,
    one_whose_time_is_up_is_set_aside_and_the_others_end,
    a_list_shows_what_can_be_read,
}

/// What a newer version, or a fault of the disk, may have written.
const ODD: &str = "{\"phase\":\"A_PHASE_OF_TOMORROW\"}";

async fn spoil(house: &House, number: u64, column: &'static str) {
    let sql = format!("UPDATE tasks SET {column} = $1 WHERE task_id = $2");
    let spoil = move |tx: &mut chimera_store::Tx<'_>| {
        tx.execute(&sql, &[ODD.into(), id(number).as_str().into()]).map(drop)
    };
    house.store.write(spoil).await.expect("spoilt");
}

/// The task has failed, in words that can be read, and what it said is kept.
async fn is_set_aside(house: &House, number: u64) {
    let task = house.task(number).await;
    assert_eq!(
        (task.status, task.workflow.reason, &task.lease),
        (Status::Failed, Some(Reason::Config), &None)
    );
    assert_eq!(task.request.feature, new_task(number).request.feature);
    let story = house.story(number).await;
    assert_eq!(story.last(), Some(&"settled"), "{story:?}");
    let kept = house.store.read(move |tx| {
        let sql = "SELECT workflow_state, request FROM set_aside WHERE task_id = $1";
        let row = tx.first(sql, &[id(number).as_str().into()])?.expect("kept");
        Ok(row.text(0)? == ODD || row.text(1)? == ODD)
    });
    assert!(kept.await.expect("readable"), "as it was");
}

async fn a_queued_one_at_the_head_is_set_aside_and_the_next_is_claimed(house: House) {
    for (number, column) in [(1, "workflow_state"), (2, "request")] {
        house.submit(new_task(number)).await;
        spoil(&house, number, column).await;
    }
    house.submit(new_task(3)).await;
    assert_eq!(numbers(&house.claim("one", NOW, 5).await), [3]);
    is_set_aside(&house, 1).await;
    is_set_aside(&house, 2).await;
}

async fn a_running_one_is_set_aside_and_its_neighbours_are_rescued(house: House) {
    for number in 1..4 {
        house.running(number, "gone").await;
    }
    spoil(&house, 2, "workflow_state").await;
    assert_eq!(house.rescue(later(1), &["gone"]).await, [id(1), id(3)]);
    is_set_aside(&house, 2).await;
    assert_eq!(house.task(3).await.status, Status::Queued);
}

async fn one_whose_time_is_up_is_set_aside_and_the_others_end(house: House) {
    for number in 1..3 {
        let mut new: NewTask = new_task(number);
        new.request.deadline = Some(NOW.plus(Duration::from_secs(number)));
        house.submit(new).await;
    }
    spoil(&house, 1, "workflow_state").await;
    let ended = house.store.write(|tx| times::sweep(tx, later(60), 10)).await.expect("swept");
    assert_eq!(ended.len(), 1);
    is_set_aside(&house, 1).await;
    assert_eq!(house.task(2).await.workflow.reason, Some(Reason::Deadline));
}

async fn a_list_shows_what_can_be_read(house: House) {
    for number in 1..4 {
        house.submit(new_task(number)).await;
    }
    spoil(&house, 2, "workflow_state").await;
    let filter = read::Filter::default();
    let list = house.store.read(move |tx| read::list(tx, &filter, None, 10)).await.expect("readable");
    let mut shown = numbers(&list.items);
    shown.sort_unstable();
    assert_eq!(shown, [1, 3]);
}
