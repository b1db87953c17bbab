//! `torture`: real daemons on a scratch database, killed and stopped at random moments; then the journal is
//! searched for what must never happen.
//!
//! Map: [`torture`] is the run, `crew` the daemons and what is done to them, `disaster` what is done to all of them at
//! once, `cluster` what is done to a cluster of servers, `harmed` what that excuses, `daemon` what each of them runs, `server` a database server of our own, `verdict` the search.

mod cluster;
mod crew;
mod daemon;
mod disaster;
mod harmed;
mod server;
mod verdict;

pub use cluster::standstills;
pub use daemon::{Incarnation, run_daemon};
pub use verdict::{Audit, Excuse, Violation, search};

use super::bench::empty::task;
use crate::seams::{Clock, Dice};
use anyhow::{Context, Result, bail};
use chimera_agent::scratch::Scratch;
use chimera_core::{Policy, TaskId};
use chimera_store::{Database, Options, Plant, Store, StoreError, read, steer};
use cluster::{Cluster, Recovery};
use crew::Crew;
use serde::Serialize;
use server::Server;
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
/// Pause between two looks at the backlog.
const PACE: Duration = Duration::from_millis(20);
/// What to give as a database for a server of our own.
const OWN_SERVER: &str = "postgres";
/// How much longer a torture may go on than asked for, until what belongs to it has been done: a daemon that sleeps with
/// the lock of all in hand holds up the torturer, too.
const OVERTIME: Duration = Duration::from_secs(10);
/// How long the torturer waits for an answer.
const ANSWER: Duration = Duration::from_secs(5);
/// How long the tasks may take to end once the torture is over.
const CALM: Duration = Duration::from_secs(30);

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
    /// The database is a cluster, whose primary this program kills and cuts off; the daemons are left alone then.
    pub cluster: Option<PathBuf>,
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
    /// Tasks cancelled, as asked.
    pub cancelled: usize,
    /// How often a task was taken over from a daemon that was gone.
    pub rescues: usize,
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
    let server = if how.database.as_deref() == Some(OWN_SERVER) { Some(own_server()?) } else { None };
    let url = match (&server, &how.database) {
        (Some(server), _) => format!("{}/postgres", server.url()),
        (None, Some(url)) => url.clone(),
        (None, None) => format!("sqlite:{}", dir.path().join("torture.db").display()),
    };
    let database =
        Database::parse(&url, dir.path(), None).map_err(|detail| anyhow::anyhow!("--database: {detail}"))?;
    // A bug of the daemons, but for this one: that something accepted is lost shows where it was accepted.
    let plant = how.plant.filter(|plant| *plant == Plant::LostCommit);
    let store = Store::open(&database, &Options { plant, ..Options::default() })?;
    if store.read(read::counts).await? != read::Counts::default() {
        bail!("{database} has tasks in it: give an empty database");
    }
    let mut crew = Crew::muster(&url, how, store.clone(), server)?;
    let time = Duration::from_secs(u64::from(how.seconds));
    let cluster = how.cluster.clone().map(|control| Cluster {
        control,
        store: store.clone(),
        rng: fastrand::Rng::with_seed(how.seed),
    });
    let harming = cluster.map(|cluster| tokio::spawn(cluster.harm(Instant::now() + time)));
    let accepted = busy(&store, &mut crew, (time, harming.as_ref()), &tell).await?;
    let recoveries = match harming {
        Some(harming) => harming.await??,
        None => Vec::new(),
    };
    crew.calm().await?;
    let ended = settled(&store, CALM).await?;
    let lost_daemons = crew.ended();
    let (mut harmed, server) = crew.dismiss().await?;
    cluster::excuse(&mut harmed, &recoveries);
    let excused = |worker: &str, by| harmed.excuses(worker, by);
    let Audit { completed, cancelled, rescues, mut violations } = search(&store, &accepted, &excused).await?;
    violations.extend(cluster::too_slow(&recoveries));
    if lost_daemons > 0 {
        violations
            .push(Violation { task: None, what: format!("{lost_daemons} daemons ended by themselves") });
    }
    if !ended {
        violations.push(Violation::unended(CALM));
    }
    store.close().await;
    drop(server);
    let (seed, accepted, done) = (how.seed, accepted.len(), harmed.done);
    Ok(Findings { seed, accepted, completed, cancelled, rescues, done, recoveries, violations })
}

fn own_server() -> Result<Server> {
    let programs = server::programs().context(
        "PostgreSQL's server programs are not on this machine: install them (`apt-get install postgresql`), or give the URL of an empty database",
    )?;
    let server = Server::make(programs)?;
    server.start("")?;
    Ok(server)
}

/// What harms a cluster meanwhile.
type Harming = JoinHandle<Result<Vec<Recovery>>>;

/// Submits and cancels while the crew is tortured; gives the tasks that were accepted.
async fn busy(
    store: &Store,
    crew: &mut Crew,
    (time, harming): (Duration, Option<&Harming>),
    tell: &impl Fn(Progress),
) -> Result<Vec<TaskId>> {
    let (begin, until, dice) = (Instant::now(), Instant::now() + time, Dice::system());
    let mut accepted: Vec<TaskId> = Vec::new();
    let busy = |crew: &Crew| match harming {
        Some(harming) => !harming.is_finished(),
        None => Instant::now() < until || (crew.owed().is_some() && Instant::now() < until + OVERTIME),
    };
    while busy(crew) {
        let round = Instant::now();
        let queued = answered(store.read(read::counts)).await.map_or(BACKLOG, |counts| counts.queued);
        for _ in queued..BACKLOG {
            let new = task(&dice);
            let id = new.id.clone();
            // What was not answered may be there or not; only what was answered counts.
            if answered(store.write(move |tx| chimera_store::submit::submit(tx, &new))).await.is_err() {
                // Somebody may sleep with the lock in hand, and has to be woken up by us.
                break;
            }
            accepted.push(id);
        }
        if let Some(id) = crew.whim(&accepted) {
            let now = Clock::system().now();
            let cancel = store.write_alone(move |tx| steer::cancel(tx, &id, now, &Policy::default()));
            let _ = answered(cancel).await;
        }
        if harming.is_none() {
            crew.strike().await?;
        }
        crew.note_stall(round.elapsed());
        let strikes = crew.strikes();
        tell(Progress { elapsed: begin.elapsed(), accepted: accepted.len(), strikes });
        tokio::time::sleep(PACE).await;
    }
    Ok(accepted)
}

/// An answer of the store, if it comes in time: while machines are cut off, none may.
async fn answered<T>(asked: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    timeout(ANSWER, asked).await.unwrap_or(Err(StoreError::Busy))
}

/// Waits until every task has ended; false if that takes too long.
async fn settled(store: &Store, limit: Duration) -> Result<bool> {
    let until = Instant::now() + limit;
    while Instant::now() < until {
        if let Ok(counts) = store.read(read::counts).await
            && counts.queued + counts.running == 0
        {
            return Ok(true);
        }
        tokio::time::sleep(PACE).await;
    }
    Ok(false)
}
