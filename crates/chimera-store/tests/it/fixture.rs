//! A store in a temporary directory, and tasks to put into it.

use crate::scratch::Scratch;
use chimera_core::gates::DaemonState;
use chimera_core::{
    Evidence, Gates, Outcome, Policy, Priority, Reason, Request, Setback, State, Task, TaskId, Tick,
    Transition, UnixMillis, Usage, step,
};
use chimera_store::queue::{self, Claim};
use chimera_store::read::{self, PAGE};
use chimera_store::settle::{self, Onward, Settlement};
use chimera_store::submit::{IdempotencyKey, NewTask, submit};
use chimera_store::suspects::{self, Turn};
use chimera_store::{Database, Options, Store, StoreError, heartbeat, lease};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The time at which everything begins.
pub(crate) const NOW: UnixMillis = UnixMillis(1_700_000_000_000);
/// How long leases last.
pub(crate) const LEASE: Duration = Duration::from_secs(60);

/// That many seconds after the beginning.
pub(crate) fn later(seconds: u64) -> UnixMillis {
    NOW.plus(Duration::from_secs(seconds))
}

/// The id of a task by number.
pub(crate) fn id(number: u64) -> TaskId {
    TaskId::from_bits(number)
}

/// A request that nothing is wrong with.
pub(crate) fn request() -> Request {
    Request::new("User can view homepage", "https://example.com")
}

/// A task by number, submitted at the beginning.
pub(crate) fn new_task(number: u64) -> NewTask {
    NewTask { id: id(number), request: request(), project: "shop".to_owned(), now: NOW, idempotency: None }
}

/// The key `name` for the body with that hash digit.
pub(crate) fn key(name: &str, body: char) -> Option<IdempotencyKey> {
    let body_sha256 = chimera_core::Digest::parse(&body.to_string().repeat(64)).expect("64 digits");
    Some(IdempotencyKey { key: name.to_owned(), body_sha256 })
}

pub(crate) fn priority(value: i64) -> Priority {
    Priority::new(value).expect("from 1 to 10")
}

/// What follows if the attempt ends so.
pub(crate) fn settled(task: &Task, outcome: Outcome, now: UnixMillis) -> Transition {
    let state = State { status: task.status, workflow: task.workflow.clone() };
    let event = chimera_core::Event::Settled { outcome, usage: Usage::default() };
    step(&state, event, Tick { now, jitter: 0.0 }, &Policy::default()).expect("a running task settles")
}

/// An outcome that ends the task.
pub(crate) fn failure() -> Outcome {
    Outcome::Failed(Setback::new(Reason::AgentError, "the tool says no"))
}

/// Makes a test of each function and backend: what holds on one holds on the other.
macro_rules! conformance {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::fixture::House::sqlite(&chimera_store::Options::default())).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::fixture::House::postgres()).await;
            })*
        }
    };
}
pub(crate) use conformance;

/// A database of its own, gone with the value.
pub(crate) struct House {
    pub(crate) store: Store,
    pub(crate) database: Database,
    place: Place,
}

enum Place {
    Sqlite(tempfile::TempDir),
    Postgres(Scratch),
}

impl House {
    pub(crate) fn sqlite(options: &Options) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let database = Database::Sqlite(dir.path().join("tasks.db"));
        let store = Store::open(&database, options).expect("a new database");
        Self { store, database, place: Place::Sqlite(dir) }
    }

    pub(crate) fn postgres() -> Self {
        let scratch = Scratch::new();
        let database = Database::parse(&scratch.url(), &PathBuf::new(), None).expect("a URL");
        let store = Store::open(&database, &Options::default()).expect("a new database");
        Self { store, database, place: Place::Postgres(scratch) }
    }

    pub(crate) fn file(&self) -> PathBuf {
        match &self.place {
            Place::Sqlite(dir) => dir.path().join("tasks.db"),
            Place::Postgres(_) => panic!("a server has no file"),
        }
    }

    /// Whether the database is a file, in which nobody locks rows.
    pub(crate) fn is_file(&self) -> bool {
        matches!(self.place, Place::Sqlite(_))
    }

    /// Where the server's database is.
    pub(crate) fn url(&self) -> String {
        match &self.place {
            Place::Postgres(scratch) => scratch.url(),
            Place::Sqlite(_) => panic!("a file has no server"),
        }
    }

    /// Another daemon on the same database.
    pub(crate) fn second(&self) -> Store {
        Store::open(&self.database, &Options::default()).expect("the database opens twice")
    }

    /// Why the database cannot be opened again.
    pub(crate) fn refusal(&self) -> StoreError {
        Store::open(&self.database, &Options::default()).err().expect("it is refused")
    }

    pub(crate) async fn submit(&self, new: NewTask) -> Task {
        let submitted = self.store.write_alone(move |tx| submit(tx, &new)).await;
        submitted.expect("the task is accepted").into_task()
    }

    /// Takes up to `limit` tasks for an owner.
    pub(crate) async fn claim(&self, owner: &'static str, now: UnixMillis, limit: u32) -> Vec<Task> {
        self.claim_at(&Gates::default(), owner, now, limit).await
    }

    /// Takes up to `limit` tasks that these gates let through.
    pub(crate) async fn claim_at(
        &self,
        gates: &Gates,
        owner: &'static str,
        now: UnixMillis,
        limit: u32,
    ) -> Vec<Task> {
        let gates = gates.clone();
        let claim = move |tx: &mut chimera_store::Tx<'_>| {
            lease::extend(tx, owner, &DaemonState::default(), now, LEASE)?;
            queue::claim(tx, &Claim { owner, now, limit, gates: &gates })
        };
        self.store.write_in_turn(claim).await.expect("claimed")
    }

    /// Lets two daemons crash under the ready task, each with nothing else to do.
    pub(crate) async fn make_suspect(&self, number: u64) {
        for _ in 0..2 {
            assert_eq!(numbers(&self.claim("doomed", NOW, 1).await), [number]);
            self.rescue(NOW, &["doomed"]).await;
        }
        assert!(self.task(number).await.workflow.is_suspect());
    }

    /// Asks for a task that must run alone.
    pub(crate) async fn ask_alone(
        &self,
        owner: &'static str,
        now: UnixMillis,
        gates: Gates,
        home: Option<&'static str>,
    ) -> Turn {
        let ask = move |tx: &mut chimera_store::Tx<'_>| {
            let state = DaemonState { workers: 3, ..DaemonState::default() };
            lease::extend(tx, owner, &state, now, LEASE)?;
            suspects::claim(tx, &Claim { owner, now, limit: 3, gates: &gates }, home, &state)
        };
        self.store.write_in_turn(ask).await.expect("asked")
    }

    /// Takes a task that must run alone.
    pub(crate) async fn claim_alone(&self, owner: &'static str, now: UnixMillis) -> Task {
        match self.ask_alone(owner, now, Gates::default(), None).await {
            Turn::Taken(task) => *task,
            turn => panic!("{turn:?}"),
        }
    }

    /// Submits a task and takes it.
    pub(crate) async fn running(&self, number: u64, owner: &'static str) -> Task {
        self.submit(new_task(number)).await;
        self.claim(owner, NOW, 1).await.pop().expect("the task is taken")
    }

    pub(crate) async fn settle(
        &self,
        task: &Task,
        epoch: i64,
        outcome: Outcome,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let transition = settled(task, outcome, now);
        self.record(task, epoch, transition, &[], &Gates::default()).await.map(drop)
    }

    /// Records what came of an attempt, before these gates.
    pub(crate) async fn record(
        &self,
        task: &Task,
        epoch: i64,
        transition: Transition,
        evidence: &[Evidence],
        gates: &Gates,
    ) -> Result<Onward, StoreError> {
        let (evidence, gates, now) = (evidence.to_vec(), Arc::new(gates.clone()), transition.entry.at);
        let settlement = Settlement { evidence, gates, ..Settlement::new(task, epoch, transition, now) };
        settle::record(&self.store, settlement).await
    }

    pub(crate) async fn rescue(&self, now: UnixMillis, gone: &[&str]) -> Vec<TaskId> {
        let gone: Vec<String> = gone.iter().map(ToString::to_string).collect();
        let rescue = move |tx: &mut chimera_store::Tx<'_>| {
            let (mut taken, policy) = (Vec::new(), Policy::default());
            for owner in lease::owners(tx, now)? {
                if gone.contains(&owner.name) {
                    taken.extend(lease::rescue_gone(tx, &owner.name, now, &policy)?);
                } else if owner.expired {
                    taken.extend(lease::rescue_expired(tx, &owner.name, now, &policy)?);
                }
            }
            Ok(taken)
        };
        self.store.write(rescue).await.expect("rescued")
    }

    /// Extends the lease of an owner, and gives what it holds.
    pub(crate) async fn beat(&self, owner: &'static str, now: UnixMillis) -> Vec<lease::Held> {
        let beat = move |tx: &mut chimera_store::Tx<'_>| {
            Ok(heartbeat::beat(tx, owner, &DaemonState::default(), now, LEASE)?.held)
        };
        self.store.write_apart(beat).await.expect("extended")
    }

    pub(crate) async fn task(&self, number: u64) -> Task {
        let id = id(number);
        self.store.read(move |tx| read::task(tx, &id)).await.expect("readable").expect("the task exists")
    }

    /// The events of a task.
    pub(crate) async fn journal(&self, number: u64) -> Vec<read::Event> {
        let id = id(number);
        self.store.read(move |tx| read::events(tx, Some(&id), 0, PAGE)).await.expect("readable")
    }

    /// The events of a task, as words.
    pub(crate) async fn story(&self, number: u64) -> Vec<&'static str> {
        self.journal(number).await.iter().map(|event| event.entry.kind.as_str()).collect()
    }
}

/// The epoch under which a task is held.
pub(crate) fn epoch(task: &Task) -> i64 {
    task.lease.as_ref().expect("the task is held").epoch
}

/// The numbers behind ids.
pub(crate) fn numbers(tasks: &[Task]) -> Vec<u64> {
    let number = |task: &Task| (0..1000).find(|number| id(*number) == task.id).expect("a task of ours");
    tasks.iter().map(number).collect()
}
