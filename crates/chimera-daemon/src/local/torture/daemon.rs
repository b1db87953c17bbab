//! What a tortured daemon runs: the real engine on the real store, with agents that do nothing for a moment.

use super::rates::{Counted, REPORT};
use super::{LEASE, evidence, gated};
use crate::engine::{self, Engine, Settings, Throttle};
use crate::local::bench::empty::{nothing, task};
use crate::seams::{Clock, Dice};
use crate::wiring::Shutdown;
use anyhow::Result;
use chimera_agent::runner::{Attempt, BoxFuture, Report, Runner};
use chimera_core::{Outcome, Policy, Reason, RetryPolicy, Scope, Setback, Task, TaskId, UnixMillis};
use chimera_store::submit::accept;
use chimera_store::{Database, Options, Plant, Store, StoreError, Tx, hold};
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Workers of each daemon.
const WORKERS: u32 = 6;
/// Longest that an agent does nothing for, in milliseconds, in most attempts.
const LONGEST: u64 = 30;
/// One attempt in so many meets with a trouble that passes.
const TROUBLED: u32 = 60;
/// One attempt in so many outlasts its lease, so that it needs heartbeats.
const LASTING: u32 = 40;

/// Troubles pass soon, and never end a task.
const RETRIES: RetryPolicy =
    RetryPolicy { max_retries: u32::MAX, base: Duration::from_millis(20), cap: Duration::from_millis(200) };
/// Tries to open the database, and the pause between two: twenty seconds, in which a server restarts.
const OPENINGS: u32 = 100;
const OPENING_PAUSE: Duration = Duration::from_millis(200);

/// One life of a tortured daemon.
#[derive(Debug, Clone)]
pub struct Incarnation {
    /// The database.
    pub database: String,
    /// How far its clock is ahead, in milliseconds; a server's clock must put that right.
    pub ahead: i64,
    /// What its random pauses are made of.
    pub seed: u64,
    /// A bug to have.
    pub plant: Option<Plant>,
    /// Whether projects have limits.
    pub limited: bool,
    /// Whether it submits tasks itself, and says so.
    pub submits: bool,
}

/// What a daemon that submits says before the id of a task whose acceptance was answered, or that has ended.
pub(super) const ACCEPTED: &str = "accepted";
pub(super) const ENDED: &str = "ended";
/// Between two tasks that it submits.
const SUBMITTING: Duration = Duration::from_millis(20);

/// Runs until a signal.
///
/// # Errors
/// If the database cannot be opened.
pub async fn run_daemon(life: &Incarnation) -> Result<()> {
    let shutdown = Shutdown::on_signals()?;
    let log = Counted::default();
    let to = log.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_ansi(false)
        .with_writer(move || to.clone())
        .init();
    let here = std::env::current_dir()?;
    let database = Database::parse(&life.database, &here, None).map_err(|detail| anyhow::anyhow!(detail))?;
    let (store, time) = opened(&database, life.plant).await?;
    report(store.clone(), log);
    if life.plant == Some(Plant::Restless) {
        tokio::spawn(restless(store.clone()));
    }
    if life.submits {
        tokio::spawn(submit(store.clone()));
    }
    let (system, ahead) = (Clock::system(), Arc::new(AtomicI64::new(life.ahead)));
    obey(store.clone(), ahead.clone());
    let clock = Clock::new(move || UnixMillis(system.now().0 + ahead.load(Ordering::Relaxed)));
    if let Some(time) = time {
        clock.set(time);
    }
    let settings = Settings {
        min_workers: WORKERS,
        max_workers: WORKERS,
        throttle: Throttle::default(),
        poll_interval: Duration::from_millis(200),
        lease: LEASE,
        shutdown_grace: Duration::from_millis(100),
        gates: Arc::new(gated::gates(life.limited)),
        // A torture kills more often than a task could deserve to be set aside for.
        policy: Policy { max_crashes: 1_000_000, retry: RETRIES, ..Policy::default() },
        timeouts: BTreeMap::new(),
        patience: engine::PATIENCE,
    };
    let runner =
        Arc::new(Moment { rng: Mutex::new(fastrand::Rng::with_seed(life.seed)), tells: life.submits });
    let engine = Engine::new(store.clone(), runner, settings, clock, Dice::seeded(life.seed));
    engine.run(shutdown.asked, shutdown.now).await?;
    store.close().await;
    Ok(())
}

/// The database and its time. A server may be restarted while a daemon starts, which whoever supervises a real one answers
/// by starting it again.
async fn opened(
    database: &Database,
    plant: Option<Plant>,
) -> Result<(Store, Option<UnixMillis>), StoreError> {
    let mut tries = 1;
    loop {
        let opened = match Store::open(database, &Options { plant, ..Options::default() }) {
            Ok(store) => store.server_time().await.map(|time| (store, time)),
            Err(err) => Err(err),
        };
        if opened.is_ok() || tries >= OPENINGS {
            return opened;
        }
        tries += 1;
        tokio::time::sleep(OPENING_PAUSE).await;
    }
}

/// Says again and again on standard output how many transactions were asked for and how many lines were logged.
fn report(store: Store, log: Counted) {
    tokio::spawn(async move {
        loop {
            let line = format!("{} {}\n", store.transactions(), log.lines());
            // When the torturer is gone, this ends with it.
            if std::io::stdout().write_all(line.as_bytes()).is_err() {
                return;
            }
            tokio::time::sleep(REPORT).await;
        }
    });
}

/// Submits task after task, each while others may be under way.
async fn submit(store: Store) {
    let dice = Dice::system();
    loop {
        let (store, new) = (store.clone(), task(&dice));
        tokio::spawn(async move {
            if let Ok(accepted) = accept(&store, new).await {
                say(ACCEPTED, &accepted.into_task().id);
            }
        });
        tokio::time::sleep(SUBMITTING).await;
    }
}

fn say(what: &str, id: &TaskId) {
    // Without a listener there is nothing to do about it.
    let _ = std::io::stdout().write_all(format!("{what} {id}\n").as_bytes());
}

/// The planted bug: a chore that knows no pause.
async fn restless(store: Store) {
    loop {
        let now = Clock::system().now();
        // Needs room.
        let pause = move |tx: &mut Tx<'_>| {
            hold::pause(tx, &Scope::Agent(now.0.to_string()), Some(&"why".repeat(5_000)), now)
        };
        match store.write_alone(pause).await {
            Ok(_) => tokio::time::sleep(REPORT / 5).await,
            Err(err) => tracing::error!(error = %err, "nothing can be recorded"),
        }
    }
}

/// Does what the torturer says on standard input, line by line: set the clock, hold the lock of everybody, leave the
/// database no room to grow, give it back. The thread ends with the process.
fn obey(store: Store, ahead: Arc<AtomicI64>) {
    let (room, mut rooms) = watch::channel(true);
    let (holding, runtime) = (store.clone(), tokio::runtime::Handle::current());
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            match line.split_once(' ') {
                Some(("ahead", by)) => ahead.store(by.parse().unwrap_or(0), Ordering::Relaxed),
                Some(("hold", millis)) => {
                    let time = Duration::from_millis(millis.parse().unwrap_or(0));
                    let store = holding.clone();
                    runtime.spawn(async move {
                        let hold = move |_: &mut Tx<'_>| {
                            std::thread::sleep(time);
                            Ok(())
                        };
                        let _ = store.write(hold).await;
                    });
                }
                _ => drop(room.send(line != "full")),
            }
        }
    });
    tokio::spawn(async move {
        while rooms.changed().await.is_ok() {
            let full = !*rooms.borrow_and_update();
            let _ = store.write(move |tx| tx.fill(full)).await;
        }
    });
}

/// Does nothing for a moment.
struct Moment {
    rng: Mutex<fastrand::Rng>,
    /// Whether the end of a task is told.
    tells: bool,
}

impl Moment {
    /// How long an attempt lasts, and whether it meets with a trouble.
    fn roll(&self) -> (Duration, bool) {
        let mut rng = self.rng.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let pause = if rng.u32(..LASTING) == 0 {
            LEASE.mul_f64(1.0 + rng.f64())
        } else {
            Duration::from_millis(rng.u64(..=LONGEST))
        };
        (pause, rng.u32(..TROUBLED) == 0)
    }
}

impl Runner for Moment {
    fn run(&self, attempt: Attempt, stop: CancellationToken) -> BoxFuture<'_, Report> {
        let (pause, troubled) = self.roll();
        Box::pin(async move {
            tokio::select! {
                () = stop.cancelled() => return Outcome::Interrupted.into(),
                () = tokio::time::sleep(pause) => {}
            }
            let (task, failed) = (&attempt.task, |reason, why| Setback::new(reason, why));
            if troubled {
                let setback = failed(Reason::AgentError, "one of those days");
                return Outcome::Transient { setback, retry_after: None }.into();
            }
            let Some(output) = nothing(task.phase()) else {
                return Outcome::Failed(failed(Reason::Config, "the empty agent made no proof")).into();
            };
            let evidence = evidence::left_by(&task.id, task.workflow.attempt, task.phase());
            Report { evidence, ..Outcome::Passed { output }.into() }
        })
    }

    fn finished<'a>(&'a self, task: &'a Task) -> BoxFuture<'a, ()> {
        if self.tells && task.status.is_end() {
            say(ENDED, &task.id);
        }
        Box::pin(std::future::ready(()))
    }
}
