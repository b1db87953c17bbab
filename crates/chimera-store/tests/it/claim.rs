//! Who is next.

use crate::fixture::{House, NOW, conformance, epoch, id, later, new_task, numbers, priority};
use chimera_core::rank::STEP;
use chimera_core::{Gates, Outcome, Reason, Scope, Setback, Status};
use chimera_store::queue::{self, Claim};
use chimera_store::submit::{NewTask, submit};
use chimera_store::{Options, Store, Tx, hold, read, ready};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::time::Duration;

conformance! {
    two_daemons_never_take_the_same_task,
    the_most_urgent_start_first_and_waiting_makes_urgent,
    a_claim_takes_no_more_than_asked_for,
    a_task_waits_for_its_time_and_says_when,
    a_waiting_task_knows_how_many_stand_before_it,
}

fn urgent(number: u64, urgency: i64, after: Duration) -> NewTask {
    let mut new = new_task(number);
    new.request.priority = priority(urgency);
    new.now = NOW.plus(after);
    new
}

async fn the_most_urgent_start_first_and_waiting_makes_urgent(house: House) {
    let step = |steps| STEP * steps;
    house.submit(urgent(1, 1, Duration::ZERO)).await;
    house.submit(urgent(2, 10, Duration::from_secs(60))).await;
    house.submit(urgent(3, 5, Duration::from_secs(60))).await;
    house.submit(urgent(4, 5, Duration::ZERO)).await;
    // Nine steps after the first: not one millisecond sooner may an urgent task still overtake it.
    house.submit(urgent(5, 10, step(9).checked_sub(Duration::from_millis(1)).expect("positive"))).await;
    house.submit(urgent(6, 10, step(9) + Duration::from_millis(1))).await;
    let claimed = house.claim("one", later(100_000), 10).await;
    assert_eq!(numbers(&claimed), [2, 4, 3, 5, 1, 6]);
}

async fn a_claim_takes_no_more_than_asked_for(house: House) {
    for number in 0..5 {
        house.submit(new_task(number)).await;
    }
    assert_eq!(house.claim("one", NOW, 2).await.len(), 2);
    assert_eq!(house.claim("one", NOW, 0).await.len(), 0);
    assert_eq!(house.claim("two", NOW, 9).await.len(), 3);
    let counts = house.store.read(read::counts).await.expect("readable");
    assert_eq!((counts.queued, counts.running), (0, 5));
}

async fn a_task_waits_for_its_time_and_says_when(house: House) {
    let mut new = new_task(1);
    new.request.not_before = Some(later(30));
    house.submit(new).await;
    let next_ready = || async { house.store.read(queue::next_ready_at).await.expect("readable") };
    assert_eq!(next_ready().await, Some(later(30)));
    assert_eq!(house.claim("one", later(29), 1).await, []);
    let task = house.claim("one", later(30), 1).await.pop().expect("its time has come");
    assert_eq!(next_ready().await, None);

    let setback = Setback::new(Reason::AgentError, "too many requests");
    let busy = Outcome::Transient { setback, retry_after: Some(Duration::from_secs(15)) };
    house.settle(&task, epoch(&task), busy, later(40)).await.expect("the lease holds");
    let waiting = house.task(1).await;
    assert_eq!((waiting.status, waiting.ready_at), (Status::Queued, later(55)));
    assert_eq!(house.claim("one", later(54), 1).await, []);
    assert_eq!(house.claim("one", later(55), 1).await.len(), 1);
}

/// Two daemons take from one queue as fast as they can; each task is taken once.
async fn two_daemons_never_take_the_same_task(house: House) {
    const TASKS: u64 = 200;
    house
        .store
        .write(|tx| (0..TASKS).try_for_each(|number| submit(tx, &new_task(number)).map(drop)))
        .await
        .expect("accepted");
    let second = house.second();
    let (left, right) =
        tokio::join!(tokio::spawn(drain(house.store.clone(), "one")), tokio::spawn(drain(second, "two")));
    let taken = [left.expect("no panic"), right.expect("no panic")].concat();
    let once: BTreeSet<_> = taken.iter().collect();
    assert_eq!((taken.len() as u64, once.len() as u64), (TASKS, TASKS));
}

async fn drain(store: Store, owner: &'static str) -> Vec<chimera_core::TaskId> {
    let mut taken = Vec::new();
    loop {
        let claim = move |tx: &mut chimera_store::Tx<'_>| {
            queue::claim(tx, &Claim { owner, now: NOW, limit: 3, gates: &Gates::default() })
        };
        let tasks = store.write(claim).await.expect("claimed");
        if tasks.is_empty() {
            return taken;
        }
        taken.extend(tasks.into_iter().map(|task| task.id));
    }
}

#[tokio::test]
async fn the_claim_walks_the_index_of_ready_tasks_and_nothing_else() {
    let house = House::sqlite(&Options::default());
    let plan = |sql: &'static str| {
        house.store.read(move |tx| {
            let rows = tx.query(&format!("EXPLAIN QUERY PLAN {sql}"), &[])?;
            rows.iter().map(|row| row.text(3).map(str::to_owned)).collect::<Result<Vec<_>, _>>()
        })
    };
    let ready = plan(ready::ANY.all_the_same).await.expect("a plan");
    assert_eq!(ready, ["SCAN tasks USING INDEX tasks_ready"], "in the index' order: no sorting");
    let guarded = plan(ready::ANY.guarded).await.expect("a plan");
    assert_eq!(guarded[0], "SCAN tasks USING INDEX tasks_ready");
    assert!(!guarded.iter().any(|step| step.contains("B-TREE")), "no sorting: {guarded:?}");
    let parked = plan(queue::NEXT_READY).await.expect("a plan");
    assert_eq!(parked, ["SEARCH tasks USING COVERING INDEX tasks_parked"]);
}

async fn a_waiting_task_knows_how_many_stand_before_it(house: House) {
    for number in 1..4 {
        house.submit(urgent(number, 10, Duration::ZERO)).await;
    }
    house.submit(new_task(9)).await;
    let last = house.task(9).await;
    let ahead = || async {
        let last = last.clone();
        house.store.read(move |tx| read::ahead(tx, &last)).await.expect("readable")
    };
    assert_eq!(ahead().await, 3);
    house.claim("one", NOW, 2).await;
    assert_eq!(ahead().await, 1);
    assert_eq!(house.task(9).await.id, id(9));
}

/// Serves one task a minute while others keep coming, and gives how many were served before the least urgent one,
/// which was there first. Arrivals: seconds since the one before, urgency. As many as `held` of another project, most
/// urgent and there from the beginning, are held back all the while.
fn served_before_the_least_urgent(arrivals: &[(u64, i64)], held: u64) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let house = House::sqlite(&Options::default());
        house.submit(urgent(0, 1, Duration::ZERO)).await;
        for number in 0..held {
            house
                .submit(NewTask { project: "held".into(), ..urgent(10_000 + number, 10, Duration::ZERO) })
                .await;
        }
        if held > 0 {
            let pause = |tx: &mut Tx<'_>| hold::pause(tx, &Scope::Project("held".into()), None, NOW);
            house.store.write_alone(pause).await.expect("paused");
        }
        let (mut next, mut at) = (0, 0);
        for minute in 0..arrivals.len() {
            let now = 60 * minute as u64;
            while let Some((gap, urgency)) = arrivals.get(next).filter(|(gap, _)| at + gap <= now) {
                at += gap;
                next += 1;
                house.submit(urgent(next as u64, *urgency, Duration::from_secs(at))).await;
            }
            if house.claim("one", later(now), 1).await.iter().any(|task| task.id == id(0)) {
                return minute;
            }
        }
        panic!("it never started");
    })
}

/// Those that may overtake it: an urgency of `n` overtakes for `n - 1` steps.
fn may_overtake(arrivals: &[(u64, i64)]) -> usize {
    let times = arrivals.iter().scan(0, |at, (gap, urgency)| {
        *at += gap;
        Some((*at, *urgency))
    });
    let steps = |urgency: i64| u32::try_from(urgency - 1).expect("positive");
    times.filter(|(at, urgency)| Duration::from_secs(*at) <= STEP * steps(*urgency)).count()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_steady_stream_of_urgent_tasks_starves_nobody(
        arrivals in proptest::collection::vec((20_u64..55, 5_i64..=10), 300)
    ) {
        prop_assert!(served_before_the_least_urgent(&arrivals, 0) <= may_overtake(&arrivals));
    }

    /// The same while the claim has to look for open lanes behind more tasks than it looks at first.
    #[test]
    fn neither_does_it_among_closed_gates(
        arrivals in proptest::collection::vec((20_u64..55, 5_i64..=10), 300)
    ) {
        prop_assert!(served_before_the_least_urgent(&arrivals, 100) <= may_overtake(&arrivals));
    }
}

#[test]
fn the_least_urgent_task_waits_nine_steps_behind_the_most_urgent_and_no_longer() {
    let mut arrivals = [(60, 10); 120];
    arrivals[0].0 = 0;
    let served = served_before_the_least_urgent(&arrivals, 0);
    assert_eq!(served, 90, "one a minute for nine steps of ten minutes");
}
