//! Whether the daemon lives, is ready, and how much it has to do.

use super::{App, Problem};
use axum::Json;
use axum::extract::State;
use chimera_store::{StoreError, counts, roster};
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// How long the store may take to answer before the daemon counts as not ready.
const PATIENCE: Duration = Duration::from_secs(2);

/// The health of the daemon.
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    /// `healthy`, or `no_engine` if no daemon takes tasks: what is submitted waits.
    #[schema(example = "healthy")]
    status: &'static str,
    /// Seconds since the start of this process.
    #[schema(example = 3600)]
    uptime: u64,
    /// Tasks that wait.
    tasks_queued: u64,
    /// Tasks that run.
    tasks_running: u64,
    /// Tasks delivered and proven.
    tasks_completed: u64,
    /// Tasks that ended without proof.
    tasks_failed: u64,
}

/// The readiness of the daemon.
#[derive(Serialize, ToSchema)]
pub(super) struct Ready {
    /// `ready`.
    #[schema(example = "ready")]
    status: &'static str,
}

/// How much there is to do.
#[utoipa::path(get, path = "/health", tag = "health", responses(
    (status = 200, description = "Healthy", body = Health),
    (status = 503, description = "The store does not answer", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn health(State(app): State<App>) -> Result<Json<Health>, Problem> {
    let counts = in_time(app.store.read(counts::counts)).await?;
    let now = app.now();
    let manned = app.engine
        || app.store.read(move |tx| roster::daemons(tx, now)).await.is_ok_and(|daemons| !daemons.is_empty());
    Ok(Json(Health {
        status: if manned { "healthy" } else { "no_engine" },
        uptime: app.now().since(app.started_at).as_secs(),
        tasks_queued: counts.queued,
        tasks_running: counts.running,
        tasks_completed: counts.completed,
        tasks_failed: counts.failed,
    }))
}

async fn in_time<T>(asked: impl Future<Output = Result<T, StoreError>>) -> Result<T, Problem> {
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(err)) => Err(Problem::unavailable(err.to_string())),
        Err(_) => Err(Problem::unavailable("the database does not answer in time")),
    }
}

/// Whether the process lives.
#[utoipa::path(get, path = "/livez", tag = "health", responses((status = 200, description = "It does", body = String)))]
pub(super) async fn livez() -> &'static str {
    "ok\n"
}

/// Whether requests are welcome: the database answers, and takes changes.
#[utoipa::path(get, path = "/readyz", tag = "health", responses(
    (status = 200, description = "They are", body = Ready),
    (status = 503, description = "Why not", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn readyz(State(app): State<App>) -> Result<Json<Ready>, Problem> {
    if app.ending.is_cancelled() {
        return Err(Problem::unavailable("the daemon is shutting down"));
    }
    in_time(app.store.takes_changes()).await?;
    Ok(Json(Ready { status: "ready" }))
}
