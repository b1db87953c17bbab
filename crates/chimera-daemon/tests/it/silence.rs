//! A database that hangs: it takes what is asked and does not answer, for longer than the lease.

use crate::script::{Script, pass, settings};
use chimera_core::{EntryKind, Outcome, Phase, Request, Status, Task, TaskId, UnixMillis};
use chimera_daemon::engine::{Engine, Owner, Settings};
use chimera_daemon::seams::{Clock, Dice};
use chimera_store::sim::{Fair, Fate, Fates, World};
use chimera_store::submit::{NewTask, submit};
use chimera_store::{Store, read};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const LEASE: Duration = Duration::from_secs(1);
/// How long the database hangs.
const SILENCE: Duration = Duration::from_secs(6);

/// Answers nothing between two moments.
struct Hanging(watch::Receiver<Option<Instant>>);

impl Fates for Hanging {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Fate> + Send + '_>> {
        Box::pin(async {
            let until = *self.0.borrow();
            if let Some(until) = until {
                // tidy: polls: the clock is simulated, nobody waits
                tokio::time::sleep_until(until).await;
            }
            Fate::Done
        })
    }
}

/// How an attempt of the phase ended during which the database hung: when, and whether it was stopped.
type Seen = Arc<Mutex<Vec<(Instant, bool)>>>;

/// Runs a task whose attempt of that phase lasts `lasts` on a database that hangs as soon as it has begun.
fn through_a_silence(phase: Phase, lasts: Duration) -> (Vec<(Duration, bool)>, Task, Vec<EntryKind>) {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(async move {
        let (world, begin) = (World::new(true).expect("a database"), Instant::now());
        let (hang, hanging) = watch::channel(None);
        let (store, serving) = world.daemon(Hanging(hanging), None);
        let (people, served) = world.daemon(Fair, None);
        let serving = [tokio::spawn(serving), tokio::spawn(served)];
        let seen = Seen::default();
        let script = attempts(phase, lasts, (Arc::new(hang), seen.clone()));
        let clock = Clock::new(move || UnixMillis(1_000_000).plus(begin.elapsed()));
        let how = Settings { lease: LEASE, poll_interval: Duration::from_millis(200), ..settings() };
        let engine = Engine::new(store, script, how, clock.clone(), Dice::seeded(1));
        let engine = engine.owned_by(Owner::named("daemon", |_| false));
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(engine.run(shutdown.clone(), CancellationToken::new()));
        let id = TaskId::from_bits(1);
        let request = Request::new("An empty feature", "http://127.0.0.1/");
        let new = NewTask {
            id: id.clone(),
            request,
            project: "sim".to_owned(),
            now: clock.now(),
            idempotency: None,
        };
        people.write(move |tx| submit(tx, &new)).await.expect("accepted");
        let task = until_ended(&people, &id).await;
        let events = people.read(move |tx| read::events(tx, Some(&id), 0, 100)).await.expect("readable");
        shutdown.cancel();
        running.await.expect("no daemon breaks").expect("in order");
        serving.iter().for_each(tokio::task::JoinHandle::abort);
        let seen = seen.lock().expect("not poisoned");
        let seen = seen.iter().map(|(at, stopped)| (at.duration_since(begin), *stopped)).collect();
        (seen, task, events.into_iter().map(|event| event.entry.kind).collect())
    })
}

/// The first attempt of the phase has the database hang, and lasts. All others pass at once.
fn attempts(
    phase: Phase,
    lasts: Duration,
    (hang, seen): (Arc<watch::Sender<Option<Instant>>>, Seen),
) -> Arc<Script> {
    Script::new(move |attempt, stop| {
        let (hang, seen) = (hang.clone(), seen.clone());
        async move {
            if attempt.task.phase() != phase || hang.borrow().is_some() {
                return pass(&attempt);
            }
            hang.send_replace(Some(Instant::now() + SILENCE));
            let stopped = tokio::time::timeout(lasts, stop.cancelled()).await.is_ok();
            seen.lock().expect("not poisoned").push((Instant::now(), stopped));
            if stopped { Outcome::Interrupted.into() } else { pass(&attempt) }
        }
    })
}

async fn until_ended(store: &Store, id: &TaskId) -> Task {
    for _ in 0..1000 {
        let wanted = id.clone();
        let task = store.read(move |tx| read::task(tx, &wanted)).await.expect("readable").expect("accepted");
        if task.status.is_end() {
            return task;
        }
        // tidy: polls: the clock is simulated, nobody waits
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the task does not end");
}

fn crashes(events: &[EntryKind]) -> usize {
    events.iter().filter(|kind| matches!(kind, EntryKind::Rescued { .. })).count()
}

#[test]
fn what_acts_outside_ends_with_the_lease_whether_the_database_answers_or_not() {
    let (seen, task, events) = through_a_silence(Phase::StagingDeployment, Duration::from_secs(60));
    let [(at, true)] = seen[..] else { panic!("stopped once: {seen:?}") };
    assert!(at <= LEASE + Duration::from_millis(500), "it acted {at:?} long under a lease of {LEASE:?}");
    assert_eq!((task.status, crashes(&events)), (Status::Completed, 0), "{events:?}");
}

#[test]
fn what_changes_nothing_outside_goes_on_and_its_result_is_recorded_once_the_database_answers() {
    let (seen, task, events) = through_a_silence(Phase::CodeImplementation, 3 * LEASE);
    let [(at, false)] = seen[..] else { panic!("not stopped: {seen:?}") };
    assert!(at >= 3 * LEASE, "it went on beyond the lease");
    assert_eq!((task.status, crashes(&events)), (Status::Completed, 0), "{events:?}");
    // Accepted, claimed, the test, and then this.
    let recorded = matches!(&events[3], EntryKind::Settled { result: Outcome::Passed { .. }, .. });
    assert!(recorded, "nobody did it again: {events:?}");
}

#[test]
fn a_shutdown_ends_although_the_database_hangs() {
    // Within the grace, the time for hopeless records, and that for a goodbye.
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(async {
        let world = World::new(true).expect("a database");
        let (hang, hanging) = watch::channel(None);
        let (store, serving) = world.daemon(Hanging(hanging), None);
        let serving = tokio::spawn(serving);
        let grace = Duration::from_secs(1);
        let how = Settings { lease: LEASE, shutdown_grace: grace, ..settings() };
        let script = Script::new(|attempt, _| async move { pass(&attempt) });
        let begin = Instant::now();
        let clock = Clock::new(move || UnixMillis(1_000_000).plus(begin.elapsed()));
        let engine = Engine::new(store, script, how, clock, Dice::seeded(1));
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(engine.run(shutdown.clone(), CancellationToken::new()));
        // tidy: polls: the clock is simulated, nobody waits
        tokio::time::sleep(3 * LEASE).await;
        hang.send_replace(Some(Instant::now() + Duration::from_secs(3600)));
        // tidy: polls: the clock is simulated, nobody waits
        tokio::time::sleep(2 * LEASE).await;
        let asked = Instant::now();
        shutdown.cancel();
        running.await.expect("no daemon breaks").expect("in order");
        assert!(asked.elapsed() <= grace + Duration::from_secs(5), "{:?}", asked.elapsed());
        serving.abort();
    });
}
