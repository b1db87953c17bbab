//! `torture`: real daemons on a scratch database, killed and stopped at random moments; then the journal is
//! searched for what must never happen.
//!
//! Map: [`torture`] is the run, `crew` the daemons and what is done to them, `disaster` what is done to all of them at
//! once, `harmed` what that excuses, `daemon` what each of them runs, `server` a database server of our own, `verdict` the search.

mod crew;
mod daemon;
mod disaster;
mod harmed;
mod server;
mod verdict;

pub use daemon::{Incarnation, run_daemon};
pub use verdict::{Audit, Excuse, Violation, search};

use super::bench::empty::task;
use crate::seams::{Clock, Dice};
use anyhow::{Context, Result, bail};
use chimera_agent::scratch::Scratch;
use chimera_core::{Policy, TaskId};
use chimera_store::{Database, Options, Plant, Store, read, steer};
use crew::Crew;
use serde::Serialize;
use server::Server;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

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
    let accepted = busy(&store, &mut crew, Duration::from_secs(u64::from(how.seconds)), &tell).await?;
    crew.calm().await?;
    let ended = settled(&store, CALM).await?;
    let (harmed, server) = crew.dismiss().await?;
    let excused = |worker: &str, by| harmed.excuses(worker, by);
    let Audit { completed, cancelled, rescues, mut violations } = search(&store, &accepted, &excused).await?;
    if !ended {
        violations.push(Violation::unended(CALM));
    }
    store.close().await;
    drop(server);
    let (seed, accepted, done) = (how.seed, accepted.len(), harmed.done);
    Ok(Findings { seed, accepted, completed, cancelled, rescues, done, violations })
}

fn own_server() -> Result<Server> {
    let programs = server::programs().context(
        "PostgreSQL's server programs are not on this machine: install them (`apt-get install postgresql`), or give the URL of an empty database",
    )?;
    let server = Server::make(programs)?;
    server.start("")?;
    Ok(server)
}

/// Submits and cancels while the crew is tortured; gives the tasks that were accepted.
async fn busy(
    store: &Store,
    crew: &mut Crew,
    time: Duration,
    tell: &impl Fn(Progress),
) -> Result<Vec<TaskId>> {
    let (begin, until, dice) = (Instant::now(), Instant::now() + time, Dice::system());
    let mut accepted: Vec<TaskId> = Vec::new();
    while Instant::now() < until || (crew.owed().is_some() && Instant::now() < until + OVERTIME) {
        let round = Instant::now();
        let queued = store.read(read::counts).await.map_or(BACKLOG, |counts| counts.queued);
        for _ in queued..BACKLOG {
            let new = task(&dice);
            let id = new.id.clone();
            // What was not answered may be there or not; only what was answered counts.
            if store.write(move |tx| chimera_store::submit::submit(tx, &new)).await.is_err() {
                // Somebody may sleep with the lock in hand, and has to be woken up by us.
                break;
            }
            accepted.push(id);
        }
        if let Some(id) = crew.whim(&accepted) {
            let now = Clock::system().now();
            let _ = store.write_alone(move |tx| steer::cancel(tx, &id, now, &Policy::default())).await;
        }
        crew.strike().await?;
        crew.note_stall(round.elapsed());
        let strikes = crew.strikes();
        tell(Progress { elapsed: begin.elapsed(), accepted: accepted.len(), strikes });
        tokio::time::sleep(PACE).await;
    }
    Ok(accepted)
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
