//! Two daemons on one server never wait for each other: what used to end in a deadlock, which the server ends after a second
//! at the cost of somebody's work.

use crate::fixture::{House, conformance, epoch, id, later, new_task, settled};
use chimera_core::gates::BreakerPolicy;
use chimera_core::{Gates, Outcome, Policy, Reason, Setback, Task};
use chimera_store::queue::{self, Claim};
use chimera_store::settle::{self, Onward, Settlement};
use chimera_store::submit::submit;
use chimera_store::{Store, StoreError, Tx, dead, steer};
use std::sync::{Arc, Barrier};
use std::time::Duration;

conformance! {
    those_who_cancel_in_two_orders_do_not_wait_for_each_other,
    breakers_and_claims_and_cancellations_do_not_wait_for_each_other,
    what_waits_for_tasks_that_end_and_what_they_release_do_not_wait_for_each_other,
    who_retries_the_same_dead_letters_in_two_orders_does_not_wait,
}

/// How often each is tried: which lock comes first is a matter of luck.
const ROUNDS: u64 = 30;

async fn cancel(store: &Store, number: u64) -> Result<(), StoreError> {
    let answer =
        store.write_alone(move |tx| steer::cancel(tx, &id(number), later(1), &Policy::default())).await;
    match answer {
        // It had ended.
        Ok(_) | Err(StoreError::Ended { .. }) => Ok(()),
        Err(err) => Err(err),
    }
}

/// The same, once another one is as far.
async fn cancel_with(store: &Store, number: u64, met: Arc<Barrier>) -> Result<(), StoreError> {
    let act = move |tx: &mut Tx<'_>| {
        steer::cancel(tx, &id(number), later(1), &Policy::default())?;
        met.wait();
        Ok(())
    };
    store.write_alone(act).await
}

async fn those_who_cancel_in_two_orders_do_not_wait_for_each_other(house: House) {
    if house.is_file() {
        return;
    }
    let second = house.second();
    for round in 0..ROUNDS {
        let (one, two) = (2 * round, 2 * round + 1);
        house.submit(new_task(one)).await;
        house.submit(new_task(two)).await;
        let met = Arc::new(Barrier::new(2));
        let here =
            async { tokio::join!(cancel_with(&house.store, one, met.clone()), cancel(&house.store, two)) };
        let there = async { tokio::join!(cancel_with(&second, two, met.clone()), cancel(&second, one)) };
        let ((first, after), (other, and_after)) = tokio::join!(here, there);
        for answer in [first, after, other, and_after] {
            answer.expect("nobody is turned away");
        }
    }
}

/// Projects have limits, so that claims take turns, and failures are counted.
fn gates() -> Gates {
    let breaker = Some(BreakerPolicy { failures: 1_000, cool_down: Duration::from_secs(60) });
    Gates { projects: [("shop".into(), 1_000)].into(), breaker, ..Gates::default() }
}

async fn claim(store: &Store, owner: &'static str, limit: u32) -> Result<Vec<Task>, StoreError> {
    let take = move |tx: &mut Tx<'_>| {
        let gates = &gates();
        queue::claim(tx, &Claim { owner, now: later(2), limit, gates })
    };
    store.write_in_turn(take).await
}

async fn settle(store: Store, task: Task, outcome: Outcome) -> Result<(), StoreError> {
    let transition = settled(&task, outcome, later(3));
    let gates = Arc::new(gates());
    let settlement = Settlement { gates, ..Settlement::new(&task, epoch(&task), transition, later(3)) };
    settle::record(&store, settlement).await.map(|_: Onward| ())
}

async fn breakers_and_claims_and_cancellations_do_not_wait_for_each_other(house: House) {
    const EACH: u64 = 6;
    let second = house.second();
    for round in 0..ROUNDS {
        let from = round * 2 * EACH;
        for number in from..from + 2 * EACH {
            house.submit(new_task(number)).await;
        }
        let running = claim(&house.store, "one", 6).await.expect("claimed");
        let trouble = || Outcome::Unknown(Setback::new(Reason::AgentError, "no answer"));
        let ends = running.into_iter().zip([true, false].into_iter().cycle()).map(|(task, fails)| {
            let outcome = if fails { trouble() } else { Outcome::Interrupted };
            tokio::spawn(settle(house.store.clone(), task, outcome))
        });
        let ends: Vec<_> = ends.collect();
        let wishes = (from..from + EACH).rev().map(|number| {
            let second = second.clone();
            tokio::spawn(async move { cancel(&second, number).await })
        });
        let wishes: Vec<_> = wishes.collect();
        claim(&second, "two", 3).await.expect("nobody is turned away");
        for answer in ends.into_iter().chain(wishes) {
            answer.await.expect("no panic").expect("nobody is turned away");
        }
        house.rescue(later(9), &["one", "two"]).await;
        for number in from..from + 2 * EACH {
            cancel(&house.store, number).await.expect("nobody is turned away");
        }
    }
}

/// Tasks that wait for two, which end at the same time in two daemons, while more are submitted that wait for the same.
async fn what_waits_for_tasks_that_end_and_what_they_release_do_not_wait_for_each_other(house: House) {
    let second = house.second();
    for round in 0..ROUNDS {
        let (one, two, more) = (10 * round, 10 * round + 1, 10 * round + 2..10 * round + 6);
        let first = house.running(one, "one").await;
        let other = house.running(two, "two").await;
        let submit = |store: Store, number: u64, after: [u64; 2]| async move {
            let mut new = new_task(number);
            new.request.after = after.map(id).to_vec();
            // As the interface does.
            loop {
                let new = new.clone();
                match store.write_alone(move |tx| submit(tx, &new)).await {
                    Err(StoreError::Busy) => tokio::task::yield_now().await,
                    answer => return answer.map(drop),
                }
            }
        };
        for number in more {
            submit(house.store.clone(), number, [one, two]).await.expect("accepted");
        }
        let (late, later_still) = (10 * round + 8, 10 * round + 9);
        let waits = tokio::spawn(submit(house.store.clone(), late, [two, one]));
        let waits_too = tokio::spawn(submit(second.clone(), later_still, [one, two]));
        let ends = tokio::spawn({
            let store = house.store.clone();
            async move { crate::after::complete(&store, first, later(3)).await }
        });
        crate::after::complete(&second, other, later(3)).await;
        ends.await.expect("nobody is turned away");
        waits.await.expect("no panic").expect("accepted");
        waits_too.await.expect("no panic").expect("accepted");
        for number in 10 * round + 2..10 * round + 6 {
            assert!(house.task(number).await.ready_at < later(9), "it is released");
            cancel(&house.store, number).await.expect("possible");
        }
        for number in [late, later_still] {
            assert!(house.task(number).await.ready_at < later(9), "it is released");
            cancel(&house.store, number).await.expect("possible");
        }
    }
}

async fn who_retries_the_same_dead_letters_in_two_orders_does_not_wait(house: House) {
    const MANY: u64 = 8;
    let second = house.second();
    for number in 0..MANY {
        let task = house.running(number, "one").await;
        house
            .settle(&task, epoch(&task), crate::fixture::failure(), later(1))
            .await
            .expect("the lease holds");
    }
    let retry = |store: Store, ids: Vec<u64>| async move {
        let which = dead::Which::Named(ids.into_iter().map(id).collect());
        let (policy, gates) = (Policy::default(), Gates::default());
        let act = move |tx: &mut Tx<'_>| {
            dead::treat(tx, which, dead::Treatment::Retry(None), later(2), &policy, &gates)
        };
        store.write_alone(act).await.map(|treated| treated.done.len())
    };
    for _ in 0..ROUNDS {
        let up = tokio::spawn(retry(house.store.clone(), (0..MANY).collect()));
        let down = retry(second.clone(), (0..MANY).rev().collect()).await.expect("nobody is turned away");
        let up = up.await.expect("no panic").expect("nobody is turned away");
        assert_eq!(up + down, MANY as usize, "each is retried once");
        let fail = |tx: &mut Tx<'_>| {
            tx.execute("UPDATE tasks SET status = 'failed', parked = NULL, completed_at = 1", &[])
        };
        house.store.write(fail).await.expect("failed again");
    }
}
