//! What wakes a daemon: each commit that gives it something to do, at once, and no other one.
//!
//! No poll and no heartbeat happens within these tests: what is not woken by a commit never begins.

use crate::script::{House, Running, Script, conformance, pass, settings};
use chimera_agent::runner::{Attempt, BoxFuture, Fence, Report, Runner};
use chimera_core::gates::DaemonState;
use chimera_core::{Event, Gates, Role, State, Status, Task, TaskId, Tick, Usage, step};
use chimera_daemon::engine::{Engine, Owner, Settings};
use chimera_daemon::seams::{Clock, Dice};
use chimera_store::queue::{self, Claim};
use chimera_store::settle::{self, Settlement};
use chimera_store::{Store, lease, roster, steer};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

conformance! {
    every_submission_is_started_by_its_commit,
    what_a_limit_held_back_goes_on_with_the_commit_that_makes_room,
    a_retry_time_that_comes_closer_is_kept,
    commits_that_make_nothing_claimable_cause_no_query_of_any_daemon,
    a_full_daemon_asks_for_nothing_when_tasks_come,
    a_cancellation_by_another_daemon_stops_a_task_at_once,
    a_heartbeat_without_anything_to_do_is_two_transactions,
    a_task_whose_worker_broke_is_taken_back_at_the_next_heartbeat,
}

const LONG: Duration = Duration::from_secs(24 * 3600);
/// Much longer than anything here takes, and much shorter than what is never woken.
const LIMIT: Duration = Duration::from_secs(30);
/// Another daemon, whose lease lasts.
const OTHER: &str = "elsewhere";
/// Daemons in one test.
const FLEET: u64 = 20;

fn unhurried() -> Settings {
    Settings { poll_interval: LONG, lease: 3 * LONG, ..settings() }
}

/// Passes everything, and tells which tasks have ended.
struct Telling(mpsc::UnboundedSender<TaskId>);

impl Runner for Telling {
    fn run(&self, attempt: Attempt, _: CancellationToken) -> BoxFuture<'_, Report> {
        Box::pin(std::future::ready(pass(&attempt)))
    }

    fn finished<'a>(&'a self, task: &'a Task) -> BoxFuture<'a, ()> {
        let _ = self.0.send(task.id.clone());
        Box::pin(std::future::ready(()))
    }
}

/// Each of the tasks comes while a claim is under way, that of another task, which has to wait: the claim comes back empty, by
/// the commit that accepts the task. That commit is not taken for what the claim has seen.
async fn every_submission_is_started_by_its_commit(house: House) {
    const ROUNDS: u64 = 100;
    let (ended, mut ends) = mpsc::unbounded_channel();
    let running = house.start(Arc::new(Telling(ended)), unhurried());
    for round in 0..ROUNDS {
        submit_on(&house.store, 2 * round, Some(LONG)).await;
        submit_on(&house.store, 2 * round + 1, None).await;
        assert_eq!(next(&mut ends, round).await, TaskId::from_bits(2 * round + 1));
    }
    running.stopped().await;
}

async fn next<T>(from: &mut mpsc::UnboundedReceiver<T>, number: u64) -> T {
    let next = tokio::time::timeout(LIMIT, from.recv()).await;
    next.unwrap_or_else(|_| panic!("a task was not started by its commit, number {number}")).expect("told")
}

/// One reviewer for everybody: the next review begins with the commit by which the last one ends.
async fn what_a_limit_held_back_goes_on_with_the_commit_that_makes_room(house: House) {
    let (ended, mut ends) = mpsc::unbounded_channel();
    let gates = Gates { roles: [(Role::Guardian, 1)].into(), ..Gates::default() };
    let limited = Settings { gates: Arc::new(gates), ..unhurried() };
    let running = house.start(Arc::new(Telling(ended)), limited);
    for number in 0..20 {
        house.submit(number).await;
    }
    for number in 0..20 {
        next(&mut ends, number).await;
    }
    running.stopped().await;
}

/// A daemon that waits for a time in an hour hears of one in a moment.
async fn a_retry_time_that_comes_closer_is_kept(house: House) {
    let (ended, mut ends) = mpsc::unbounded_channel();
    let running = house.start(Arc::new(Telling(ended)), unhurried());
    let now = Clock::system().now();
    house.submit_with(1, |request| request.not_before = Some(now.plus(LONG))).await;
    house.submit_with(2, |request| request.not_before = Some(now.plus(Duration::from_millis(1500)))).await;
    assert_eq!(next(&mut ends, 2).await, TaskId::from_bits(2));
    running.stopped().await;
}

/// Another daemon settles, and extends its lease; all the others of a fleet hear of it and ask for nothing.
async fn commits_that_make_nothing_claimable_cause_no_query_of_any_daemon(house: House) {
    const TASKS: u64 = 8;
    // What another process writes into a file may be anything: there the fleet is one process, and so is the other.
    let other = if house.is_sqlite() { house.store.clone() } else { house.second() };
    let tasks = taken(&house, &other, TASKS).await;
    let fleet = (0..FLEET).map(|number| {
        let (asked, now) = (CancellationToken::new(), CancellationToken::new());
        let script = Script::new(|attempt, _| async move { pass(&attempt) });
        let settings = Settings { max_workers: 1, min_workers: 1, ..unhurried() };
        let engine =
            Engine::new(house.store.clone(), script, settings, Clock::system(), Dice::seeded(number));
        let engine = engine.owned_by(Owner::named(format!("daemon-{number}"), |_| false));
        (asked.clone(), tokio::spawn(engine.run(asked, now)))
    });
    let fleet: Vec<_> = fleet.collect();
    // Each takes one and ends it: all of them are awake, and have nothing more to do.
    for number in 0..FLEET {
        house.submit(1000 + number).await;
    }
    for number in 0..FLEET {
        house.until(&TaskId::from_bits(1000 + number), |task| task.status.is_end()).await;
    }
    quiet(&house.store).await;

    let (mut changes, before) = (house.store.changes(), house.store.transactions());
    let mut commits = 0;
    for mut task in tasks {
        while !task.status.is_end() {
            changes.mark_unchanged();
            task = settled(&other, task).await;
            commits += 1;
            heard(&mut changes).await;
        }
        let state = DaemonState::default();
        let extend = move |tx: &mut chimera_store::Tx<'_>| {
            lease::extend(tx, OTHER, &state, Clock::system().now(), LONG)
        };
        other.write(extend).await.expect("extended");
        commits += 1;
    }
    quiet(&house.store).await;
    let own = if house.is_sqlite() { commits } else { 0 };
    let asked = house.store.transactions() - before - own;
    assert!(
        commits > 40 && asked < 10,
        "{commits} commits of one daemon, {asked} transactions of {FLEET} others"
    );
    for (asked, running) in fleet {
        asked.cancel();
        running.await.expect("the engine ends without a panic").expect("in order");
    }
}

/// What others submit is of no use to a daemon without a free slot.
async fn a_full_daemon_asks_for_nothing_when_tasks_come(house: House) {
    let go = Arc::new(Semaphore::new(0));
    let gate = go.clone();
    let waiting = Script::new(move |attempt: Attempt, _| {
        let gate = gate.clone();
        async move {
            if attempt.task.id == TaskId::from_bits(0) {
                gate.acquire().await.expect("it is there").forget();
            }
            pass(&attempt)
        }
    });
    let running = house.start(waiting, Settings { max_workers: 1, min_workers: 1, ..unhurried() });
    let first = house.submit(0).await;
    house.until(&first, |task| task.status == Status::Running).await;
    let (other, mut changes) = (house.second(), house.store.changes());
    quiet(&house.store).await;
    let before = house.store.transactions();
    for number in 1..=20 {
        changes.mark_unchanged();
        submit_on(&other, number, None).await;
        heard(&mut changes).await;
    }
    quiet(&house.store).await;
    let asked = house.store.transactions() - before;
    assert!(asked < 10, "20 submissions, {asked} transactions");
    go.add_permits(5);
    house.until(&TaskId::from_bits(20), |task| task.status == Status::Completed).await;
    running.stopped().await;
}

async fn a_cancellation_by_another_daemon_stops_a_task_at_once(house: House) {
    let until_stopped = Script::new(|_, stop: CancellationToken| async move {
        stop.cancelled().await;
        chimera_core::Outcome::Interrupted.into()
    });
    let running: Running = house.start(until_stopped, unhurried());
    let other = house.second();
    let id = house.submit(1).await;
    house.until(&id, |task| task.status == Status::Running).await;
    let (now, cancelled) = (Clock::system().now(), id.clone());
    let cancel = move |tx: &mut chimera_store::Tx<'_>| steer::cancel(tx, &cancelled, now, &settings().policy);
    other.write_alone(cancel).await.expect("it may be cancelled");
    house.until(&id, |task| task.status == Status::Cancelled).await;
    running.stopped().await;
}

/// One that extends the lease and one that looks after others; nothing is written beside that.
async fn a_heartbeat_without_anything_to_do_is_two_transactions(house: House) {
    let idle = Script::new(|attempt, _| async move { pass(&attempt) });
    let running = house.start(idle, Settings { lease: Duration::from_millis(900), ..unhurried() });
    let (other, mut beats, mut last, mut before) = (house.second(), 0, None, 0);
    let from = Instant::now();
    while beats <= 10 {
        assert!(from.elapsed() < LIMIT, "{beats} heartbeats");
        let now = Clock::system().now().minus(LONG);
        let seen = other.read(move |tx| roster::daemons(tx, now)).await.expect("readable");
        let seen = seen.first().map(|daemon| daemon.seen_at);
        if std::mem::replace(&mut last, seen) != seen {
            beats += 1;
            if beats == 2 {
                before = house.store.transactions();
            }
        }
        // tidy: polls: a heartbeat wakes nobody
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let asked = house.store.transactions() - before;
    // Those of the first and the last one may be counted or not.
    assert!(asked <= 9 * 2 + 3, "9 heartbeats, {asked} transactions");
    running.stopped().await;
}

/// What is in no doubt needs no second heartbeat to be believed.
async fn a_task_whose_worker_broke_is_taken_back_at_the_next_heartbeat(house: House) {
    const LEASE: Duration = Duration::from_secs(6);
    let (begun, mut begins) = mpsc::unbounded_channel();
    let breaks = Arc::new(AtomicBool::new(false));
    let arm = breaks.clone();
    let script = Script::new(move |attempt: Attempt, _| {
        let _ = begun.send((Instant::now(), attempt.task.workflow.crashes));
        // Its worker asks for the time next.
        arm.store(attempt.task.workflow.crashes == 0, Ordering::SeqCst);
        async move { pass(&attempt) }
    });
    let engine_task = Arc::new(OnceLock::new());
    let not_this = engine_task.clone();
    let clock = Clock::new(move || {
        // Neither the dispatcher nor the store: only a worker asks for the time in a task of its own.
        let worker =
            tokio::task::try_id().is_some_and(|id| not_this.get().is_some_and(|engine| id != *engine));
        assert!(!worker || !breaks.swap(false, Ordering::SeqCst), "a bug in a worker");
        Clock::system().now()
    });
    let settings = Settings { lease: LEASE, ..unhurried() };
    let engine = Engine::new(house.store.clone(), script, settings, clock, Dice::seeded(1));
    let asked = CancellationToken::new();
    let running = tokio::spawn(engine.run(asked.clone(), CancellationToken::new()));
    engine_task.set(running.id()).expect("set once");
    house.submit(1).await;
    let (first, _) = next(&mut begins, 1).await;
    let (second, crashes) = next(&mut begins, 2).await;
    assert_eq!(crashes, 1, "as if the daemon had crashed");
    let took = second - first;
    assert!(took < LEASE / 2, "heartbeats come each third of the lease, it took {took:?}");
    asked.cancel();
    running.await.expect("the engine ends without a panic").expect("in order");
}

/// Tasks that another daemon has taken.
async fn taken(house: &House, other: &Store, number: u64) -> Vec<Task> {
    for number in 0..number {
        house.submit(number).await;
    }
    let take = move |tx: &mut chimera_store::Tx<'_>| {
        let now = Clock::system().now();
        lease::extend(tx, OTHER, &DaemonState::default(), now, LONG)?;
        let gates = &Gates::default();
        queue::claim(tx, &Claim { owner: OTHER, now, limit: u32::try_from(number).unwrap_or(0), gates })
    };
    other.write(take).await.expect("taken")
}

/// The task after its phase has passed.
async fn settled(store: &Store, task: Task) -> Task {
    let state = State { status: task.status, workflow: task.workflow.clone() };
    let attempt = Attempt { task: task.clone(), timeout: LONG, fence: Fence::open() };
    let event = Event::Settled { outcome: pass(&attempt).outcome, usage: Usage::default() };
    let now = Clock::system().now();
    let transition = step(&state, event, Tick { now, jitter: 0.0 }, &settings().policy).expect("it settles");
    let epoch = task.lease.as_ref().expect("held").epoch;
    let State { status, workflow } = transition.state.clone();
    settle::record(store, Settlement::new(&task, epoch, transition, now)).await.expect("recorded");
    Task { status, workflow, seq: task.seq + 1, ..task }
}

async fn submit_on(store: &Store, bits: u64, wait: Option<Duration>) {
    let mut request = chimera_core::Request::new("User can view homepage", "https://example.com");
    let (id, now) = (TaskId::from_bits(bits), Clock::system().now());
    request.not_before = wait.map(|wait| now.plus(wait));
    let project = "scratch-example".to_owned();
    let new = chimera_store::submit::NewTask { id, request, project, now, idempotency: None };
    chimera_store::submit::accept(store, new).await.expect("accepted");
}

/// Waits until a commit of another process is heard of.
async fn heard(changes: &mut tokio::sync::watch::Receiver<chimera_store::Commits>) {
    tokio::time::timeout(LIMIT, changes.changed()).await.expect("heard of").expect("the store lives");
}

/// Waits until a store is asked for nothing more.
async fn quiet(store: &Store) {
    let mut before = u64::MAX;
    while std::mem::replace(&mut before, store.transactions()) != store.transactions() {
        // tidy: polls: what does not happen has no end to wait for
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}
