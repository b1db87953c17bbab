//! A task that has seen two crashes of its daemon runs alone: the culprit is set aside, and nobody else.

use crate::script::{House, Script, conformance, pass, settings};
use chimera_agent::runner::Runner;
use chimera_core::{EntryKind, Gates, Outcome, Phase, Reason, Status, Task, TaskId};
use chimera_daemon::engine::{Engine, Owner, Settings};
use chimera_daemon::seams::{Clock, Dice};
use chimera_store::{lease, queue, read, roster};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Barrier, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

conformance! {
    of_six_tasks_side_by_side_the_two_that_crash_daemons_are_set_aside,
    a_busy_daemon_lets_its_phases_end_for_a_suspect_and_goes_on_with_them,
}

/// The tasks under which every daemon crashes that works on them in CODE_IMPLEMENTATION.
const CULPRITS: [u64; 2] = [2, 5];
/// Crashes of which nobody knows the cause, and those that show it.
const CRASHES: usize = 2 + CULPRITS.len();

/// A daemon under a name of its own, which knows that every other one is gone.
fn start(
    house: &House,
    name: &str,
    runner: Arc<dyn Runner>,
    settings: Settings,
) -> JoinHandle<Result<(), chimera_store::StoreError>> {
    let me = name.to_owned();
    let engine = Engine::new(house.store.clone(), runner, settings, Clock::system(), Dice::seeded(7));
    let engine = engine.owned_by(Owner::named(name, move |other| other != me));
    tokio::spawn(engine.run(CancellationToken::new(), CancellationToken::new()))
}

async fn journal(house: &House, id: &TaskId) -> Vec<EntryKind> {
    let id = id.clone();
    let events = house.store.read(move |tx| read::events(tx, Some(&id), 0, 200)).await.expect("readable");
    events.into_iter().map(|event| event.entry.kind).collect()
}

fn crashes(journal: &[EntryKind]) -> usize {
    journal.iter().filter(|kind| matches!(kind, EntryKind::Rescued { .. })).count()
}

/// Counts what runs beside each other in one daemon.
struct Present(Arc<AtomicUsize>);

impl Present {
    fn beside(running: &Arc<AtomicUsize>) -> (Self, usize) {
        let others = running.fetch_add(1, Ordering::SeqCst);
        (Self(running.clone()), others)
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// All six are in the phase when the first two crashes come; a suspect that is not alone is written down.
fn crashing(crash: mpsc::UnboundedSender<()>, beside: Arc<Mutex<Vec<Task>>>) -> Arc<Script> {
    let (together, running) = (Arc::new(Barrier::new(6)), Arc::new(AtomicUsize::new(0)));
    Script::new(move |attempt, _| {
        let (crash, beside, together, running) =
            (crash.clone(), beside.clone(), together.clone(), running.clone());
        async move {
            let (_present, others) = Present::beside(&running);
            let task = &attempt.task;
            if task.workflow.is_suspect() && others > 0 {
                beside.lock().expect("not poisoned").push(task.clone());
            }
            if task.phase() != Phase::CodeImplementation {
                return pass(&attempt);
            }
            let is_culprit = CULPRITS.iter().any(|bits| TaskId::from_bits(*bits) == task.id);
            if !task.workflow.is_suspect() {
                together.wait().await;
            }
            if is_culprit {
                let _ = crash.send(());
            }
            if is_culprit || !task.workflow.is_suspect() {
                std::future::pending::<()>().await;
            }
            pass(&attempt)
        }
    })
}

async fn of_six_tasks_side_by_side_the_two_that_crash_daemons_are_set_aside(house: House) {
    let mut ids = Vec::new();
    for bits in 1..=6 {
        ids.push(house.submit(bits).await);
    }
    let beside = Arc::new(Mutex::new(Vec::new()));
    let six = || Settings { min_workers: 6, max_workers: 6, ..settings() };
    for round in 0..CRASHES {
        let (crash, mut crashed) = mpsc::unbounded_channel();
        let daemon = start(&house, &format!("daemon-{round}"), crashing(crash, beside.clone()), six());
        crashed.recv().await.expect("a daemon crashes");
        daemon.abort();
        let _ = daemon.await;
    }
    let (crash, mut crashed) = mpsc::unbounded_channel();
    let last = start(&house, "daemon-last", crashing(crash, beside.clone()), six());
    for (bits, id) in (1..).zip(&ids) {
        let task = house.until(id, |task| task.status.is_end()).await;
        let crashes = crashes(&journal(&house, id).await);
        if CULPRITS.contains(&bits) {
            let end = (task.status, task.workflow.reason, crashes);
            assert_eq!(end, (Status::Failed, Some(Reason::Poisoned), 3), "{id}");
        } else {
            assert_eq!((task.status, crashes), (Status::Completed, 2), "{id}");
        }
    }
    assert!(crashed.try_recv().is_err(), "nobody is left who crashes a daemon");
    assert_eq!(*beside.lock().expect("not poisoned"), [], "suspects that were not alone");
    last.abort();
}

/// Two crashes under a ready task, of daemons that ran nothing else.
async fn two_crashes(house: &House) {
    for _ in 0..2 {
        let crash = |tx: &mut chimera_store::Tx<'_>| {
            let (now, gates) = (Clock::system().now(), &Gates::default());
            let claim = queue::Claim { owner: "doomed", now, limit: 1, gates };
            assert_eq!(queue::claim(tx, &claim)?.len(), 1);
            lease::rescue_gone(tx, "doomed", now, &settings().policy)
        };
        assert_eq!(house.store.write_in_turn(crash).await.expect("crashed").len(), 1);
    }
}

/// Tells what begins; lets it end one by one.
fn one_by_one(begins: mpsc::UnboundedSender<(TaskId, Phase)>, go: Arc<Semaphore>) -> Arc<Script> {
    Script::new(move |attempt, _| {
        let (begins, go) = (begins.clone(), go.clone());
        async move {
            let _ = begins.send((attempt.task.id.clone(), attempt.task.phase()));
            go.acquire().await.expect("open").forget();
            pass(&attempt)
        }
    })
}

/// Waits until a daemon has said with heartbeats of its own that it makes room: the first of them may have been under way.
async fn makes_room(house: &House, suspect: &TaskId) {
    let mut said = BTreeSet::new();
    while said.len() < 3 {
        let read = |tx: &chimera_store::ReadTx<'_>| roster::daemons(tx, Clock::system().now());
        let daemons = house.store.read(read).await.expect("readable");
        said.extend(
            daemons.iter().filter(|one| one.state.alone_for.as_ref() == Some(suspect)).map(|one| one.seen_at),
        );
        // tidy: polls: a heartbeat wakes nobody
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn a_busy_daemon_lets_its_phases_end_for_a_suspect_and_goes_on_with_them(house: House) {
    let (begins, mut began) = mpsc::unbounded_channel();
    let go = Arc::new(Semaphore::new(0));
    let (first, third) = (Phase::E2eTestGeneration, Phase::GuardianReview);
    let one = house.submit(1).await;
    let full = Settings { min_workers: 1, max_workers: 1, ..settings() };
    let busy = start(&house, "busy", one_by_one(begins, go.clone()), full);
    assert_eq!(began.recv().await, Some((one.clone(), first)));
    let suspect = house.submit(2).await;
    two_crashes(&house).await;
    makes_room(&house, &suspect).await;
    // The next phase of the first task does not begin before the suspect's has ended.
    go.add_permits(1);
    assert_eq!(began.recv().await, Some((suspect.clone(), first)));
    assert_eq!(house.task(&one).await.status, Status::Queued);
    go.add_permits(100);
    for id in [&one, &suspect] {
        let task = house.until(id, |task| task.status.is_end()).await;
        assert_eq!((task.status, task.workflow.failures), (Status::Completed, 0));
        let passes =
            |kind: &&EntryKind| matches!(kind, EntryKind::Settled { result: Outcome::Passed { .. }, .. });
        assert_eq!(journal(&house, id).await.iter().filter(passes).count(), 5, "each phase once");
    }
    let mut order = Vec::new();
    while let Ok(next) = began.try_recv() {
        order.push(next);
    }
    let at = |wanted: &(TaskId, Phase)| order.iter().position(|one| one == wanted);
    assert!(at(&(one, third)) < at(&(suspect, third)), "the suspect goes on in its turn: {order:?}");
    busy.abort();
}
