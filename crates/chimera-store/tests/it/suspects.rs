//! Tasks that have seen two crashes of their daemon run alone.

use crate::fixture::{House, LEASE, NOW, conformance, epoch, failure, id, later, new_task, numbers};
use chimera_core::gates::DaemonState;
use chimera_core::{Gates, Outcome, Phase, Policy, Reason, Scope, Setback, Status, Task};
use chimera_store::suspects::{self, PARKED, Turn};
use chimera_store::{Options, StoreError, hold, home, lease, roster, steer};

conformance! {
    a_suspect_is_taken_by_a_daemon_that_runs_nothing_and_by_no_claim,
    one_busy_daemon_at_a_time_makes_room,
    a_phase_that_ends_in_order_lifts_the_suspicion,
    an_attempt_that_counts_as_nothing_leaves_it,
    one_more_crash_sets_the_task_aside,
    what_holds_other_tasks_back_holds_suspects_back,
    a_suspect_whose_time_is_up_ends,
    a_retry_by_a_person_forgets_the_suspicion,
    what_an_older_daemon_made_ready_is_parked,
    a_suspect_stays_with_the_home_that_has_its_branch,
}

async fn suspect(house: &House, number: u64) {
    house.submit(new_task(number)).await;
    house.make_suspect(number).await;
    assert_eq!(house.task(number).await.ready_at, PARKED);
}

async fn ask(house: &House, owner: &'static str) -> Turn {
    house.ask_alone(owner, NOW, Gates::default(), None).await
}

async fn taken(house: &House, owner: &'static str) -> Task {
    house.claim_alone(owner, NOW).await
}

async fn waits(house: &House) -> bool {
    house.store.read(suspects::wait).await.expect("readable")
}

async fn a_suspect_is_taken_by_a_daemon_that_runs_nothing_and_by_no_claim(house: House) {
    assert!(!waits(&house).await);
    suspect(&house, 1).await;
    assert!(waits(&house).await);
    house.submit(new_task(2)).await;
    let limits = Gates { projects: [("shop".to_owned(), 5)].into(), ..Gates::default() };
    assert_eq!(numbers(&house.claim_at(&limits, "one", later(1), 10).await), [2]);
    assert_eq!(house.claim("two", later(1), 10).await, []);
    let task = taken(&house, "two").await;
    assert_eq!((task.status, epoch(&task)), (Status::Running, 3));
    assert_eq!(house.task(1).await.lease, task.lease);
    assert_eq!(house.story(1).await.last(), Some(&"claimed"));
    assert!(!waits(&house).await);
}

async fn one_busy_daemon_at_a_time_makes_room(house: House) {
    suspect(&house, 1).await;
    for (number, owner) in [(2, "one"), (3, "two")] {
        house.submit(new_task(number)).await;
        assert_eq!(house.claim(owner, NOW, 1).await.len(), 1);
    }
    assert_eq!(ask(&house, "one").await, Turn::MakeRoom(id(1)));
    let said = house.store.read(|tx| roster::daemons(tx, NOW)).await.expect("readable");
    let one = said.iter().find(|daemon| daemon.owner == "one").expect("it lives");
    let state = DaemonState { workers: 3, alone_for: Some(id(1)), ..DaemonState::default() };
    assert_eq!(one.state, state, "the others see it, with what else it says");
    assert_eq!(ask(&house, "two").await, Turn::Elsewhere);
    assert_eq!(ask(&house, "one").await, Turn::MakeRoom(id(1)), "as before");
    // One that is idle does not wait for it.
    assert_eq!(numbers(&[taken(&house, "three").await]), [1]);
    assert_eq!(ask(&house, "one").await, Turn::None);
}

async fn a_phase_that_ends_in_order_lifts_the_suspicion(house: House) {
    suspect(&house, 1).await;
    let task = taken(&house, "one").await;
    let trouble =
        Outcome::Transient { setback: Setback::new(Reason::AgentError, "no network"), retry_after: None };
    house.settle(&task, epoch(&task), trouble, later(1)).await.expect("the lease holds");
    assert_eq!((house.task(1).await.workflow.crashes, waits(&house).await), (0, false));
    assert_eq!(numbers(&house.claim("two", later(3600), 1).await), [1], "among others again");
}

async fn an_attempt_that_counts_as_nothing_leaves_it(house: House) {
    suspect(&house, 1).await;
    let task = taken(&house, "one").await;
    house.settle(&task, epoch(&task), Outcome::Interrupted, later(1)).await.expect("the lease holds");
    assert_eq!((house.task(1).await.ready_at, waits(&house).await), (PARKED, true));
    assert_eq!(house.claim("two", later(3600), 1).await, []);
    // A daemon that never heard that it has it gives it back.
    taken(&house, "one").await;
    let unheard = [id(1)];
    let back = house.store.write(move |tx| lease::hand_back(tx, "one", &unheard, later(2))).await;
    assert_eq!(back.expect("handed back"), [id(1)]);
    assert_eq!((house.task(1).await.ready_at, house.task(1).await.workflow.crashes), (PARKED, 2));
}

async fn one_more_crash_sets_the_task_aside(house: House) {
    suspect(&house, 1).await;
    taken(&house, "doomed").await;
    assert_eq!(house.rescue(NOW, &["doomed"]).await, [id(1)]);
    let task = house.task(1).await;
    assert_eq!((task.status, task.workflow.reason), (Status::Failed, Some(Reason::Poisoned)));
    assert!(!waits(&house).await);
}

async fn what_holds_other_tasks_back_holds_suspects_back(house: House) {
    suspect(&house, 1).await;
    let shop = Scope::Project("shop".to_owned());
    let scope = shop.clone();
    house.store.write_alone(move |tx| hold::pause(tx, &scope, None, NOW)).await.expect("paused");
    house.submit(new_task(2)).await;
    assert_eq!(ask(&house, "one").await, Turn::None, "nobody makes room for what may not start");
    house.store.write(move |tx| hold::resume(tx, &shop)).await.expect("resumed");
    let limits = Gates { projects: [("shop".to_owned(), 1)].into(), ..Gates::default() };
    assert_eq!(numbers(&house.claim("one", NOW, 1).await), [2]);
    assert_eq!(house.ask_alone("two", NOW, limits, None).await, Turn::None, "its project is at its limit");
}

async fn a_suspect_whose_time_is_up_ends(house: House) {
    let mut new = new_task(1);
    new.request.deadline = Some(later(30));
    house.submit(new).await;
    house.make_suspect(1).await;
    assert_eq!(house.ask_alone("one", later(31), Gates::default(), None).await, Turn::None);
    assert_eq!(house.task(1).await.workflow.reason, Some(Reason::Deadline));
}

async fn a_retry_by_a_person_forgets_the_suspicion(house: House) {
    suspect(&house, 1).await;
    let policy = Policy::default();
    house.store.write_alone(move |tx| steer::cancel(tx, &id(1), NOW, &policy)).await.expect("cancelled");
    let again = |tx: &mut chimera_store::Tx<'_>| {
        steer::requeue(tx, &id(1), Phase::E2eTestGeneration, NOW, &Policy::default())
    };
    house.store.write_alone(again).await.expect("requeued");
    assert_eq!(numbers(&house.claim("one", later(1), 1).await), [1]);
    let task = house.task(1).await;
    house.settle(&task, epoch(&task), failure(), later(2)).await.expect("the lease holds");
}

async fn what_an_older_daemon_made_ready_is_parked(house: House) {
    suspect(&house, 1).await;
    let ready = |tx: &mut chimera_store::Tx<'_>| {
        tx.execute("UPDATE tasks SET parked = 0, ready_at = $1", &[NOW.0.into()]).map(drop)
    };
    house.store.write(ready).await.expect("as an older one leaves it");
    house.submit(new_task(2)).await;
    assert_eq!(numbers(&house.claim("one", later(1), 2).await), [2]);
    assert_eq!((house.task(1).await.ready_at, waits(&house).await), (PARKED, true));
    assert_eq!(numbers(&[taken(&house, "two").await]), [1]);
}

async fn a_suspect_stays_with_the_home_that_has_its_branch(house: House) {
    suspect(&house, 1).await;
    let move_on = |tx: &mut chimera_store::Tx<'_>| {
        let mut task = chimera_store::read::task(tx, &id(1))?.expect("it is there");
        task.workflow.phase = Phase::CodeImplementation;
        let state = serde_json::to_string(&task.workflow)?;
        let sql = "UPDATE tasks SET home = 'there', phase = 'CODE_IMPLEMENTATION', workflow_state = $1";
        tx.execute(sql, &[state.into()])?;
        home::present(tx, "there", NOW, LEASE)
    };
    house.store.write(move_on).await.expect("its branch is there");
    assert_eq!(house.ask_alone("one", NOW, Gates::default(), Some("here")).await, Turn::None);
    let away = house.store.read(|tx| home::away(tx, &id(1), later(120))).await.expect("readable");
    assert_eq!(away.map(|away| away.home).as_deref(), Some("there"), "a person is told what it waits for");
    let turn = house.ask_alone("two", NOW, Gates::default(), Some("there")).await;
    assert!(matches!(turn, Turn::Taken(_)), "{turn:?}");
}

#[tokio::test]
async fn looking_for_a_suspect_among_a_million_that_wait_is_one_seek() {
    let house = House::sqlite(&Options::default());
    let plan = |sql: &'static str| {
        house.store.read(move |tx| {
            let rows = tx.query(&format!("EXPLAIN QUERY PLAN {sql}"), &[])?;
            rows.iter().map(|row| row.text(3).map(str::to_owned)).collect::<Result<Vec<_>, StoreError>>()
        })
    };
    for sql in [suspects::ANY, suspects::FIRST] {
        let plan = plan(sql).await.expect("a plan").join("\n");
        assert!(plan.contains("tasks_parked (ready_at=?)"), "{sql}:\n{plan}");
    }
}
