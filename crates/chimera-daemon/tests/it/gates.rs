//! What holds tasks back, through the real engine.

use crate::script::{House, Running, Script, conformance, pass, settings};
use chimera_agent::runner::{Attempt, Report};
use chimera_core::gates::{BreakerPolicy, DaemonState, Deployer};
use chimera_core::{Gates, Outcome, Phase, Reason, Role, Scope, Setback, Status, TaskId};
use chimera_daemon::engine::{Settings, Throttle};
use chimera_daemon::seams::{Machine, Strain};
use chimera_store::{Database, Options, Store, hold, roster};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};

conformance! {
    limits_of_roles_projects_and_agents_are_kept_and_everybody_gets_through,
    one_deployment_at_a_time_is_at_a_shared_place,
    a_paused_queue_goes_on_once_the_pause_is_lifted,
    a_pause_between_phases_gives_the_worker_to_others,
    an_agent_that_keeps_failing_is_left_alone_until_one_try_succeeds,
    a_machine_short_of_memory_begins_nothing_and_says_so,
    the_pool_grows_with_what_waits_and_shrinks_again,
    a_task_put_off_by_its_agent_uses_up_no_retry,
}

/// Counts how many attempts are in each phase at a time.
#[derive(Default)]
struct Gauge {
    now: Mutex<BTreeMap<Phase, u32>>,
    most: Mutex<BTreeMap<Phase, u32>>,
}

impl Gauge {
    async fn through(&self, attempt: Attempt) -> Report {
        let phase = attempt.task.phase();
        self.change(phase, 1);
        // Lets the others come as far as they may.
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        self.change(phase, -1);
        pass(&attempt)
    }

    fn change(&self, phase: Phase, by: i32) {
        let mut now = self.now.lock().expect("no panic");
        let count = now.entry(phase).or_default();
        *count = count.checked_add_signed(by).expect("it went in");
        let mut most = self.most.lock().expect("no panic");
        let peak = most.entry(phase).or_default();
        *peak = (*peak).max(*count);
    }

    fn most(&self, phase: Phase) -> u32 {
        self.most.lock().expect("no panic").get(&phase).copied().unwrap_or_default()
    }
}

fn gauged(gauge: &Arc<Gauge>) -> Arc<Script> {
    let gauge = gauge.clone();
    Script::new(move |attempt, _| {
        let gauge = gauge.clone();
        async move { gauge.through(attempt).await }
    })
}

fn with(gates: Gates) -> Settings {
    Settings { gates: Arc::new(gates), max_workers: 8, min_workers: 8, ..settings() }
}

async fn submit(house: &House, tasks: u64) -> Vec<TaskId> {
    let mut ids = Vec::new();
    for bits in 1..=tasks {
        ids.push(house.submit(bits).await);
    }
    ids
}

async fn all_completed(house: &House, ids: &[TaskId]) {
    for id in ids {
        let task = house.until(id, |task| task.status.is_end()).await;
        assert_eq!(task.status, Status::Completed, "{:?}", task.workflow.error);
    }
}

async fn limits_of_roles_projects_and_agents_are_kept_and_everybody_gets_through(house: House) {
    let gauge = Arc::new(Gauge::default());
    let gates = Gates {
        roles: [(Role::Coder, 2)].into(),
        projects: [("scratch-example".into(), 4)].into(),
        cast: [(Role::Guardian, vec!["strict".into()])].into(),
        agents: [("strict".into(), 1)].into(),
        ..Gates::default()
    };
    let running = house.start(gauged(&gauge), with(gates));
    let ids = submit(&house, 10).await;
    all_completed(&house, &ids).await;
    running.stopped().await;
    assert!(gauge.most(Phase::E2eTestGeneration) <= 4, "the project's");
    assert!(gauge.most(Phase::CodeImplementation) <= 2, "the role's");
    assert_eq!(gauge.most(Phase::GuardianReview), 1, "the agent's");
}

async fn one_deployment_at_a_time_is_at_a_shared_place(house: House) {
    let there: Arc<Mutex<Option<TaskId>>> = Arc::default();
    let script = Script::new(move |attempt, _| {
        let there = there.clone();
        async move {
            let id = attempt.task.id.clone();
            match attempt.task.phase() {
                Phase::StagingDeployment => *there.lock().expect("no panic") = Some(id),
                Phase::E2eValidation => {
                    assert_eq!(*there.lock().expect("no panic"), Some(id), "another's change is there");
                }
                _ => (),
            }
            tokio::task::yield_now().await;
            pass(&attempt)
        }
    });
    let deployer = Deployer { agent: "ship".into(), shared: true };
    let gates = Gates { deployers: [("scratch-example".into(), deployer)].into(), ..Gates::default() };
    let running = house.start(script, with(gates));
    let ids = submit(&house, 6).await;
    all_completed(&house, &ids).await;
    running.stopped().await;
}

async fn pause(house: &House, scope: &Scope) {
    let (scope, now) = (scope.clone(), chimera_daemon::seams::Clock::system().now());
    house.store.write_alone(move |tx| hold::pause(tx, &scope, None, now)).await.expect("paused");
}

async fn resume(house: &House, scope: &Scope) {
    let scope = scope.clone();
    assert!(house.store.write(move |tx| hold::resume(tx, &scope)).await.expect("resumed"));
}

async fn a_paused_queue_goes_on_once_the_pause_is_lifted(house: House) {
    pause(&house, &Scope::Queue).await;
    // The poll is far away: the pause's end itself must wake the dispatcher.
    let slow = Settings { poll_interval: Duration::from_secs(600), ..settings() };
    let running = house.start(Script::new(|attempt, _| async move { pass(&attempt) }), slow);
    let id = house.submit(1).await;
    let after = house.submit(2).await;
    assert_eq!(house.task(&id).await.status, Status::Queued);
    resume(&house, &Scope::Queue).await;
    all_completed(&house, &[id, after]).await;
    running.stopped().await;
}

async fn a_pause_between_phases_gives_the_worker_to_others(house: House) {
    let (began, go) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
    let (tell, gate) = (began.clone(), go.clone());
    let script = Script::new(move |attempt, _| {
        let (tell, gate) = (tell.clone(), gate.clone());
        async move {
            tell.notify_one();
            gate.acquire().await.expect("open").forget();
            pass(&attempt)
        }
    });
    let running = house.start(script, Settings { max_workers: 1, min_workers: 1, ..settings() });
    let first = house.submit(1).await;
    began.notified().await;
    pause(&house, &Scope::Role(Role::Coder)).await;
    go.add_permits(1);
    let waiting = house.until(&first, |task| task.status == Status::Queued).await;
    assert_eq!((waiting.phase(), waiting.lease), (Phase::CodeImplementation, None));
    let second = house.submit(2).await;
    house.until(&second, |task| task.status == Status::Running).await;
    go.add_permits(100);
    resume(&house, &Scope::Role(Role::Coder)).await;
    all_completed(&house, &[first, second]).await;
    running.stopped().await;
}

/// An agent that fails as long as `down`, and counts those that ask it.
fn shaky(down: &Arc<AtomicBool>, asked: &Arc<AtomicU32>) -> Arc<Script> {
    let (down, asked) = (down.clone(), asked.clone());
    Script::new(move |attempt, _| {
        let (down, asked) = (down.clone(), asked.clone());
        async move {
            if attempt.task.phase() == Phase::CodeImplementation {
                asked.fetch_add(1, Ordering::SeqCst);
                if down.load(Ordering::SeqCst) {
                    let setback = Setback::new(Reason::AgentError, "no answer");
                    let outcome = Outcome::Transient { setback, retry_after: None };
                    return Report { agent: Some("clever".into()), ..outcome.into() };
                }
            }
            pass(&attempt)
        }
    })
}

async fn an_agent_that_keeps_failing_is_left_alone_until_one_try_succeeds(house: House) {
    let (down, asked) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU32::new(0)));
    let gates = Gates {
        cast: [(Role::Coder, vec!["clever".into()])].into(),
        breaker: Some(BreakerPolicy { failures: 3, cool_down: Duration::from_millis(300) }),
        ..Gates::default()
    };
    let mut patient = with(gates);
    patient.max_workers = 1;
    patient.min_workers = 1;
    patient.policy.retry.max_retries = 1000;
    let running = house.start(shaky(&down, &asked), patient);
    let ids = submit(&house, 3).await;
    let open = async {
        let mut changes = house.store.changes();
        loop {
            changes.borrow_and_update();
            let begun = asked.load(Ordering::SeqCst);
            let breakers = house.store.read(hold::breakers).await.expect("readable");
            // Opened, and opened again by the one that tried.
            if breakers.first().is_some_and(|breaker| breaker.failures >= 4) {
                return (begun, breakers);
            }
            changes.changed().await.expect("the store lives");
        }
    };
    let (begun, breakers) = tokio::time::timeout(Duration::from_secs(30), open).await.expect("it opens");
    assert_eq!(breakers[0].scope, Scope::Agent("clever".into()));
    // What had begun has failed, but for the one that may be trying.
    assert!(begun <= breakers[0].failures + 1, "{begun}: nobody asked it past the breaker");
    down.store(false, Ordering::SeqCst);
    all_completed(&house, &ids).await;
    running.stopped().await;
    assert_eq!(house.store.read(hold::breakers).await.expect("readable"), []);
}

async fn a_machine_short_of_memory_begins_nothing_and_says_so(house: House) {
    let short = Arc::new(AtomicBool::new(true));
    let seen = short.clone();
    let machine = Machine::new(move || {
        let free_memory = Some(if seen.load(Ordering::SeqCst) { 1 << 20 } else { 1 << 40 });
        Strain { free_memory, load: Some(0.1) }
    });
    let throttle = Throttle { min_free_memory: 1 << 30, max_load: Some(4.0) };
    let script = Script::new(|attempt, _| async move { pass(&attempt) });
    let running = house.start_busy(machine, script, Settings { throttle, ..settings() });
    let id = house.submit(1).await;
    let said = state_where(&house, |state| state.throttled.is_some()).await;
    assert!(said.throttled.is_some_and(|why| why.contains("memory")));
    assert_eq!(house.task(&id).await.status, Status::Queued);
    short.store(false, Ordering::SeqCst);
    all_completed(&house, &[id]).await;
    state_where(&house, |state| state.throttled.is_none()).await;
    let gone = running_stopped(running, &house).await;
    assert_eq!(gone, 0, "it says that it leaves");
}

async fn running_stopped(running: Running, house: &House) -> usize {
    running.stopped().await;
    let now = chimera_daemon::seams::Clock::system().now();
    house.store.read(move |tx| roster::daemons(tx, now)).await.expect("readable").len()
}

/// Waits until the daemon says something of itself.
async fn state_where(house: &House, holds: impl Fn(&DaemonState) -> bool) -> DaemonState {
    let said = async {
        loop {
            let now = chimera_daemon::seams::Clock::system().now();
            let daemons = house.store.read(move |tx| roster::daemons(tx, now)).await.expect("readable");
            if let Some(daemon) = daemons.into_iter().find(|daemon| holds(&daemon.state)) {
                return daemon.state;
            }
            // tidy: polls: a heartbeat makes nothing claimable, so it wakes nobody
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), said).await.expect("it says so in time")
}

async fn the_pool_grows_with_what_waits_and_shrinks_again(house: House) {
    let go = Arc::new(Semaphore::new(0));
    let gate = go.clone();
    let script = Script::new(move |attempt, _| {
        let gate = gate.clone();
        async move {
            drop(gate.acquire().await.expect("open"));
            pass(&attempt)
        }
    });
    let machine = Machine::new(|| Strain { free_memory: Some(1 << 40), load: Some(0.1) });
    let automatic = Settings { min_workers: 1, max_workers: 3, ..settings() };
    let running = house.start_busy(machine, script, automatic);
    let ids = submit(&house, 5).await;
    state_where(&house, |state| state.workers == 3).await;
    go.add_permits(1000);
    all_completed(&house, &ids).await;
    state_where(&house, |state| state.workers == 1).await;
    running.stopped().await;
}

async fn a_task_put_off_by_its_agent_uses_up_no_retry(house: House) {
    let asked = Arc::new(AtomicU32::new(0));
    let counter = asked.clone();
    let script = Script::new(move |attempt, _| {
        let counter = counter.clone();
        async move {
            // More often than there are retries.
            if attempt.task.phase() == Phase::CodeImplementation && counter.fetch_add(1, Ordering::SeqCst) < 6
            {
                let setback = Setback::new(Reason::AgentError, "429");
                let retry_after = Some(Duration::from_millis(5));
                return Outcome::Transient { setback, retry_after }.into();
            }
            pass(&attempt)
        }
    });
    let running = house.start(script, settings());
    let id = house.submit(1).await;
    all_completed(&house, &[id]).await;
    assert_eq!(asked.load(Ordering::SeqCst), 7);
    running.stopped().await;
}

/// The real binary pauses the queue before it takes anything.
#[tokio::test]
async fn started_paused_a_daemon_accepts_but_takes_nothing() {
    let site = crate::real::Site::new("");
    let daemon = site.start_with(&["start-all", "--port", "0", "--start-paused"]);
    let id = daemon.submit(&serde_json::json!({"feature": "x", "target_url": "http://127.0.0.1:1/"}));
    let database = Database::Sqlite(site.path().join("chimera-data/tasks.db"));
    let store = Store::open(&database, &Options::default()).expect("the daemon's database");
    let pauses = store.read(hold::pauses).await.expect("readable");
    assert_eq!((pauses.len(), &pauses[0].scope), (1, &Scope::Queue));
    assert_eq!(pauses[0].reason.as_deref(), Some("started with --start-paused"));
    assert_eq!(daemon.get(&format!("/api/tasks/{id}"))["status"], "queued");
    assert!(store.write(|tx| hold::resume(tx, &Scope::Queue)).await.expect("resumed"));
    site.until_logged("claimed");
}
