//! Claims tasks and has them carried out.
//!
//! One loop owns the state ([`dispatcher`]): it claims ready tasks into free slots, beats the heart of their
//! leases, takes over from daemons that are gone, and stops what lost its lease or was cancelled. One
//! [`worker`] per claimed task runs its phases: attempt, step, settle ([`record`]), until a [`brake`] stops it. [`fence`] keeps an attempt whose lease is
//! lost from acting, [`lease`] knows how long it holds without asking, [`written`] whether the database went back in time, [`pause`] spares a database that fails,
//! [`limit`] ends attempts that hang, [`pool`] says how many may run, `ends` waiting tasks whose time is
//! up, [`tools`] holds back those whose tools are missing, `told` is what the log says. [`owner`] says who this daemon is and which other owners are gone, [`home`] where the branches of its tasks are.

mod brake;
mod dispatcher;
mod ends;
mod fence;
mod home;
mod lease;
mod limit;
mod owner;
mod pause;
mod pool;
mod record;
mod running;
mod tidy;
mod told;
mod tools;
mod worker;
mod written;

use crate::seams::{Clock, Dice, Machine};
use chimera_agent::runner::Runner;
use chimera_core::gates::MissingTool;
use chimera_core::{Gates, Phase, Policy};
use chimera_store::{Store, StoreError};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use home::Home;
pub use owner::Owner;
pub use pool::Throttle;

/// How the engine works.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Fewest tasks that run side by side; below `max_workers`, the number follows what waits and what the machine
    /// has room for.
    pub min_workers: u32,
    /// Most tasks that run side by side.
    pub max_workers: u32,
    /// When no further task is begun.
    pub throttle: Throttle,
    /// The fallback poll.
    pub poll_interval: Duration,
    /// How long a lease lasts without a heartbeat; the heart beats three times as often.
    pub lease: Duration,
    /// How long running phases may go on once a shutdown was asked for.
    pub shutdown_grace: Duration,
    /// What may hold tasks back.
    pub gates: Arc<Gates>,
    /// The limits of a delivery.
    pub policy: Policy,
    /// Wall clock limit of an attempt.
    pub timeouts: BTreeMap<Phase, Duration>,
    /// How long an attempt that is past its limit, or was told to stop, is waited for before it is given up.
    pub patience: Duration,
}

/// Long enough for processes that get a grace, servers that shut down and files that are tidied up.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What dispatcher and workers share; nothing in it changes.
struct Context {
    store: Store,
    runner: Arc<dyn Runner>,
    settings: Settings,
    clock: Clock,
    dice: Dice,
    owner: Owner,
    home: Option<Home>,
    machine: Machine,
    lease: lease::LocalLease,
    written: written::Written,
    /// Which tools are missing, if attempts need any.
    tools: Option<watch::Receiver<Vec<MissingTool>>>,
}

/// The engine, ready to run.
pub struct Engine {
    context: Arc<Context>,
}

impl Engine {
    /// Puts an engine together.
    pub fn new(store: Store, runner: Arc<dyn Runner>, settings: Settings, clock: Clock, dice: Dice) -> Self {
        let owner = Owner::current();
        let (home, machine, tools) = (None, Machine::default(), runner.tools());
        let (lease, written) = (lease::LocalLease::default(), written::Written::default());
        let context =
            Context { store, runner, settings, clock, dice, owner, home, machine, lease, written, tools };
        Self { context: Arc::new(context) }
    }

    /// The same where daemons do not share the branches of tasks: they stay with the home that has theirs.
    #[must_use]
    pub fn at_home(mut self, home: Home) -> Self {
        if let Some(context) = Arc::get_mut(&mut self.context) {
            context.home = Some(home);
        }
        self
    }

    /// The same under another name than this process's.
    #[must_use]
    pub fn owned_by(mut self, owner: Owner) -> Self {
        if let Some(context) = Arc::get_mut(&mut self.context) {
            context.owner = owner;
        }
        self
    }

    /// The same on a machine that tells how busy it is.
    #[must_use]
    pub fn on(mut self, machine: Machine) -> Self {
        if let Some(context) = Arc::get_mut(&mut self.context) {
            context.machine = machine;
        }
        self
    }

    /// Works until `shutdown` is cancelled, then gives running phases their grace and hands the rest back.
    /// Cancelling `now` ends the grace at once. On return every process of every attempt has ended and
    /// every task is settled or handed back, unless the store refused.
    ///
    /// # Errors
    /// [`StoreError::NewerWords`] if a newer version has begun to work on the database: then this one cancels `shutdown` by
    /// itself.
    pub async fn run(self, shutdown: CancellationToken, now: CancellationToken) -> Result<(), StoreError> {
        // Before the first claim.
        self.context.runner.look_for_tools().await;
        let (ends, tools) = (ends::run(self.context.clone()), tools::run(self.context.clone()));
        let tidy = tidy::run(self.context.clone());
        tokio::select! {
            ended = dispatcher::Dispatcher::new(self.context, shutdown).run(now) => ended,
            () = ends => Ok(()),
            () = tools => Ok(()),
            () = tidy => Ok(()),
        }
    }
}
