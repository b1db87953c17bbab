//! `torture`: real daemons on a scratch database, killed and stopped at random moments; then the journal is
//! searched for what must never happen.
//!
//! Map: [`torture`] is the run, `crew` the daemons, `strike` what is done to them, `disaster` and `ailment` what is done to
//! all of them at once, over `proxy`, a network that fails; `cluster` what is done to a cluster of servers, `harmed` what
//! is excused by it, `site` where it takes place, `people` and `pauses` what is asked of the daemons meanwhile, `daemon` what each of them runs, `server` a database
//! server of our own, `power` another torture: power cuts. `history` reads the journal while it is written; `verdict` is the search in it, `gated`, `evidence` and
//! `rates` look for what it does not show.

mod ailment;
mod cluster;
mod crew;
mod daemon;
mod disaster;
mod evidence;
mod gated;
mod harmed;
mod history;
mod pauses;
mod people;
mod power;
mod proxy;
mod rates;
mod server;
mod site;
mod strike;
mod verdict;

pub use cluster::standstills;
pub use daemon::{Incarnation, run_daemon};
pub use power::{AfterCuts, PowerCuts, cut_power};
pub use verdict::{Audit, Excuse, Violation, search};

use anyhow::{Context, Result, bail};
use chimera_agent::scratch::Scratch;
use chimera_store::{Plant, Store, StoreError, read};
use cluster::{Cluster, Recovery};
use crew::{Crew, Place};
use harmed::Harmed;
use history::History;
use people::People;
use serde::Serialize;
use site::{Site, open, site};
use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

/// How long a lease of the tortured daemons lasts.
pub(crate) const LEASE: Duration = Duration::from_secs(2);
/// Most tasks that wait at a time: enough work for everybody, and an end in sight.
const BACKLOG: u64 = 60;
/// Running tasks that are cancelled where that must be seen: the daemons of some are killed before they have a result.
const WISHES: u32 = 8;
/// Pause between two looks at the backlog.
const PACE: Duration = Duration::from_millis(20);
/// How much longer a torture may go on than asked for, until what belongs to it has been done: a daemon that sleeps with
/// the lock of all in hand holds up the torturer, too.
const OVERTIME: Duration = Duration::from_secs(10);
/// How long the torturer waits for an answer.
const ANSWER: Duration = Duration::from_secs(5);
/// How long the tasks may take to end once the torture is over.
const CALM: Duration = Duration::from_secs(30);
/// How long tasks are kept that have ended, and how often the others are removed. An end bears the time at which it was
/// decided; an ailment may delay its commit for some seconds, and it must be read before it is removed.
const KEPT: Duration = Duration::from_secs(12);
const PRUNED_EVERY: Duration = Duration::from_secs(1);

/// How to torture.
#[derive(Debug, Clone)]
pub struct Torture {
    /// How long.
    pub seconds: u32,
    /// What the random moments are made of; the same seed makes the same choices.
    pub seed: u64,
    /// An empty database to use; `postgres`: a scratch server, which is restarted, too; absent: a scratch file of SQLite.
    pub database: Option<String>,
    /// A bug for the daemons to have.
    pub plant: Option<Plant>,
    /// Another version of this program: every other daemon runs it.
    pub other_binary: Option<PathBuf>,
    /// The database is a cluster, whose primary this program kills and cuts off; the daemons are left alone then.
    pub cluster: Option<PathBuf>,
}

impl Torture {
    /// Whether projects have limits. Without, claims take another way.
    fn has_limits(&self) -> bool {
        self.cluster.is_none()
            && self.plant.is_none()
            && self.other_binary.is_none()
            && self.seed.is_multiple_of(2)
    }
}

/// What was done and found.
#[derive(Debug, Serialize)]
pub struct Findings {
    /// What the run was made of.
    pub seed: u64,
    /// Tasks accepted.
    pub accepted: usize,
    /// Tasks completed.
    pub completed: usize,
    /// Tasks cancelled, as asked or because they had expired.
    pub cancelled: usize,
    /// Tasks that failed because their deadline had passed.
    pub overdue: usize,
    /// Tasks removed after their end.
    pub pruned: usize,
    /// Whether projects had limits.
    pub limited: bool,
    /// How often a task was taken over from a daemon that was gone.
    pub rescues: usize,
    /// Claims by daemons of this version, and of the other one.
    pub claims: [usize; 2],
    /// What was done, and how often.
    pub done: BTreeMap<&'static str, u32>,
    /// How long it took a cluster to go on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recoveries: Vec<Recovery>,
    /// What must never happen and did.
    pub violations: Vec<Violation>,
}

/// How far a torture has come.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// The time passed.
    pub elapsed: Duration,
    /// Tasks accepted.
    pub accepted: usize,
    /// Things done to daemons.
    pub strikes: u32,
}

/// Tortures, and searches for violations. `tell` hears how far it has come, every so often.
///
/// # Errors
/// If the scratch database or the daemons cannot be had.
pub async fn torture(how: &Torture, tell: impl Fn(Progress)) -> Result<Findings> {
    let dir = Scratch::system().dir().context("no room for a scratch database")?;
    let Site { direct, over_network, patient } = site(how, dir.path()).await?;
    let store = open(&direct, dir.path(), None)?;
    if store.read(read::counts).await? != read::Counts::default() {
        bail!("{direct} has tasks in it: give an empty database");
    }
    // A bug of the daemons, but for these: they show where something was accepted.
    let plant = how.plant.filter(|plant| matches!(plant, Plant::LostCommit | Plant::ForgottenKey));
    let mut people = People::new(open(&over_network, dir.path(), plant)?, how.seed);
    let place = Place { url: over_network, logs: dir.path().to_owned() };
    let limited = how.has_limits();
    // A server of our own must outlive the search.
    let _patient = patient.clone();
    let mut crew = Crew::muster(how, place, store.clone(), (patient, limited))?;
    let time = Duration::from_secs(u64::from(how.seconds));
    let cluster = how.cluster.clone().map(|control| Cluster {
        control,
        store: store.clone(),
        rng: fastrand::Rng::with_seed(how.seed),
    });
    let harming = cluster.map(|cluster| tokio::spawn(cluster.harm(Instant::now() + time)));
    let mut history = History::default();
    busy((&store, &mut history), (&mut crew, &mut people), (time, harming.as_ref()), &tell).await?;
    let recoveries = match harming {
        Some(harming) => harming.await??,
        None => Vec::new(),
    };
    crew.calm().await?;
    let ended = settled((&store, &mut history), &mut people, CALM).await?;
    let others = std::mem::take(&mut crew.others);
    let mut violations = rates::idle(&mut crew, ended && how.plant.is_none()).await;
    let mut harmed = crew.dismiss().await?;
    cluster::excuse(&mut harmed, &recoveries);
    history.follow(&store).await?;
    // What was removed without an answer is known now.
    history.note_pruned(&store).await?;
    let mut audit = judged(how, (&store, &history), &people, &harmed).await?;
    violations.append(&mut audit.violations);
    violations.extend(cluster::too_slow(&recoveries));
    if !ended {
        violations.push(Violation::unended(CALM));
        violations.extend(history.open().into_iter().map(Violation::open));
    }
    store.close().await;
    let mut done = harmed.done;
    done.extend(people.done);
    let Audit { completed, cancelled, overdue, pruned, rescues, .. } = audit;
    let (seed, accepted) = (how.seed, people.accepted.len());
    Ok(Findings {
        seed,
        accepted,
        completed,
        cancelled,
        overdue,
        pruned,
        limited,
        rescues,
        claims: history.claims(&others),
        done,
        recoveries,
        violations,
    })
}

/// What the whole history shows.
async fn judged(
    how: &Torture,
    (store, history): (&Store, &History),
    people: &People,
    harmed: &Harmed,
) -> Result<Audit> {
    let excused = |worker: &str, by| harmed.excuses(worker, by);
    let mut audit = verdict::judge(store, history, &people.accepted, &excused).await?;
    if !history.is_whole(store).await? {
        audit.violations.push(Violation::of_all("who reads the journal as it is written sees another"));
    }
    // What agents of another version leave is not known here.
    if how.other_binary.is_none() {
        audit.violations.extend(evidence::search(store, history).await?);
    }
    let limited = how.has_limits();
    let agree = |at| harmed.jumped.is_none_or(|jumped| at < jumped);
    let begun = gated::let_through(&history.events, &audit.projects, limited, &people.pauses, agree);
    audit.violations.extend(begun);
    Ok(audit)
}

/// What harms a cluster meanwhile.
type Harming = JoinHandle<Result<Vec<Recovery>>>;

/// Lets people work while the crew is tortured.
async fn busy(
    (store, history): (&Store, &mut History),
    (crew, people): (&mut Crew, &mut People),
    (time, harming): (Duration, Option<&Harming>),
    tell: &impl Fn(Progress),
) -> Result<()> {
    let (begin, until) = (Instant::now(), Instant::now() + time);
    let mut pruned_at = begin;
    let busy = |crew: &Crew, people: &People| match harming {
        Some(harming) => !harming.is_finished(),
        None => {
            // A bug that shows itself by what people do needs some of that.
            let wishes = crew.plant != Some(Plant::ForgottenCancel) || people.wishes >= WISHES;
            let missing = !wishes || crew.owed().is_some();
            Instant::now() < until || (missing && Instant::now() < until + OVERTIME)
        }
    };
    while busy(crew, people) {
        let round = Instant::now();
        let queued = answered(store.read(read::counts)).await.map_or(BACKLOG, |counts| counts.queued);
        people.submit(queued).await;
        let _ = answered(history.follow(store)).await;
        people.cancel(&history.running()).await;
        if harming.is_none() {
            people.pause(false).await; // Otherwise nothing may hold work up but the fault.
        }
        if pruned_at.elapsed() > PRUNED_EVERY {
            pruned_at = Instant::now();
            let kept = harming.map_or(KEPT, |_| cluster::KEPT);
            let _ = answered(history.prune(store, kept)).await;
        }
        if harming.is_none() {
            crew.strike().await?;
        }
        crew.note_stall(round.elapsed());
        let (accepted, strikes) = (people.accepted.len(), crew.strikes());
        tell(Progress { elapsed: begin.elapsed(), accepted, strikes });
        tokio::time::sleep(PACE).await;
    }
    Ok(())
}

/// An answer of the store, if it comes in time: while machines are cut off, none may.
async fn answered<T>(asked: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    timeout(ANSWER, asked).await.unwrap_or(Err(StoreError::Busy))
}

/// Waits until every task has ended; false if that takes too long.
async fn settled(
    (store, history): (&Store, &mut History),
    people: &mut People,
    limit: Duration,
) -> Result<bool> {
    let until = Instant::now() + limit;
    while Instant::now() < until {
        people.settle(history.open()).await;
        let _ = answered(history.follow(store)).await;
        let counts = answered(store.read(read::counts)).await;
        // Either may be wrong, if a bug is planted.
        if history.has_ended() || counts.is_ok_and(|counts| counts.queued + counts.running == 0) {
            return Ok(true);
        }
        tokio::time::sleep(PACE).await;
    }
    Ok(false)
}
