//! What holds tasks back, through the real store.

use crate::fixture::{House, LEASE, NOW, conformance, epoch, id, later, new_task, numbers};
use chimera_core::gates::{Board, BreakerPolicy, DaemonState, Deployer, Obstacle};
use chimera_core::{
    Event, Gates, Lane, Outcome, Phase, Policy, Reason, RetryPolicy, Role, Scope, Setback, State, Status,
    Task, Tick, Transition, UnixMillis, Usage, step,
};
use chimera_store::queue::{self, Claim};
use chimera_store::settle::{self, Onward, Settlement};
use chimera_store::submit::{NewTask, submit};
use chimera_store::{Options, Store, StoreError, hold, lanes, lease, roster};
use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;

conformance! {
    a_pause_holds_back_what_it_is_about_until_it_is_lifted,
    an_agent_that_nobody_can_work_with_is_paused_in_the_transaction_that_hands_its_task_back,
    a_pause_that_names_its_end_ends_by_itself_and_the_longer_one_stands,
    a_limit_of_a_project_counts_every_daemon,
    one_task_at_a_time_is_at_a_shared_place_of_staging,
    a_breaker_opens_lets_exactly_one_try_and_closes_with_its_success,
    a_probe_that_goes_without_a_word_makes_room_for_another,
    a_running_task_is_handed_back_before_a_paused_phase_and_loses_nothing,
    tasks_behind_many_that_are_held_back_are_found_in_their_order,
    a_free_place_of_staging_is_found_behind_many_that_wait_for_a_taken_one,
    failures_that_were_of_another_time_are_forgotten,
    daemons_say_how_they_are_and_leave,
    two_daemons_never_exceed_a_limit,
    a_pause_waits_for_claims_that_have_not_seen_it,
}

const POLICY: BreakerPolicy = BreakerPolicy { failures: 2, cool_down: Duration::from_secs(60) };

fn of(number: u64, project: &str) -> NewTask {
    NewTask { project: project.to_owned(), ..new_task(number) }
}

fn trouble() -> Outcome {
    Outcome::Unknown(Setback::new(Reason::AgentError, "no answer"))
}

async fn pause(house: &House, scope: Scope) {
    house.store.write_alone(move |tx| hold::pause(tx, &scope, Some("lunch"), NOW)).await.expect("paused");
}

async fn resume(house: &House, scope: Scope) -> bool {
    house.store.write(move |tx| hold::resume(tx, &scope)).await.expect("resumed")
}

/// Puts a task where it would be after its earlier phases.
async fn stand_in(house: &House, number: u64, phase: Phase) {
    let set = move |tx: &mut chimera_store::Tx<'_>| {
        let mut task = chimera_store::read::task(tx, &id(number))?.expect("it is there");
        task.workflow.phase = phase;
        let state = serde_json::to_string(&task.workflow)?;
        let sql = "UPDATE tasks SET phase = $1, workflow_state = $2 WHERE task_id = $3";
        tx.execute(sql, &[phase.as_str().into(), state.into(), task.id.as_str().into()]).map(drop)
    };
    house.store.write(set).await.expect("moved");
}

/// What follows if the attempt ends so, where a trouble ends the task.
fn without_retries(task: &Task, outcome: Outcome, now: UnixMillis) -> Transition {
    let state = State { status: task.status, workflow: task.workflow.clone() };
    let policy =
        Policy { retry: RetryPolicy { max_retries: 0, ..RetryPolicy::default() }, ..Policy::default() };
    let event = Event::Settled { outcome, usage: Usage::default() };
    step(&state, event, Tick { now, jitter: 0.0 }, &policy).expect("a running task settles")
}

/// Records a trouble of the agent `clever`, or what else came of an attempt.
async fn end(house: &House, gates: &Gates, task: &Task, outcome: Outcome, now: UnixMillis) -> Onward {
    let failing = !matches!(outcome, Outcome::Passed { .. } | Outcome::Interrupted);
    let settlement = Settlement {
        agent: failing.then(|| "clever".to_owned()),
        gates: Arc::new(gates.clone()),
        ..Settlement::new(task, epoch(task), without_retries(task, outcome, now), now)
    };
    settle::record(&house.store, settlement).await.expect("the lease holds")
}

async fn a_pause_holds_back_what_it_is_about_until_it_is_lifted(house: House) {
    let gates = Gates::default();
    for (number, project) in [(1, "shop"), (2, "other"), (3, "shop")] {
        house.submit(of(number, project)).await;
    }
    pause(&house, Scope::Project("shop".into())).await;
    assert_eq!(numbers(&house.claim_at(&gates, "one", NOW, 9).await), [2]);
    pause(&house, Scope::Queue).await;
    assert!(resume(&house, Scope::Project("shop".into())).await);
    assert_eq!(house.claim_at(&gates, "one", NOW, 9).await, []);
    let paused = house.store.read(hold::pauses).await.expect("readable");
    assert_eq!((paused.len(), paused[0].reason.as_deref()), (1, Some("lunch")));
    assert!(resume(&house, Scope::Queue).await);
    assert!(!resume(&house, Scope::Queue).await, "there is nothing to lift any more");
    pause(&house, Scope::Role(Role::Coder)).await;
    assert_eq!(numbers(&house.claim_at(&gates, "one", NOW, 1).await), [1], "no coder is asked here");
    stand_in(&house, 3, Phase::CodeImplementation).await;
    assert_eq!(house.claim_at(&gates, "one", NOW, 1).await, []);
}

async fn a_limit_of_a_project_counts_every_daemon(house: House) {
    let gates = Gates { projects: [("shop".into(), 2)].into(), ..Gates::default() };
    for number in 1..=4 {
        house.submit(of(number, "shop")).await;
    }
    house.submit(of(5, "other")).await;
    let first = house.claim_at(&gates, "one", NOW, 1).await;
    assert_eq!(numbers(&first), [1]);
    assert_eq!(numbers(&house.claim_at(&gates, "two", NOW, 9).await), [2, 5]);
    assert_eq!(house.claim_at(&gates, "two", NOW, 9).await, []);
    end(&house, &gates, &first[0], trouble(), NOW).await;
    assert_eq!(numbers(&house.claim_at(&gates, "two", NOW, 9).await), [3]);
}

async fn one_task_at_a_time_is_at_a_shared_place_of_staging(house: House) {
    let deployer = Deployer { agent: "ship".into(), shared: true };
    let gates = Gates { deployers: [("shop".into(), deployer)].into(), ..Gates::default() };
    for number in 1..=2 {
        house.submit(new_task(number)).await;
        stand_in(&house, number, Phase::StagingDeployment).await;
    }
    let first = house.claim_at(&gates, "one", NOW, 9).await;
    assert_eq!(numbers(&first), [1]);
    end(&house, &gates, &first[0], Outcome::Interrupted, NOW).await;
    stand_in(&house, 1, Phase::E2eValidation).await;
    let validating = house.claim_at(&gates, "two", NOW, 9).await;
    assert_eq!(numbers(&validating), [1], "the place is its own until it is validated");
    assert_eq!(house.claim_at(&gates, "one", NOW, 9).await, []);
    end(&house, &gates, &validating[0], trouble(), NOW).await;
    assert_eq!(numbers(&house.claim_at(&gates, "one", NOW, 9).await), [2]);
}

async fn a_free_place_of_staging_is_found_behind_many_that_wait_for_a_taken_one(house: House) {
    const WALL: u64 = 400;
    let deployer = Deployer { agent: "ship".into(), shared: true };
    let gates = Gates { deployers: [("shop".into(), deployer)].into(), ..Gates::default() };
    let at = |number, url: &str| {
        let mut new = new_task(number);
        new.request.staging_url = Some(url.to_owned());
        new
    };
    let (taken, free) = ("https://one.example.com/", "https://two.example.com");
    let mut wall: Vec<NewTask> = (0..WALL).map(|number| at(number, taken)).collect();
    // Behind the others of its priority.
    wall.push(NewTask { now: later(1), ..at(WALL, free) });
    wall.push(NewTask { now: later(2), ..at(WALL + 1, free) });
    let submitted = house.store.write(move |tx| wall.iter().try_for_each(|new| submit(tx, new).map(drop)));
    submitted.await.expect("accepted");
    for number in 0..=WALL + 1 {
        stand_in(&house, number, Phase::StagingDeployment).await;
    }
    for limit in [1, 9] {
        let claimed = house.claim_at(&gates, "one", later(3), limit).await;
        let expected = if limit == 1 { vec![0] } else { vec![WALL] };
        assert_eq!(numbers(&claimed), expected, "up to {limit}");
    }
    assert_eq!(house.claim_at(&gates, "one", later(3), 9).await, [], "both places are taken");
}

/// The gates of a daemon whose first phase is carried out by `clever`.
fn guarded() -> Gates {
    Gates {
        cast: [(Role::E2eTester, vec!["clever".to_owned()])].into(),
        breaker: Some(POLICY),
        ..Gates::default()
    }
}

/// Lets `clever` fail twice, which opens its breaker until a minute later; tasks 3 and 4 wait.
async fn open(house: &House) {
    for number in 1..=4 {
        house.submit(new_task(number)).await;
    }
    for task in house.claim_at(&guarded(), "one", NOW, 2).await {
        end(house, &guarded(), &task, trouble(), NOW).await;
    }
    let breakers = house.store.read(hold::breakers).await.expect("readable");
    assert_eq!(breakers[0].open.map(|open| open.until), Some(later(60)));
}

async fn a_breaker_opens_lets_exactly_one_try_and_closes_with_its_success(house: House) {
    open(&house).await;
    assert_eq!(house.claim_at(&guarded(), "one", later(59), 9).await, []);
    let next = house.store.read(|tx| queue::next_event_at(tx, later(59))).await.expect("readable");
    assert_eq!(next, Some(later(60)), "the dispatcher knows when to look again");
    let facts = house.store.read(|tx| hold::facts(tx, later(59))).await.expect("readable");
    let why = Board::over_all(&guarded(), facts).closed(&Lane::new("shop", Phase::E2eTestGeneration));
    assert!(matches!(why, Some(Obstacle::Breaker { until, .. }) if until == Some(later(60))), "{why:?}");
    let probe = house.claim_at(&guarded(), "one", later(60), 9).await;
    assert_eq!(numbers(&probe), [3], "exactly one tries");
    assert_eq!(house.claim_at(&guarded(), "two", later(61), 9).await, []);
    end(&house, &guarded(), &probe[0], trouble(), later(62)).await;
    assert_eq!(house.claim_at(&guarded(), "two", later(121), 9).await, [], "open again");
    let probe = house.claim_at(&guarded(), "two", later(122), 9).await;
    // An answer that is no trouble: it works again, whatever it says.
    let no = Outcome::Failed(Setback::new(Reason::AlreadyGreen, "nothing to do"));
    let settlement = Settlement {
        gates: Arc::new(guarded()),
        ..Settlement::new(&probe[0], epoch(&probe[0]), without_retries(&probe[0], no, later(123)), later(123))
    };
    settle::record(&house.store, settlement).await.expect("the lease holds");
    assert_eq!(house.store.read(hold::breakers).await.expect("readable"), []);
}

async fn a_probe_that_goes_without_a_word_makes_room_for_another(house: House) {
    open(&house).await;
    let probe = house.claim_at(&guarded(), "one", later(60), 9).await;
    end(&house, &guarded(), &probe[0], Outcome::Interrupted, later(61)).await;
    assert_eq!(numbers(&house.claim_at(&guarded(), "one", later(61), 9).await), [3], "the next try");
    let lost = later(61 + 2 * LEASE.as_secs());
    assert_eq!(house.rescue(lost, &[]).await, [id(3)]);
    assert_eq!(numbers(&house.claim_at(&guarded(), "two", lost, 9).await), [3], "a rescued one as well");
}

async fn a_running_task_is_handed_back_before_a_paused_phase_and_loses_nothing(house: House) {
    let gates = Gates::default();
    let task = house.running(1, "one").await;
    pause(&house, Scope::Role(Role::Coder)).await;
    let mut after = without_retries(&task, failure_that_goes_on(), NOW);
    // As if it had passed: what proves it is of no concern to the store.
    after.next = chimera_core::Next::Run;
    (after.state.status, after.state.workflow.phase) = (Status::Running, Phase::CodeImplementation);
    (after.state.workflow.attempt, after.entry.to) = (2, Phase::CodeImplementation);
    let onward = house.record(&task, epoch(&task), after, &[], &gates).await.expect("the lease holds");
    assert_eq!(onward, Onward::HandedBack);
    let waiting = house.task(1).await;
    assert_eq!(
        (waiting.status, waiting.phase(), waiting.lease),
        (Status::Queued, Phase::CodeImplementation, None)
    );
    assert_eq!(house.claim_at(&gates, "two", NOW, 1).await, []);
    assert!(resume(&house, Scope::Role(Role::Coder)).await);
    let on = house.claim_at(&gates, "two", NOW, 1).await;
    assert_eq!((on[0].phase(), on[0].workflow.attempt), (Phase::CodeImplementation, 2));
}

fn failure_that_goes_on() -> Outcome {
    Outcome::Transient { setback: Setback::new(Reason::AgentError, "x"), retry_after: None }
}

async fn tasks_behind_many_that_are_held_back_are_found_in_their_order(house: House) {
    let fill = |tx: &mut chimera_store::Tx<'_>| {
        (0..300).try_for_each(|number| submit(tx, &of(number, "shop")).map(drop))?;
        (300..310).try_for_each(|number| {
            submit(tx, &of(number, if number % 2 == 0 { "even" } else { "odd" })).map(drop)
        })
    };
    house.store.write(fill).await.expect("accepted");
    pause(&house, Scope::Project("shop".into())).await;
    let taken = house.claim_at(&Gates::default(), "one", NOW, 4).await;
    assert_eq!(numbers(&taken), [300, 301, 302, 303]);
    let limited = Gates { projects: [("odd".into(), 2)].into(), ..Gates::default() };
    assert_eq!(numbers(&house.claim_at(&limited, "one", NOW, 9).await), [304, 306, 308], "odd is full");
}

async fn failures_that_were_of_another_time_are_forgotten(house: House) {
    house.submit(new_task(1)).await;
    let task = house.claim_at(&guarded(), "one", NOW, 1).await;
    end(&house, &guarded(), &task[0], trouble(), NOW).await;
    let counting = || async { house.store.read(hold::breakers).await.expect("readable").len() };
    house.store.write(|tx| hold::forget(tx, later(3600))).await.expect("written");
    assert_eq!(counting().await, 1);
    house.store.write(|tx| hold::forget(tx, later(25 * 3600))).await.expect("written");
    assert_eq!(counting().await, 0);
}

async fn daemons_say_how_they_are_and_leave(house: House) {
    let state = DaemonState { workers: 3, throttled: Some("no memory".into()), ..DaemonState::default() };
    let said = state.clone();
    house.store.write(move |tx| lease::extend(tx, "one", &said, NOW, LEASE)).await.expect("written");
    let seen =
        |now| async move { house.store.read(move |tx| roster::daemons(tx, now)).await.expect("readable") };
    let daemons = seen(later(60)).await;
    assert_eq!((daemons.len(), &daemons[0].state), (1, &state));
}

/// Two daemons take and end tasks as fast as they can; whenever one looks, no more run than may.
async fn two_daemons_never_exceed_a_limit(house: House) {
    const TASKS: u64 = 60;
    let fill = |tx: &mut chimera_store::Tx<'_>| {
        (0..TASKS).try_for_each(|number| submit(tx, &of(number, "shop")).map(drop))
    };
    house.store.write(fill).await.expect("accepted");
    let second = house.second();
    let (one, two) =
        tokio::join!(tokio::spawn(drain(house.store.clone(), "one")), tokio::spawn(drain(second, "two")));
    assert_eq!(one.expect("no panic") + two.expect("no panic"), TASKS);
}

async fn drain(store: Store, owner: &'static str) -> u64 {
    let gates = Gates { projects: [("shop".into(), 3)].into(), ..Gates::default() };
    let mut done = 0;
    loop {
        let own = gates.clone();
        let claim = move |tx: &mut chimera_store::Tx<'_>| {
            queue::claim(tx, &Claim { owner, now: NOW, limit: 2, gates: &own })
        };
        let taken = store.write_in_turn(claim).await.expect("claimed");
        let counts = store.read(chimera_store::read::counts).await.expect("readable");
        assert!(counts.running <= 3, "{} run", counts.running);
        if taken.is_empty() && counts.queued == 0 {
            return done;
        }
        for task in taken {
            let settlement = Settlement {
                gates: Arc::new(gates.clone()),
                ..Settlement::new(&task, epoch(&task), without_retries(&task, trouble(), NOW), NOW)
            };
            settle::record(&store, settlement).await.expect("the lease holds");
            done += 1;
        }
    }
}

#[tokio::test]
async fn a_claim_among_closed_gates_walks_indexes_only() {
    let house = House::sqlite(&Options::default());
    let plan = |sql: &'static str| {
        house.store.read(move |tx| {
            let rows = tx.query(&format!("EXPLAIN QUERY PLAN {sql}"), &[])?;
            rows.iter().map(|row| row.text(3).map(str::to_owned)).collect::<Result<Vec<_>, StoreError>>()
        })
    };
    for (sql, index) in [
        (lanes::EARLIEST, "tasks_ready"),
        (lanes::LANE, "tasks_lanes (lane=? AND project=?"),
        (lanes::PROJECTS, "tasks_lanes (lane=? AND project=?)"),
        (hold::RUNNING, "tasks_status (status=?)"),
    ] {
        let plan = plan(sql).await.expect("a plan").join("\n");
        assert!(plan.contains(index), "{sql}:\n{plan}");
    }
    let lane = plan(lanes::LANE).await.expect("a plan").join("\n");
    assert!(!lane.contains("B-TREE"), "no sorting: {lane}");
}

fn unavailable(retry_after: Option<u64>) -> Outcome {
    let setback = Setback::new(Reason::AgentError, "401");
    let retry_after = retry_after.map(Duration::from_secs);
    Outcome::Unavailable { agent: "clever".to_owned(), setback, retry_after }
}

/// The agent `clever` writes the tests.
fn written_by_clever() -> Gates {
    Gates { cast: [(Role::E2eTester, vec!["clever".to_owned()])].into(), ..Gates::default() }
}

async fn an_agent_that_nobody_can_work_with_is_paused_in_the_transaction_that_hands_its_task_back(
    house: House,
) {
    let gates = written_by_clever();
    for number in 1..=5 {
        house.submit(of(number, "shop")).await;
    }
    let first = house.claim_at(&gates, "one", NOW, 1).await;
    end(&house, &gates, &first[0], unavailable(None), NOW).await;
    assert_eq!(house.claim_at(&gates, "one", later(3600), 9).await, [], "nobody asks it again");
    let task = house.task(1).await;
    assert_eq!((task.status, task.workflow.failures, task.workflow.attempt), (Status::Queued, 0, 1));
    assert_eq!(task.workflow.error.as_deref(), Some("401"));
    let paused = house.store.read(hold::pauses).await.expect("readable");
    assert_eq!((&paused[0].scope, paused[0].until), (&Scope::Agent("clever".into()), None));
    assert_eq!(paused[0].reason.as_deref(), Some("401"));
    assert!(resume(&house, Scope::Agent("clever".into())).await);
    assert_eq!(house.claim_at(&gates, "one", later(3600), 9).await.len(), 5);
}

async fn a_pause_that_names_its_end_ends_by_itself_and_the_longer_one_stands(house: House) {
    let gates = written_by_clever();
    house.submit(of(1, "shop")).await;
    let tried = async |wait, at| {
        let task = house.claim_at(&gates, "one", at, 1).await;
        end(&house, &gates, &task[0], unavailable(wait), at).await;
    };
    tried(Some(60), NOW).await;
    assert_eq!(house.claim_at(&gates, "one", later(59), 9).await, []);
    let next = house.store.read(move |tx| queue::next_event_at(tx, later(59))).await.expect("readable");
    assert_eq!(next, Some(later(60)), "a daemon looks again then");
    // One that has ended makes room for the next, and a person's for good stands.
    tried(Some(60), later(60)).await;
    assert_eq!(house.claim_at(&gates, "one", later(119), 9).await, []);
    pause(&house, Scope::Agent("clever".into())).await;
    assert_eq!(house.claim_at(&gates, "one", later(3600), 9).await, []);
    house.store.write(move |tx| hold::forget(tx, later(3600))).await.expect("forgotten");
    assert_eq!(house.store.read(hold::pauses).await.expect("readable").len(), 1);
    assert!(resume(&house, Scope::Agent("clever".into())).await);
    tried(Some(60), later(3600)).await;
    house.store.write(move |tx| hold::forget(tx, later(3660))).await.expect("forgotten");
    assert_eq!(house.store.read(hold::pauses).await.expect("readable"), []);
}

/// A claim that found nothing paused takes its tasks all the same, but before the pause is acknowledged.
async fn a_pause_waits_for_claims_that_have_not_seen_it(house: House) {
    if house.is_file() {
        return; // One transaction at a time.
    }
    let second = house.second();
    for number in 0..5 {
        house.submit(new_task(2 * number)).await;
        house.submit(new_task(2 * number + 1)).await;
        let (looked, (paused, hears)) = (Arc::new(Barrier::new(2)), mpsc::channel());
        let looked_too = looked.clone();
        let claim = move |tx: &mut chimera_store::Tx<'_>| {
            let claim = Claim { owner: "one", now: NOW, limit: 1, gates: &Gates::default() };
            let taken = queue::claim(tx, &claim)?.len();
            looked_too.wait();
            // As long as a slow server might take for the rest.
            Ok((taken, hears.recv_timeout(Duration::from_millis(100)).is_ok()))
        };
        let pausing = async {
            tokio::task::block_in_place(|| looked.wait());
            let pause = |tx: &mut chimera_store::Tx<'_>| hold::pause(tx, &Scope::Queue, None, NOW);
            second.write_alone(pause).await.expect("paused");
            // The claim may be over.
            let _ = paused.send(());
        };
        let (claimed, ()) = tokio::join!(house.store.write(claim), pausing);
        assert_eq!(claimed.expect("claimed"), (1, false), "what was not committed yet outran the pause");
        assert!(house.claim("two", NOW, 9).await.is_empty(), "paused");
        assert!(resume(&house, Scope::Queue).await);
        house.claim("two", NOW, 9).await;
    }
}
