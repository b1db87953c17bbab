//! Puts the rooms together and runs them until a signal.

use crate::care;
use crate::config::{self, Config};
use crate::data_dir;
use crate::engine::{self, Engine, Home};
use crate::local;
use crate::seams::{Clock, Dice, Machine};
use crate::staged;
use crate::surroundings;
use crate::web;
use anyhow::{Context, Result, bail};
use chimera_agent::delivery::{self, Delivery};
use chimera_agent::process::reap_orphans;
use chimera_agent::scratch::Scratch;
use chimera_agent::spec::E2e;
use chimera_agent::staging::Staging;
use chimera_agent::toolchain::{Overrides, Search};
use chimera_agent::vault::Vault;
use chimera_agent::workspace::Workspaces;
use chimera_core::Scope;
use chimera_store::{Database, Options, Store, StoreError, heartbeat, hold};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long open requests may take to end at a shutdown.
const API_GRACE: Duration = Duration::from_secs(5);

/// How often a process without an engine asks the database for what an engine hears at its heartbeats: clocks drift by less
/// than a millisecond in that time.
const FOLLOW: Duration = Duration::from_secs(10);

/// Which parts of the daemon this process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    /// The engine: `start`.
    pub engine: bool,
    /// The HTTP interface: `api`.
    pub api: bool,
}

/// The way to end [`serve`].
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    /// Begin to shut down: no new work, running phases get their grace.
    pub asked: CancellationToken,
    /// End the grace.
    pub now: CancellationToken,
}

impl Shutdown {
    /// Follows SIGINT and SIGTERM: the first asks, the second ends the grace. SIGHUP, which a terminal that is closed
    /// sends more than once, only asks; under `nohup` it does nothing.
    ///
    /// # Errors
    /// If the signal handlers cannot be installed.
    pub fn on_signals() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let shutdown = Self::default();
        let (mut int, mut term) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        if !surroundings::ignores_hangups() {
            let (mut hangup, asked) = (signal(SignalKind::hangup())?, shutdown.asked.clone());
            tokio::spawn(async move {
                while hangup.recv().await.is_some() {
                    asked.cancel();
                }
            });
        }
        let watched = shutdown.clone();
        tokio::spawn(async move {
            for token in [&watched.asked, &watched.now] {
                tokio::select! { _ = int.recv() => (), _ = term.recv() => () }
                tracing::info!(at_once = watched.asked.is_cancelled(), "told to stop");
                token.cancel();
            }
        });
        Ok(shutdown)
    }
}

/// Runs the parts until shutdown. `ready` is told the address of the API, if that is a part, once everything
/// answers.
///
/// # Errors
/// What keeps the daemon from starting, with the remedy.
pub async fn serve(
    config: Config,
    parts: Parts,
    shutdown: Shutdown,
    ready: impl FnOnce(Option<SocketAddr>),
) -> Result<()> {
    surroundings::raise_descriptors();
    let store = open(&config)?;
    let listener = if parts.api { Some(bind(&config.api).await?) } else { None };
    let address = listener.as_ref().map(TcpListener::local_addr).transpose()?;
    end_without_database(&store, &shutdown);
    let (clock, dice) = (Clock::system(), Dice::system());
    if let Some(time) = store.server_time().await? {
        clock.set(time);
    }
    local::notice_restored(&config, &store, clock.now()).await?;
    if config.executor.start_paused {
        let (now, why) = (clock.now(), "started with --start-paused");
        store.write_alone(move |tx| hold::pause(tx, &Scope::Queue, Some(why), now)).await?;
    }
    let working = if parts.engine {
        start_engine(&config, &store, &clock, &dice, &shutdown).await?
    } else {
        tokio::spawn(follow(store.clone(), clock.clone(), shutdown.asked.clone()))
    };
    let app = web::App::new(store.clone(), &config, clock, dice).ending_with(shutdown.asked.clone());
    let app = app.with_engine(parts.engine).named(&Home::of(&config.data_dir, config.home_patience)?.name);
    let api =
        listener.map(|listener| tokio::spawn(web::serve(listener, web::router(app), shutdown.asked.clone())));
    ready(address);
    let ended = working.await.context("the engine broke")?;
    if let Some(mut api) = api
        && tokio::time::timeout(API_GRACE, &mut api).await.is_err()
    {
        api.abort();
    }
    let sound = store.sound();
    store.close().await;
    Ok(sound.and(ended)?)
}

/// Keeps a clock with that of the database's server, if it has one, until it is told to end, or must, because a newer version
/// works on the database. Without an answer, the clock goes on evenly.
async fn follow(store: Store, clock: Clock, shutdown: CancellationToken) -> Result<(), StoreError> {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            () = tokio::time::sleep(FOLLOW) => (),
        }
        let asked = clock.uncorrected();
        match store.read(heartbeat::facts).await {
            Ok(facts) => {
                if let Some(time) = facts.server_time {
                    clock.correct(time, asked);
                }
                facts.understood().inspect_err(|newer| {
                    tracing::error!(error = %newer, "a newer version works on the database: this process ends");
                    shutdown.cancel();
                })?;
            }
            Err(err) => tracing::debug!(error = %err, "the database does not tell its time"),
        }
    }
}

/// Begins to shut down, without grace, once nothing that is done can be recorded any more.
fn end_without_database(store: &Store, shutdown: &Shutdown) {
    let (failure, shutdown) = (store.failure(), shutdown.clone());
    tokio::spawn(async move {
        let error = failure.await;
        tracing::error!(%error, "ending");
        shutdown.asked.cancel();
        shutdown.now.cancel();
    });
}

/// Opens the database, creating it and the data directory if need be.
///
/// # Errors
/// What stands in the way, with the remedy.
pub fn open(config: &Config) -> Result<Store> {
    data_dir::prepare(config)?;
    if let Database::Sqlite(path) = &config.database {
        surroundings::reserve(path).with_context(|| {
            format!(
                "cannot write the database {}: let this user write there, or name another in `database.url`",
                path.display()
            )
        })?;
    }
    let options = Options { readers: config.database_readers, ..Options::default() };
    Store::open(&config.database, &options).map_err(|err| match err {
        // They name it.
        StoreError::Open { .. }
        | StoreError::Newer { .. }
        | StoreError::NewerWords { .. }
        | StoreError::Outdated { .. }
        | StoreError::Checksum { .. } => err.into(),
        err => anyhow::Error::from(err).context(format!("cannot open the database {}", config.database)),
    })
}

async fn bind(api: &config::Api) -> Result<TcpListener> {
    match TcpListener::bind((api.host.as_str(), api.port)).await {
        Ok(listener) => Ok(listener),
        Err(err) if err.kind() == std::io::ErrorKind::AddrInUse => bail!(
            "port {} on {} is in use: stop what listens there, or give another port with --port or CHIMERA_API_PORT",
            api.port,
            api.host
        ),
        Err(err) => Err(err).with_context(|| format!("cannot listen on {}:{}", api.host, api.port)),
    }
}

/// Cleans up after earlier incarnations, then starts the engine.
async fn start_engine(
    config: &Config,
    store: &Store,
    clock: &Clock,
    dice: &Dice,
    shutdown: &Shutdown,
) -> Result<tokio::task::JoinHandle<Result<(), StoreError>>> {
    let reaped = reap_orphans();
    if reaped > 0 {
        tracing::warn!(reaped, "ended processes that an earlier daemon left behind");
    }
    Scratch::clean(&config.data_dir);
    let runner = delivery(config, Staging::new(&config.data_dir), clock)?;
    let (changes, bases) = runner.deployments();
    changes.restore(clock.now()).await;
    bases.clear().await;
    let runner = Arc::new(runner);
    let settings = engine::Settings {
        min_workers: config.executor.min_workers,
        max_workers: config.executor.max_workers,
        throttle: config.executor.throttle,
        poll_interval: config.executor.poll_interval,
        lease: config.executor.lease,
        shutdown_grace: config.executor.shutdown_grace,
        gates: Arc::new(config.gates()),
        policy: config.policy,
        timeouts: config.timeouts.clone(),
        patience: engine::PATIENCE,
    };
    let engine = Engine::new(store.clone(), runner, settings, clock.clone(), dice.clone());
    let mut engine = engine.on(Machine::system());
    // A file of SQLite is on one machine; a shared repository has every branch.
    if matches!(config.database, Database::Postgres(_)) && config.git_remote.is_none() {
        engine = engine.at_home(Home::of(&config.data_dir, config.home_patience)?);
    }
    let (shutdown, clock, store) = (shutdown.clone(), clock.clone(), store.clone());
    let (places, retention) = (local::places(config)?, config.retention);
    let grace = config.executor.shutdown_grace;
    Ok(tokio::spawn(async move {
        let ended = tokio::select! {
            ended = engine.run(shutdown.asked.clone(), shutdown.now.clone()) => ended,
            () = staged::look_after((&changes, &bases), &store, &clock, &shutdown.asked) => Ok(()),
            () = care::run(store.clone(), places, retention, clock.clone()) => Ok(()),
        };
        staged::end([&changes, &bases], grace, &shutdown.now).await;
        ended
    }))
}

fn delivery(config: &Config, staging: Staging, clock: &Clock) -> Result<Delivery> {
    let clock = clock.clone();
    let settings = delivery::Settings {
        data_dir: config.data_dir.clone(),
        projects: config.projects.clone(),
        roles: config.roles.clone(),
        agents: config.agents.clone(),
        environment: config.environment.clone(),
        tools: tools(config),
        policy: config.policy,
        green_runs: config.green_runs,
        staging_ttl: config.staging_ttl,
        recordings: config.recordings,
        clock: Arc::new(move || clock.now()),
    };
    let workspaces = Workspaces::new(&config.data_dir)?
        .sharing(config.git_remote.clone())
        .with_environment(&config.environment);
    let vault = Vault::new(&config.data_dir.join("evidence"))?;
    Ok(Delivery::new(settings, workspaces, staging, vault))
}

/// Where the judge's tools are looked for.
pub fn tools(config: &Config) -> Search {
    Search {
        tools_dir: config.tools_dir.clone(),
        env: config.environment.clone(),
        overrides: Overrides { chromium: config.chromium.clone(), ..Overrides::default() },
        clock: Some(|| Clock::system().now()),
        playwright_test: config.projects.iter().any(|project| project.e2e == E2e::PlaywrightTest),
    }
}
