//! Dead letters in bulk.

use crate::fixture::{House, NOW, conformance, epoch, failure, id, later, new_task};
use chimera_core::gates::Deployer;
use chimera_core::{Gates, Outcome, Phase, Policy, Reason, Setback, Status, UnixMillis};
use chimera_store::StoreError;
use chimera_store::dead::{Treated, Treatment, Which, rehearse, treat, waiting};
use chimera_store::read::{self, Filter};

conformance! {
    filters_find_dead_letters_by_what_they_died_of,
    they_are_sent_back_in_bounded_batches_that_go_on_where_the_last_one_ended,
    what_is_given_up_is_no_dead_letter_until_somebody_retries_it,
    a_dry_run_says_the_same_and_does_nothing,
    what_crashed_its_daemon_too_often_is_one,
    at_a_shared_place_of_staging_a_change_is_deployed_again_first,
}

/// Tasks 1 to `number`; the even ones fail as `budget`, the others as `agent_error`.
async fn failed(house: &House, number: u64) {
    for number in 1..=number {
        let mut new = new_task(number);
        new.now = later(number);
        new.request.feature = "say \"reason\":\"budget\" and 100%".to_owned();
        if number > 2 {
            new.project = "blog".to_owned();
        }
        house.submit(new).await;
        let task = house.claim("one", later(number), 1).await.pop().expect("taken");
        let reason = if number.is_multiple_of(2) { Reason::Budget } else { Reason::AgentError };
        let outcome = Outcome::Failed(Setback::new(reason, "says \"reason\":\"flaky\""));
        house.settle(&task, epoch(&task), outcome, later(100 * number)).await.expect("the lease holds");
    }
}

async fn found(house: &House, filter: Filter) -> Vec<u64> {
    let page = house.store.read(move |tx| read::list(tx, &waiting(filter), None, 100)).await;
    crate::fixture::numbers(&page.expect("readable").items)
}

fn all(limit: u32, cursor: Option<String>) -> Which {
    Which::Filtered(Box::default(), cursor, limit)
}

async fn done(house: &House, which: Which, treatment: Treatment, now: UnixMillis) -> Treated {
    let act = move |tx: &mut chimera_store::Tx<'_>| {
        treat(tx, which, treatment, now, &Policy::default(), &Gates::default())
    };
    house.store.write(act).await.expect("treated")
}

async fn filters_find_dead_letters_by_what_they_died_of(house: House) {
    failed(&house, 4).await;
    house.submit(new_task(9)).await;
    assert_eq!(found(&house, Filter::default()).await, [4, 3, 2, 1]);
    let reason = |reason| Filter { reason: Some(reason), ..Filter::default() };
    assert_eq!(found(&house, reason(Reason::Budget)).await, [4, 2]);
    assert_eq!(found(&house, reason(Reason::Flaky)).await, [0; 0], "what a text says is no reason");
    let failed_in = |phase| Filter { failed_in: Some(phase), ..Filter::default() };
    assert_eq!(found(&house, failed_in(Phase::E2eTestGeneration)).await.len(), 4);
    assert_eq!(found(&house, failed_in(Phase::GuardianReview)).await, [0; 0]);
    let old = Filter { ended_before: Some(later(300)), ..Filter::default() };
    assert_eq!(found(&house, old).await, [2, 1]);
    let new = Filter { ended_after: Some(later(300)), project: Some("blog".to_owned()), ..Filter::default() };
    assert_eq!(found(&house, new).await, [4, 3]);
}

async fn they_are_sent_back_in_bounded_batches_that_go_on_where_the_last_one_ended(house: House) {
    failed(&house, 5).await;
    let from = Treatment::Retry(Some(Phase::GuardianReview));
    let first = done(&house, all(2, None), from, later(1000)).await;
    assert_eq!(first.done, [], "none of them came so far");
    assert!(first.refused.len() == 2 && first.refused[0].1.contains("from that phase"), "{first:?}");
    let retry = Treatment::Retry(None);
    let second = done(&house, all(2, first.next), retry, later(1000)).await;
    assert_eq!(second.done, [id(3), id(2)]);
    let third = done(&house, all(2, second.next), retry, later(1000)).await;
    assert_eq!((third.done, third.next), (vec![id(1)], None));
    assert_eq!(found(&house, Filter::default()).await, [5, 4]);
    assert_eq!(house.claim("one", later(1000), 9).await.len(), 3);
}

async fn what_is_given_up_is_no_dead_letter_until_somebody_retries_it(house: House) {
    failed(&house, 2).await;
    house.submit(new_task(7)).await;
    let named = Which::Named(vec![id(1), id(7), id(8)]);
    let treated = done(&house, named, Treatment::Discard, later(1000)).await;
    assert_eq!(treated.done, [id(1)]);
    let why: Vec<&str> = treated.refused.iter().map(|(_, why)| why.as_str()).collect();
    assert!(why[0].contains("queued, no dead letter") && why[1].contains("there is no task"), "{why:?}");
    assert_eq!(found(&house, Filter::default()).await, [2]);
    let task = house.task(1).await;
    assert_eq!((task.status, task.discarded_at), (Status::Failed, Some(later(1000))));
    let again = done(&house, Which::Named(vec![id(1)]), Treatment::Discard, later(1001)).await;
    assert_eq!((again.done, again.refused.len()), (vec![], 1));
    let back = done(&house, Which::Named(vec![id(1)]), Treatment::Retry(None), later(1002)).await;
    assert_eq!(back.done, [id(1)]);
    assert_eq!(house.task(1).await.discarded_at, None);
    assert_eq!(house.story(1).await, ["accepted", "claimed", "settled", "discarded", "requeued"]);
}

async fn a_dry_run_says_the_same_and_does_nothing(house: House) {
    failed(&house, 3).await;
    for treatment in
        [Treatment::Discard, Treatment::Retry(None), Treatment::Retry(Some(Phase::E2eValidation))]
    {
        let look = move |tx: &mut chimera_store::Tx<'_>| {
            rehearse(tx, all(2, None), treatment, NOW, &Policy::default(), &Gates::default())
        };
        let told = house.store.write(look).await.expect("looked");
        assert_eq!(found(&house, Filter::default()).await.len(), 3);
        if treatment == Treatment::Discard {
            let really = done(&house, all(2, None), treatment, NOW).await;
            assert_eq!((told.done, told.next), (really.done, really.next));
            let undo = done(&house, Which::Named(vec![id(3), id(2)]), Treatment::Retry(None), NOW).await;
            assert_eq!(undo.done.len(), 2);
            for task in house.claim("one", NOW, 9).await {
                house.settle(&task, epoch(&task), failure(), NOW).await.expect("the lease holds");
            }
        } else {
            assert_eq!(told.done.len() + told.refused.len(), 2);
        }
    }
    let bad = house.store.write(|tx| {
        let which = all(2, Some("x".to_owned()));
        treat(tx, which, Treatment::Discard, NOW, &Policy::default(), &Gates::default())
    });
    assert!(matches!(bad.await, Err(StoreError::BadCursor)));
}

async fn what_crashed_its_daemon_too_often_is_one(house: House) {
    house.submit(new_task(1)).await;
    house.make_suspect(1).await;
    house.claim_alone("one", NOW).await;
    house.rescue(NOW, &["one"]).await;
    let poisoned = Filter { reason: Some(Reason::Poisoned), ..Filter::default() };
    assert_eq!(found(&house, poisoned).await, [1]);
}

/// One by one or in bulk.
async fn at_a_shared_place_of_staging_a_change_is_deployed_again_first(house: House) {
    failed(&house, 2).await;
    let validated = |tx: &mut chimera_store::Tx<'_>| {
        for number in 1..=2 {
            let mut task = read::task(tx, &id(number))?.expect("it is there");
            task.workflow.failed_in = Some(Phase::E2eValidation);
            let state = serde_json::to_string(&task.workflow)?;
            let sql = "UPDATE tasks SET workflow_state = $1 WHERE task_id = $2";
            tx.execute(sql, &[state.into(), task.id.as_str().into()])?;
        }
        Ok(())
    };
    house.store.write(validated).await.expect("moved");
    let shared = || Gates {
        deployers: [("shop".to_owned(), Deployer { agent: "ship".to_owned(), shared: true })].into(),
        ..Gates::default()
    };
    let rehearsed = house.store.write(move |tx| {
        rehearse(tx, all(1, None), Treatment::Retry(None), later(500), &Policy::default(), &shared())
    });
    assert_eq!(rehearsed.await.expect("rehearsed").done.len(), 1);
    house
        .store
        .write(move |tx| {
            treat(tx, all(9, None), Treatment::Retry(None), later(500), &Policy::default(), &shared())
        })
        .await
        .expect("treated");
    for number in 1..=2 {
        let task = house.task(number).await;
        assert_eq!((task.status, task.phase()), (Status::Queued, Phase::StagingDeployment));
    }
}
