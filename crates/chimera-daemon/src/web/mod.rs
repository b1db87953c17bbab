//! The HTTP interface.
//!
//! [`router`] is all of it. Map: `submit`, `batch`, `tasks`, `dead`, `gates`, `events`, `evidence`, `bundle`, `logs`,
//! `health` hold the handlers,
//! `view` the shapes they answer with, [`waiting`] and `held` the answer to "why is it not running", `problem` every
//! error, `input` what is read from requests, `record` the log of requests, `guard` the checks before all handlers, `listen` takes the connections. Handlers are thin: they
//! read, ask the store once, and show.

mod batch;
mod bundle;
mod dead;
mod events;
mod evidence;
mod gates;
mod guard;
mod health;
mod held;
mod input;
mod listen;
mod logs;
mod problem;
mod record;
mod submit;
mod tasks;
mod time;
mod view;
pub mod waiting;
mod write;

pub use guard::{DATA_DIRECTORY, INSTANCE};
pub use listen::serve;
pub use problem::Problem;
pub use time::{from_rfc3339, rfc3339};

use crate::config::Config;
use crate::seams::{Clock, Dice};
use crate::wiring;
use axum::Router;
use axum::http::HeaderValue;
use chimera_agent::spec::Project;
use chimera_agent::toolchain::Search;
use chimera_agent::vault::Vault;
use chimera_core::{Gates, Policy, UnixMillis};
use chimera_store::Store;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::SwaggerUi;

/// Most event streams at a time: each holds a connection and a task.
const STREAMS: usize = 256;
/// Most bundles made or sent at a time: each reads all evidence of a task twice.
const BUNDLES: usize = 4;

/// What the handlers need to know of the configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The configured projects.
    pub projects: Vec<Project>,
    /// Where evidence and logs lie.
    pub data_dir: PathBuf,
    /// Where the judge's tools are.
    pub tools: Search,
    /// The limits of a delivery.
    pub policy: Policy,
    /// What may hold tasks back.
    pub gates: Gates,
    /// The host that the interface is bound to.
    pub host: String,
    /// Further `Host` names that are answered.
    pub allowed_hosts: Vec<String>,
}

/// What the handlers share. Clones share everything, and cost next to nothing: each request makes several.
#[derive(Clone)]
pub struct App(Arc<Shared>);

/// See [`App`], which gives access to it.
#[derive(Clone)]
pub struct Shared {
    store: Store,
    settings: Settings,
    clock: Clock,
    dice: Dice,
    started_at: UnixMillis,
    vault: Option<Vault>,
    ending: CancellationToken,
    /// Whether an engine runs in this process.
    engine: bool,
    streams: Arc<Semaphore>,
    bundles: Arc<Semaphore>,
    /// Headers that say which daemon answers.
    names: Vec<(&'static str, HeaderValue)>,
}

impl App {
    /// An interface to this store; ready at once.
    pub fn new(store: Store, config: &Config, clock: Clock, dice: Dice) -> Self {
        let settings = Settings {
            projects: config.projects.clone(),
            data_dir: config.data_dir.clone(),
            tools: wiring::tools(config),
            policy: config.policy,
            gates: config.gates(),
            host: config.api.host.clone(),
            allowed_hosts: config.api.allowed_hosts.clone(),
        };
        Self::with_settings(store, settings, clock, dice)
    }

    /// An interface with settings of one's own.
    pub fn with_settings(store: Store, settings: Settings, clock: Clock, dice: Dice) -> Self {
        let vault = Vault::new(&settings.data_dir.join("evidence"));
        if let Err(err) = &vault {
            tracing::warn!(error = %err, "evidence cannot be shown");
        }
        Self(Arc::new(Shared {
            store,
            started_at: clock.now(),
            settings,
            clock,
            dice,
            vault: vault.ok(),
            ending: CancellationToken::new(),
            engine: false,
            // Half of the seats at most: somebody has to be able to ask and to submit.
            streams: Arc::new(Semaphore::new(STREAMS.min(listen::seats() / 2))),
            bundles: Arc::new(Semaphore::new(BUNDLES)),
            names: Vec::new(),
        }))
    }

    /// Ends the event streams when `asked` is cancelled, so that a graceful shutdown need not wait for them,
    /// and answers `/readyz` with "shutting down" from then on.
    #[must_use]
    pub fn ending_with(mut self, asked: CancellationToken) -> Self {
        Arc::make_mut(&mut self.0).ending = asked;
        self
    }

    /// Says with every answer which daemon it comes from: the name of its data directory, and on this machine its path.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        let (dir, shared) = (self.settings.data_dir.clone(), Arc::make_mut(&mut self.0));
        shared.names = guard::names(name, &dir, &shared.settings.host);
        self
    }

    /// Says that an engine runs in this process, so that `/health` need not wait for its first sign of life.
    #[must_use]
    pub fn with_engine(mut self, engine: bool) -> Self {
        Arc::make_mut(&mut self.0).engine = engine;
        self
    }

    fn now(&self) -> UnixMillis {
        self.clock.now()
    }
}

impl Deref for App {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Chimera",
        description = "Submit a feature once; come back to a branch with the change and the proof that it works. \
            Errors are RFC 9457 problem documents, times are RFC 3339 in UTC."
    ),
    tags(
        (name = "tasks", description = "Submitting, finding and steering tasks"),
        (name = "dead letters", description = "Failed tasks that wait for a person"),
        (name = "events", description = "The journal, as pages and as a live stream"),
        (name = "evidence", description = "What proves a task: reports, screenshots, logs"),
        (name = "gates", description = "What holds tasks back: pauses, circuit breakers, the daemons that live"),
        (name = "health", description = "Whether the daemon lives")
    )
)]
struct Description;

/// The whole interface.
pub fn router(app: App) -> Router {
    let (routes, mut openapi) = OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(submit::submit))
        .routes(routes!(batch::submit))
        .routes(routes!(tasks::list))
        .routes(routes!(tasks::show))
        .routes(routes!(tasks::reprioritise))
        .routes(routes!(tasks::cancel))
        .routes(routes!(tasks::retry))
        .routes(routes!(dead::list))
        .routes(routes!(dead::retry))
        .routes(routes!(dead::discard))
        .routes(routes!(gates::pauses, gates::pause))
        .routes(routes!(gates::resume))
        .routes(routes!(gates::breakers))
        .routes(routes!(gates::close))
        .routes(routes!(gates::daemons))
        .routes(routes!(events::of_task))
        .routes(routes!(events::of_all))
        .routes(routes!(evidence::list))
        .routes(routes!(evidence::download))
        .routes(routes!(bundle::bundle))
        .routes(routes!(bundle::key))
        .routes(routes!(logs::list))
        .routes(routes!(logs::read))
        .routes(routes!(health::health))
        .routes(routes!(health::livez))
        .routes(routes!(health::readyz))
        .split_for_parts();
    env!("CARGO_PKG_VERSION").clone_into(&mut openapi.info.version);
    let docs = SwaggerUi::new("/docs").url("/openapi.json", openapi);
    let routes = routes
        .merge(docs)
        .fallback(problem::no_such_route)
        .method_not_allowed_fallback(problem::no_such_method)
        .with_state(app.clone());
    guard::around(routes, app)
}
