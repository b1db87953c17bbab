//! A scripted runner and an engine around it: real store, real engine, agents that do as they are told.

use crate::scratch::Scratch;
use chimera_agent::runner::{Attempt, BoxFuture, Report, Runner};
use chimera_core::{
    Digest, GreenProof, GreenRuns, Outcome, Phase, PhaseOutput, Policy, RedProof, RedRuns, Request,
    RetryPolicy, Task, TaskId, TestReport, TestResult, TestStatus, UnixMillis,
};
use chimera_daemon::engine::{Engine, Settings, Throttle};
use chimera_daemon::seams::{Clock, Dice, Machine};
use chimera_store::submit::{NewTask, Submitted, submit};
use chimera_store::{Database, Options, Store, read};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

type Play = dyn Fn(Attempt, CancellationToken) -> BoxFuture<'static, Report> + Send + Sync;

/// Plays each attempt by a function.
pub(crate) struct Script(Box<Play>);

impl Script {
    pub(crate) fn new<F>(play: impl Fn(Attempt, CancellationToken) -> F + Send + Sync + 'static) -> Arc<Self>
    where
        F: Future<Output = Report> + Send + 'static,
    {
        Arc::new(Self(Box::new(move |attempt, stop| Box::pin(play(attempt, stop)))))
    }
}

impl Runner for Script {
    fn run(&self, attempt: Attempt, stop: CancellationToken) -> BoxFuture<'_, Report> {
        (self.0)(attempt, stop)
    }

    fn finished<'a>(&'a self, _task: &'a Task) -> BoxFuture<'a, ()> {
        Box::pin(async {})
    }
}

/// Makes a test of each function and backend: what holds on one holds on the other.
macro_rules! conformance {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::script::House::sqlite()).await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::script::House::postgres()).await;
            })*
        }
    };
}
pub(crate) use conformance;

/// A store of its own, gone with the value, and an engine that can be started on it.
pub(crate) struct House {
    pub(crate) store: Store,
    database: Database,
    _place: Place,
}

/// What the database lies in.
#[expect(dead_code, reason = "dropping it removes the database")]
enum Place {
    Sqlite(tempfile::TempDir),
    Postgres(Scratch),
}

/// A running engine.
pub(crate) struct Running {
    pub(crate) asked: CancellationToken,
    pub(crate) now: CancellationToken,
    handle: tokio::task::JoinHandle<Result<(), chimera_store::StoreError>>,
}

impl Running {
    /// Ends it as a crash would: nothing is handed back.
    pub(crate) async fn crash(self) {
        self.handle.abort();
        let _ = self.handle.await;
    }

    pub(crate) async fn stopped(self) {
        self.asked.cancel();
        self.handle.await.expect("the engine ends without a panic").expect("in order");
    }
}

impl House {
    pub(crate) fn sqlite() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let database = Database::Sqlite(dir.path().join("tasks.db"));
        Self::on(database, Place::Sqlite(dir))
    }

    pub(crate) fn postgres() -> Self {
        let scratch = Scratch::new();
        let database = Database::parse(&scratch.url(), Path::new("."), None).expect("a URL");
        Self::on(database, Place::Postgres(scratch))
    }

    fn on(database: Database, place: Place) -> Self {
        let store = Store::open(&database, &Options::default()).expect("a new database");
        Self { store, database, _place: place }
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        matches!(self.database, Database::Sqlite(_))
    }

    /// Another daemon on the same database.
    pub(crate) fn second(&self) -> Store {
        Store::open(&self.database, &Options::default()).expect("a second connection")
    }

    pub(crate) fn start(&self, runner: Arc<dyn Runner>, settings: Settings) -> Running {
        self.start_on(self.store.clone(), runner, settings)
    }

    /// An engine on a store of its own.
    pub(crate) fn start_on(&self, store: Store, runner: Arc<dyn Runner>, settings: Settings) -> Running {
        Self::run(Engine::new(store, runner, settings, Clock::system(), Dice::seeded(7)))
    }

    /// An engine on a machine that tells how busy it is.
    pub(crate) fn start_busy(
        &self,
        machine: Machine,
        runner: Arc<dyn Runner>,
        settings: Settings,
    ) -> Running {
        let engine = Engine::new(self.store.clone(), runner, settings, Clock::system(), Dice::seeded(7));
        Self::run(engine.on(machine))
    }

    fn run(engine: Engine) -> Running {
        let (asked, now) = (CancellationToken::new(), CancellationToken::new());
        let handle = tokio::spawn(engine.run(asked.clone(), now.clone()));
        Running { asked, now, handle }
    }

    pub(crate) async fn submit(&self, bits: u64) -> TaskId {
        self.submit_with(bits, |_| ()).await
    }

    /// Submits a request that was changed first.
    pub(crate) async fn submit_with(&self, bits: u64, change: impl FnOnce(&mut Request)) -> TaskId {
        let id = TaskId::from_bits(bits);
        let mut request = Request::new("User can view homepage", "https://example.com");
        change(&mut request);
        let now = Clock::system().now();
        let new = NewTask {
            id: id.clone(),
            request,
            project: "scratch-example".to_owned(),
            now,
            idempotency: None,
        };
        let submitted = self.store.write(move |tx| submit(tx, &new)).await.expect("the task is accepted");
        assert!(matches!(submitted, Submitted::Created(_)));
        id
    }

    pub(crate) async fn task(&self, id: &TaskId) -> Task {
        let id = id.clone();
        self.store.read(move |tx| read::task(tx, &id)).await.expect("readable").expect("the task exists")
    }

    /// Waits for a state of the task, looking at each commit.
    pub(crate) async fn until(&self, id: &TaskId, holds: impl Fn(&Task) -> bool) -> Task {
        let mut changes = self.store.changes();
        let waiting = async {
            loop {
                changes.borrow_and_update();
                let task = self.task(id).await;
                if holds(&task) {
                    return task;
                }
                changes.changed().await.expect("the store lives");
            }
        };
        tokio::time::timeout(Duration::from_secs(30), waiting).await.expect("the state is reached in time")
    }
}

pub(crate) fn settings() -> Settings {
    Settings {
        min_workers: 5,
        max_workers: 5,
        throttle: Throttle::default(),
        poll_interval: Duration::from_millis(200),
        lease: Duration::from_secs(3),
        shutdown_grace: Duration::from_secs(10),
        gates: Arc::default(),
        policy: Policy {
            retry: RetryPolicy {
                max_retries: 3,
                base: Duration::from_millis(1),
                cap: Duration::from_millis(5),
            },
            ..Policy::default()
        },
        timeouts: BTreeMap::new(),
        patience: Duration::from_secs(30),
    }
}

fn digest(digit: char) -> Digest {
    Digest::parse(&digit.to_string().repeat(64)).expect("a digest")
}

fn report(status: TestStatus) -> TestReport {
    TestReport { tests: vec![TestResult::new("test_x", status, 1)], error: None }
}

/// What an honest agent answers in the phase of the attempt.
pub(crate) fn pass(attempt: &Attempt) -> Report {
    let at = UnixMillis(1);
    let failed = report(TestStatus::AssertionFailed);
    let runs = RedRuns { base: &failed, blank: &failed, error: &failed };
    let red = || RedProof::judge(&runs, digest('a'), digest('b'), at).expect("red");
    let output = match attempt.task.phase() {
        Phase::E2eTestGeneration => PhaseOutput::E2eTestGeneration {
            test_path: "tests/e2e/test_x.py".to_owned(),
            test_sha256: digest('a'),
            base_commit: digest('b'),
            test_commit: digest('c'),
            red: red(),
            target_run: "unreachable".to_owned(),
        },
        Phase::CodeImplementation => PhaseOutput::CodeImplementation {
            commit: digest('d'),
            diff: digest('e'),
            test_sha256: digest('a'),
            code_pr_id: "local-x".to_owned(),
            restored: false,
        },
        Phase::GuardianReview => PhaseOutput::GuardianReview { commit: digest('d') },
        Phase::StagingDeployment => {
            PhaseOutput::StagingDeployment { url: "http://127.0.0.1:1".to_owned(), revision: digest('d') }
        }
        _ => {
            let passes = [report(TestStatus::Passed), report(TestStatus::Passed)];
            let runs = GreenRuns { passes: &passes, base_again: &failed };
            let green = GreenProof::judge(&red(), &runs, 2, digest('a'), digest('d'), at).expect("green");
            PhaseOutput::E2eValidation { green }
        }
    };
    Outcome::Passed { output }.into()
}
