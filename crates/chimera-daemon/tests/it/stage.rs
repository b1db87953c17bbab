//! The stage of the simulation: real engines on the real store, in one thread, under a clock that jumps from event to
//! event. One source of dice decides everything, so a seed is a history.

use crate::crowd::{CALM, Crowd};
use crate::script::{pass, settings};
use chimera_agent::runner::{Attempt, BoxFuture, Report, Runner};
use chimera_core::{Gates, Outcome, Policy, Reason, RetryPolicy, Setback, Task, TaskId, UnixMillis};
use chimera_daemon::engine::{Engine, Owner, Settings, Throttle};
use chimera_daemon::local::{Violation, search};
use chimera_daemon::seams::{Clock, Dice};
use chimera_store::sim::{Fair, Fate, Fates, World};
use chimera_store::{Plant, Store, read};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long a lease lasts.
const LEASE: Duration = Duration::from_secs(1);
/// How many tasks may run at a time, where that is limited.
const LIMIT: u32 = 1;
/// When something begins to ail the database at the latest, and for how long it does.
const AILS: Duration = Duration::from_millis(1_500);
/// Within what time a daemon that is asked to end does so while the database takes nothing.
const GOODBYE: Duration = Duration::from_secs(3);
/// How much longer everything takes when it is slow.
const SLOWLY: u64 = 250;
/// When the simulated time begins, in milliseconds.
const BEGIN: i64 = 1_000_000;

/// What is played.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) seed: u64,
    pub(crate) daemons: usize,
    pub(crate) tasks: u64,
    /// Whether daemons hear of each other's commits.
    pub(crate) signals: bool,
    /// So many in a thousand of what a daemon asks the database for meet with a misfortune of each kind.
    pub(crate) misfortunes: u32,
    /// The first daemon dies at that question, before or after it was answered.
    pub(crate) doom: Option<(usize, Fate)>,
    /// A bug for the daemons to have.
    pub(crate) plant: Option<Plant>,
    /// Whether agents ask for the lease before they act.
    pub(crate) fenced: bool,
    /// Whether daemons run on one machine, where it is known who is dead.
    pub(crate) together: bool,
    /// What ails the database for everybody, for longer than a lease, and from when on.
    pub(crate) ailment: Option<(Ailment, Duration)>,
    /// Whether only one task may run at a time.
    pub(crate) limited: bool,
}

/// What ails the database: nobody is harmed by it, so nobody may lose a task to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ailment {
    /// Nothing is answered before it is over.
    Frozen,
    /// Everything takes a while.
    Slow,
    /// Nothing is answered, and what was asked is not done.
    Unreachable,
    /// No change is taken.
    ReadOnly,
}

impl Ailment {
    const ALL: [Self; 4] = [Self::Frozen, Self::Slow, Self::Unreachable, Self::ReadOnly];
}

/// What came of it.
#[derive(Debug, PartialEq)]
pub(crate) struct Ended {
    pub(crate) violations: Vec<String>,
    /// The journal of all tasks, in the order of the commits.
    pub(crate) history: Vec<String>,
    pub(crate) completed: usize,
    pub(crate) rescues: usize,
    /// How often the first daemon asked in its first life.
    pub(crate) asked: usize,
}

impl Scenario {
    /// A scenario made of a seed.
    pub(crate) fn of(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let misfortunes = [0, 3, 10, 30][rng.usize(..4)];
        let (daemons, tasks, signals) = (rng.usize(1..=3), rng.u64(1..=4), rng.u32(..4) == 0);
        let together = rng.bool();
        let ailment = Ailment::ALL.get(rng.usize(..8)).map(|ailment| (*ailment, AILS.mul_f64(rng.f64())));
        Self {
            seed,
            daemons,
            tasks,
            signals,
            misfortunes,
            doom: None,
            plant: None,
            fenced: true,
            together,
            ailment,
            limited: rng.u32(..4) == 0,
        }
    }

    /// Plays it to its end.
    pub(crate) fn play(self) -> Ended {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(play(self))
    }
}

/// What everybody on the stage shares.
pub(crate) struct Stage {
    scenario: Scenario,
    world: World,
    dice: Mutex<fastrand::Rng>,
    begin: Instant,
    calm: AtomicBool,
    over: CancellationToken,
    /// Daemons to whom something was done, and when first.
    harmed: Mutex<BTreeMap<String, UnixMillis>>,
    /// Daemons that have died.
    gone: Mutex<BTreeSet<String>>,
    /// The newest epoch that acted on the outside for a task, and what was wrong with that.
    acted: Mutex<BTreeMap<TaskId, i64>>,
    late: Mutex<Vec<String>>,
    asked: AtomicUsize,
}

impl Stage {
    /// Simulated time since the beginning.
    pub(crate) fn elapsed(&self) -> Duration {
        self.begin.elapsed()
    }

    pub(crate) fn tasks(&self) -> u64 {
        self.scenario.tasks
    }

    /// Whether people do anything but submit plain tasks.
    pub(crate) fn has_people(&self) -> bool {
        self.scenario.doom.is_none()
    }

    pub(crate) fn roll<T>(&self, f: impl FnOnce(&mut fastrand::Rng) -> T) -> T {
        f(&mut locked(&self.dice))
    }

    pub(crate) fn millis(&self, most: u64) -> Duration {
        Duration::from_millis(self.roll(|dice| dice.u64(..=most)))
    }

    pub(crate) fn now(&self) -> UnixMillis {
        UnixMillis(BEGIN).plus(self.begin.elapsed())
    }

    /// Whether something ails the database before that much time has passed.
    fn ails_within(&self, time: Duration) -> bool {
        let now = self.elapsed();
        self.scenario.ailment.is_some_and(|(_, from)| now < from + AILS && from < now + time)
    }

    fn harm(&self, name: &str) {
        let now = self.now();
        locked(&self.harmed).entry(name.to_owned()).or_insert(now);
    }

    /// Something that the outside sees: never by one whose lease somebody else has taken over.
    fn act(&self, attempt: &Attempt) {
        let task = &attempt.task;
        let epoch = task.lease.as_ref().expect("claimed").epoch;
        let mut acted = locked(&self.acted);
        let newest = acted.entry(task.id.clone()).or_insert(epoch);
        if epoch < *newest {
            let what = format!("{}: epoch {epoch} acts on the outside after epoch {newest}", task.id);
            locked(&self.late).push(what);
        }
        *newest = epoch.max(*newest);
    }
}

/// Lets simulated time pass.
pub(crate) async fn elapse(time: Duration) {
    // tidy: polls: the clock is simulated, nobody waits
    tokio::time::sleep(time).await;
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What happens to one daemon at the database.
struct Fortune {
    stage: Arc<Stage>,
    name: String,
    asked: usize,
    doom: Option<(usize, Fate)>,
    engine: Arc<OnceLock<AbortHandle>>,
    dead: CancellationToken,
}

impl Fortune {
    fn die(&self, fate: Fate) -> Fate {
        self.stage.harm(&self.name);
        locked(&self.stage.gone).insert(self.name.clone());
        if let Some(engine) = self.engine.get() {
            engine.abort();
        }
        self.dead.cancel();
        fate
    }

    /// What becomes of a question while something ails the database.
    async fn ail(&self) -> Option<Fate> {
        let (ailment, from) = self.stage.scenario.ailment?;
        let (now, until) = (self.stage.elapsed(), from + AILS);
        if now < from || until <= now {
            return None;
        }
        match ailment {
            Ailment::Slow => elapse(self.stage.millis(SLOWLY)).await,
            Ailment::ReadOnly => return Some(Fate::ReadOnly),
            Ailment::Frozen | Ailment::Unreachable => elapse(until - now).await,
        }
        Some(if ailment == Ailment::Unreachable { Fate::Refused } else { Fate::Done })
    }

    async fn decide(&mut self) -> Fate {
        self.asked += 1;
        if let Some((at, fate)) = self.doom {
            self.stage.asked.store(self.asked, Ordering::Relaxed);
            return if self.asked == at { self.die(fate) } else { Fate::Done };
        }
        if let Some(fate) = self.ail().await {
            return fate;
        }
        let rate = self.stage.scenario.misfortunes;
        if rate == 0 || self.stage.calm.load(Ordering::Relaxed) {
            return Fate::Done;
        }
        let kind = self.stage.roll(|dice| dice.u32(..1000)) / rate;
        if kind > 4 {
            // Mostly at once, sometimes a little later than others.
            if kind.is_multiple_of(4) {
                elapse(self.stage.millis(3)).await;
            }
            return Fate::Done;
        }
        self.stage.harm(&self.name);
        match kind {
            0 => self.die(Fate::Never),
            1 => self.die(Fate::Last),
            2 => Fate::Refused,
            3 => Fate::Unanswered,
            // Stopped, and woken up again.
            _ => {
                elapse(self.stage.millis(3 * 1000)).await;
                Fate::Done
            }
        }
    }
}

impl Fates for Fortune {
    fn next(&mut self) -> std::pin::Pin<Box<dyn Future<Output = Fate> + Send + '_>> {
        Box::pin(self.decide())
    }
}

/// Agents that take their time, act on the outside, and mostly succeed.
struct Agents(Arc<Stage>);

impl Agents {
    async fn carry_out(&self, attempt: Attempt, stop: CancellationToken) -> Report {
        let stage = &self.0;
        let long = stage.roll(|dice| dice.u32(..20)) == 0;
        let pause = stage.millis(if long { 2_500 } else { 100 });
        tokio::select! {
            biased;
            () = stop.cancelled() => return Outcome::Interrupted.into(),
            () = elapse(pause) => {}
        }
        if stage.scenario.fenced && !attempt.fence.holds().await {
            return Outcome::Interrupted.into();
        }
        stage.act(&attempt);
        let trouble = || Setback::new(Reason::AgentError, "one of those days");
        match stage.roll(|dice| dice.u32(..20)) {
            0 => Outcome::Transient { setback: trouble(), retry_after: None }.into(),
            1 => Outcome::Unknown(trouble()).into(),
            _ => pass(&attempt),
        }
    }
}

impl Runner for Agents {
    fn run(&self, attempt: Attempt, stop: CancellationToken) -> BoxFuture<'_, Report> {
        Box::pin(self.carry_out(attempt, stop))
    }

    fn finished<'a>(&'a self, _task: &'a Task) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// One daemon and its successors, until the play is over.
async fn lives(stage: Arc<Stage>, number: usize) {
    for life in 0.. {
        let name = format!("daemon-{number}-{life}");
        let (engine, dead) = (Arc::new(OnceLock::new()), CancellationToken::new());
        let doom = stage.scenario.doom.filter(|_| (number, life) == (0, 0));
        let fortune = Fortune {
            stage: stage.clone(),
            name: name.clone(),
            asked: 0,
            doom,
            engine: engine.clone(),
            dead: dead.clone(),
        };
        let (store, serving) = stage.world.daemon(fortune, stage.scenario.plant);
        let (asked, played) = (CancellationToken::new(), stage.clone());
        let clock = Clock::new(move || played.now());
        let agents = Arc::new(Agents(stage.clone()));
        let dice = Dice::seeded(stage.roll(|dice| dice.u64(..)));
        let daemon = Engine::new(store, agents, how(stage.scenario.limited), clock, dice)
            .owned_by(owner(&stage, name.clone()));
        let mut running = tokio::spawn(daemon.run(asked.clone(), CancellationToken::new()));
        let _ = engine.set(running.abort_handle());
        let serving = tokio::spawn(serving);
        let life = if stage.scenario.misfortunes > 0 { stage.millis(20_000) } else { 2 * CALM };
        tokio::select! {
            biased;
            () = stage.over.cancelled() => {}
            () = dead.cancelled() => {}
            // Asked to end, like by SIGTERM.
            () = elapse(life) => {}
        }
        if stage.ails_within(GOODBYE) {
            // What it works on may have to be left to the others, who see no more than that it is gone.
            stage.harm(&name);
        }
        asked.cancel();
        tokio::select! {
            biased;
            () = dead.cancelled() => {}
            _ = &mut running => {}
        }
        serving.abort();
        if stage.over.is_cancelled() {
            return;
        }
        elapse(stage.millis(500)).await;
    }
}

fn owner(stage: &Arc<Stage>, name: String) -> Owner {
    let stage = stage.clone();
    Owner::named(name, move |other| stage.scenario.together && locked(&stage.gone).contains(other))
}

pub(crate) fn how(limited: bool) -> Settings {
    let retry = RetryPolicy {
        max_retries: u32::MAX,
        base: Duration::from_millis(20),
        cap: Duration::from_millis(200),
    };
    Settings {
        min_workers: 2,
        max_workers: 2,
        throttle: Throttle::default(),
        poll_interval: Duration::from_millis(300),
        lease: LEASE,
        shutdown_grace: Duration::from_millis(50),
        gates: Arc::new(Gates {
            projects: limited.then(|| ("sim".to_owned(), LIMIT)).into_iter().collect(),
            ..Gates::default()
        }),
        policy: Policy { retry, max_crashes: 1_000_000, ..Policy::default() },
        ..settings()
    }
}

async fn play(scenario: Scenario) -> Ended {
    let stage = Arc::new(Stage {
        world: World::new(scenario.signals).expect("a database"),
        dice: Mutex::new(fastrand::Rng::with_seed(scenario.seed)),
        begin: Instant::now(),
        calm: AtomicBool::new(false),
        over: CancellationToken::new(),
        harmed: Mutex::default(),
        gone: Mutex::default(),
        acted: Mutex::default(),
        late: Mutex::default(),
        asked: AtomicUsize::new(0),
        scenario,
    });
    // What was accepted and is lost shows where it was accepted.
    let plant = stage.scenario.plant.filter(|plant| matches!(plant, Plant::LostCommit | Plant::ForgottenKey));
    let (store, serving) = stage.world.daemon(Fair, plant);
    let serving = tokio::spawn(serving);
    let daemons: Vec<_> =
        (0..stage.scenario.daemons).map(|number| tokio::spawn(lives(stage.clone(), number))).collect();
    let mut crowd = Crowd::default();
    crowd.gather(&stage, &store).await;
    stage.calm.store(true, Ordering::Relaxed);
    let ended = crowd.until_ended(&stage, &store).await;
    stage.over.cancel();
    for daemon in daemons {
        daemon.await.expect("no daemon breaks");
    }
    let harmed = locked(&stage.harmed).clone();
    let excused = |worker: &str, at| match harmed.get(worker) {
        Some(since) if *since <= at => Ok(()),
        _ => Err("nothing was done".to_owned()),
    };
    let mut audit = search(&store, &crowd.accepted, &excused).await.expect("readable");
    if !ended {
        audit.violations.push(Violation::unended(CALM));
    }
    let mut violations: Vec<String> =
        audit.violations.iter().map(|one| serde_json::to_string(one).expect("JSON")).collect();
    violations.append(&mut locked(&stage.late));
    let events = history(&store).await;
    let limit = stage.scenario.limited.then_some(LIMIT as usize);
    violations.extend(crowd.broken_promises(&events, limit));
    let history = events.iter().map(|event| {
        format!("{} {} {}", event.task_id, event.seq, serde_json::to_string(&event.entry).expect("JSON"))
    });
    let history = history.collect();
    serving.abort();
    let asked = stage.asked.load(Ordering::Relaxed);
    Ended { violations, history, completed: audit.completed, rescues: audit.rescues, asked }
}

/// The journal of all tasks.
async fn history(store: &Store) -> Vec<read::Event> {
    let mut events: Vec<read::Event> = Vec::new();
    loop {
        let last = events.last().map_or(0, |event| event.id);
        let page = store.read(move |tx| read::events(tx, None, last, read::PAGE)).await.expect("readable");
        if page.is_empty() {
            return events;
        }
        events.extend(page);
    }
}
