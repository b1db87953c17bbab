//! Tasks whose time is up.

use crate::fixture::{House, NOW, conformance, epoch, failure, id, later, new_task, request};
use chimera_core::{Outcome, Phase, Policy, Reason, Status, TaskId, TimeUp, UnixMillis};
use chimera_store::steer::requeue;
use chimera_store::submit::NewTask;
use chimera_store::{Options, times};

conformance! {
    a_waiting_task_fails_at_its_deadline_and_none_begins_after_it,
    a_task_that_has_not_begun_expires_and_one_that_has_goes_on,
    a_running_task_is_left_to_its_worker,
    a_sweep_takes_no_more_than_asked_for_and_forgets_what_has_ended,
    a_retry_by_a_person_lifts_what_has_passed,
}

fn timed(number: u64, deadline: Option<u64>, expires_at: Option<u64>) -> NewTask {
    let mut request = request();
    (request.deadline, request.expires_at) = (deadline.map(later), expires_at.map(later));
    NewTask { request, ..new_task(number) }
}

async fn sweep(house: &House, now: UnixMillis) -> Vec<(TaskId, TimeUp)> {
    house.store.write(move |tx| times::sweep(tx, now, 10)).await.expect("swept")
}

async fn next(house: &House) -> Option<UnixMillis> {
    house.store.read(times::next).await.expect("readable")
}

async fn a_waiting_task_fails_at_its_deadline_and_none_begins_after_it(house: House) {
    house.submit(timed(1, Some(60), None)).await;
    house.submit(timed(2, Some(60), None)).await;
    house.submit(new_task(3)).await;
    assert_eq!(next(&house).await, Some(later(60)));
    assert_eq!(sweep(&house, later(59)).await, []);
    // Nobody has swept yet: the claim itself must not take them.
    let claimed = house.claim("one", later(60), 2).await;
    assert_eq!(claimed, [], "the two that it looked at have ended");
    assert_eq!(house.claim("one", later(60), 2).await.len(), 1);
    for number in [1, 2] {
        let task = house.task(number).await;
        assert_eq!((task.status, task.workflow.reason), (Status::Failed, Some(Reason::Deadline)));
        assert_eq!(task.completed_at, Some(later(60)));
        assert_eq!(house.story(number).await, ["accepted", "overdue"]);
    }
    assert_eq!(next(&house).await, None);
}

async fn a_task_that_has_not_begun_expires_and_one_that_has_goes_on(house: House) {
    house.submit(timed(1, Some(90), Some(60))).await;
    let task = house.claim("one", later(10), 1).await.pop().expect("it begins in time");
    house.submit(timed(2, Some(90), Some(60))).await;
    house.settle(&task, epoch(&task), Outcome::Interrupted, later(20)).await.expect("the lease holds");
    assert_eq!(sweep(&house, later(60)).await, [(id(2), TimeUp::Expiry)]);
    let expired = house.task(2).await;
    assert_eq!((expired.status, expired.workflow.attempt), (Status::Cancelled, 0));
    assert_eq!(house.story(2).await, ["accepted", "expired"]);
    assert_eq!(house.task(1).await.ends_at, Some(later(90)), "its deadline still counts");
    assert_eq!(house.claim("one", later(61), 2).await.len(), 1);
}

async fn a_running_task_is_left_to_its_worker(house: House) {
    house.submit(timed(1, Some(60), None)).await;
    let task = house.claim("one", later(59), 1).await.pop().expect("just in time");
    assert_eq!((sweep(&house, later(61)).await, next(&house).await), (vec![], None));
    house.settle(&task, epoch(&task), Outcome::Interrupted, later(62)).await.expect("the lease holds");
    assert_eq!(sweep(&house, later(62)).await, [(id(1), TimeUp::Deadline)]);
}

async fn a_sweep_takes_no_more_than_asked_for_and_forgets_what_has_ended(house: House) {
    let task = {
        house.submit(timed(1, Some(60), None)).await;
        house.claim("one", NOW, 1).await.pop().expect("taken")
    };
    house.settle(&task, epoch(&task), failure(), later(1)).await.expect("the lease holds");
    for number in 2..20 {
        house.submit(timed(number, Some(60), None)).await;
    }
    assert_eq!(sweep(&house, later(60)).await.len() + sweep(&house, later(60)).await.len(), 18);
    assert_eq!(next(&house).await, None);
    assert_eq!(house.task(1).await.workflow.reason, Some(Reason::AgentError), "as it ended");
}

async fn a_retry_by_a_person_lifts_what_has_passed(house: House) {
    house.submit(timed(1, Some(60), Some(30))).await;
    let back = |now| {
        house
            .store
            .write(move |tx| requeue(tx, &id(1), Phase::E2eTestGeneration, now, &Policy::default()).map(drop))
    };
    assert_eq!(sweep(&house, later(30)).await, [(id(1), TimeUp::Expiry)]);
    back(later(31)).await.expect("possible");
    assert_eq!(sweep(&house, later(59)).await, [], "it does not expire again");
    assert_eq!(sweep(&house, later(60)).await, [(id(1), TimeUp::Deadline)], "the deadline still counts");
    back(later(61)).await.expect("possible");
    assert_eq!(sweep(&house, later(1000)).await, []);
    assert_eq!(house.claim("one", later(1000), 1).await.len(), 1);
}

#[tokio::test]
async fn what_is_due_is_found_by_its_index() {
    let house = House::sqlite(&Options::default());
    for sql in [times::DUE, times::NEXT] {
        let plan = house.store.read(move |tx| {
            let rows = tx.query(&format!("EXPLAIN QUERY PLAN {sql}"), &[])?;
            rows.iter().map(|row| row.text(3).map(str::to_owned)).collect::<Result<Vec<_>, _>>()
        });
        let plan = plan.await.expect("a plan");
        assert!(plan.len() == 1 && plan[0].contains("INDEX tasks_ending"), "{plan:?}");
    }
}
