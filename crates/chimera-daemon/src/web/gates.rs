//! What holds tasks back, seen and changed by people: pauses, circuit breakers, the daemons that live.

use super::input::{JsonBody, Segments};
use super::time::rfc3339;
use super::{App, Problem};
use crate::config::nearest;
use crate::intake;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chimera_core::gates::{BUILTIN, Breaker, Daemon, Pause};
use chimera_core::{Role, Scope, limits};
use chimera_store::{hold, roster};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The fields that say what to pause: at most one of them.
const SCOPES: [&str; 3] = ["project", "role", "agent"];

/// What to pause; without a field of the first three it is the whole queue.
#[derive(Serialize, ToSchema)]
pub(super) struct NewPause {
    /// A project.
    #[schema(example = "bookshop")]
    project: Option<String>,
    /// A role.
    #[schema(example = "coder-agent")]
    role: Option<String>,
    /// An agent.
    agent: Option<String>,
    /// Why, for those who wonder.
    reason: Option<String>,
}

/// Something that is paused.
#[derive(Serialize, ToSchema)]
pub(super) struct PauseView {
    /// Its name: `queue`, `project:NAME`, `role:NAME` or `agent:NAME`.
    #[schema(example = "project:bookshop")]
    id: String,
    /// Since when.
    #[schema(format = DateTime)]
    since: String,
    /// When it ends by itself; without it, a person ends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    until: Option<String>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// What is paused.
#[derive(Serialize, ToSchema)]
pub(super) struct Pauses {
    items: Vec<PauseView>,
}

/// An agent or a project that failed last.
#[derive(Serialize, ToSchema)]
pub(super) struct BreakerView {
    /// Its name: `project:NAME` or `agent:NAME`.
    #[schema(example = "agent:my-coder")]
    id: String,
    /// `counting` (not enough failures to hold anything back), `open`, or `half_open`: one task may try, or does.
    #[schema(example = "open")]
    state: &'static str,
    /// Failures in a row.
    failures: u32,
    /// The last of them.
    #[schema(format = DateTime)]
    failed_at: String,
    /// What went wrong then.
    error: String,
    /// Since when it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    opened_at: Option<String>,
    /// When one task may try.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    until: Option<String>,
    /// The task that tries.
    #[serde(skip_serializing_if = "Option::is_none")]
    probe: Option<String>,
}

/// The agents and projects that failed last.
#[derive(Serialize, ToSchema)]
pub(super) struct Breakers {
    items: Vec<BreakerView>,
}

/// A daemon that takes tasks.
#[derive(Serialize, ToSchema)]
pub(super) struct DaemonView {
    /// Its name in leases.
    owner: String,
    /// When it was last heard of.
    #[schema(format = DateTime)]
    seen_at: String,
    /// Tasks that it runs side by side, at present.
    workers: u32,
    /// Its limits by role.
    #[schema(value_type = BTreeMap<String, u32>)]
    roles: BTreeMap<Role, u32>,
    /// Why it takes no tasks now.
    #[serde(skip_serializing_if = "Option::is_none")]
    throttled: Option<String>,
    /// Tools that it does not find, each with the way to get it: it takes no task that needs one of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing_tools: Vec<String>,
    /// The task that it runs alone, or lets its running phases end for.
    #[serde(skip_serializing_if = "Option::is_none")]
    alone_for: Option<String>,
}

/// The daemons that take tasks.
#[derive(Serialize, ToSchema)]
pub(super) struct Daemons {
    items: Vec<DaemonView>,
}

impl PauseView {
    fn of(pause: Pause) -> Self {
        let Pause { scope, since, until, reason } = pause;
        Self { id: scope.to_string(), since: rfc3339(since), until: until.map(rfc3339), reason }
    }
}

impl BreakerView {
    fn of(breaker: Breaker, now: chimera_core::UnixMillis) -> Self {
        let state = match breaker.open {
            None => "counting",
            Some(open) if now < open.until => "open",
            Some(_) => "half_open",
        };
        Self {
            id: breaker.scope.to_string(),
            state,
            failures: breaker.failures,
            failed_at: rfc3339(breaker.failed_at),
            error: breaker.error,
            opened_at: breaker.open.map(|open| rfc3339(open.since)),
            until: breaker.open.map(|open| rfc3339(open.until)),
            probe: breaker.probe.map(|(task, _)| task.to_string()),
        }
    }
}

impl DaemonView {
    fn of(Daemon { owner, seen_at, state }: Daemon) -> Self {
        let missing_tools = state.missing_tools.into_iter().map(|tool| tool.detail).collect();
        let (workers, roles, throttled) = (state.workers, state.roles, state.throttled);
        let alone_for = state.alone_for.map(|task| task.to_string());
        Self { owner, seen_at: rfc3339(seen_at), workers, roles, throttled, missing_tools, alone_for }
    }
}

/// List what is paused.
#[utoipa::path(get, path = "/api/pauses", tag = "gates", responses(
    (status = 200, description = "What is paused, oldest first", body = Pauses),
))]
pub(super) async fn pauses(State(app): State<App>) -> Result<Json<Pauses>, Problem> {
    let pauses = app.store.read(hold::pauses).await.map_err(Problem::store)?;
    let now = app.now();
    let lasting = pauses.into_iter().filter(|pause| pause.until.is_none_or(|until| now < until));
    Ok(Json(Pauses { items: lasting.map(PauseView::of).collect() }))
}

/// Pause the queue, a project, a role or an agent: what runs goes on to the end of its phase, nothing new begins.
#[utoipa::path(post, path = "/api/pauses", tag = "gates", request_body = NewPause, responses(
    (status = 200, description = "It is paused; if it was before, since then", body = PauseView),
    (status = 422, description = "There is no such thing", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn pause(
    State(app): State<App>,
    JsonBody(body): JsonBody,
) -> Result<Json<PauseView>, Problem> {
    let object = intake::object(&body).map_err(Problem::refused)?;
    intake::only(&object, &["project", "role", "agent", "reason"]).map_err(Problem::refused)?;
    let (scope, reason) = (wanted(&app, &object)?, reason(&object)?);
    let now = app.now();
    let paused = app.write(move |tx| hold::pause(tx, &scope, reason.as_deref(), now)).await;
    Ok(Json(PauseView::of(paused.map_err(Problem::store)?)))
}

/// End a pause.
#[utoipa::path(delete, path = "/api/pauses/{id}", tag = "gates",
    params(("id" = String, Path, description = "`queue`, `project:NAME`, `role:NAME` or `agent:NAME`")),
    responses(
        (status = 204, description = "It goes on"),
        (status = 404, description = "It is not paused", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn resume(
    State(app): State<App>,
    Segments(id): Segments<String>,
) -> Result<StatusCode, Problem> {
    let scope = Scope::parse(&id).map_err(|err| Problem::not_found(err.to_string()))?;
    let resumed = app.write(move |tx| hold::resume(tx, &scope)).await.map_err(Problem::store)?;
    gone(resumed, || format!("{id} is not paused"))
}

/// List the agents and projects that failed last, with their circuit breakers.
#[utoipa::path(get, path = "/api/breakers", tag = "gates", responses(
    (status = 200, description = "Those that failed last", body = Breakers),
))]
pub(super) async fn breakers(State(app): State<App>) -> Result<Json<Breakers>, Problem> {
    let (now, breakers) = (app.now(), app.store.read(hold::breakers).await.map_err(Problem::store)?);
    let items = breakers.into_iter().map(|breaker| BreakerView::of(breaker, now)).collect();
    Ok(Json(Breakers { items }))
}

/// Close a circuit breaker by hand, and forget the failures.
#[utoipa::path(delete, path = "/api/breakers/{id}", tag = "gates",
    params(("id" = String, Path, description = "`project:NAME` or `agent:NAME`")),
    responses(
        (status = 204, description = "It is closed"),
        (status = 404, description = "Nothing failed there", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn close(
    State(app): State<App>,
    Segments(id): Segments<String>,
) -> Result<StatusCode, Problem> {
    let scope = Scope::parse(&id).map_err(|err| Problem::not_found(err.to_string()))?;
    let closed = app.write(move |tx| hold::close(tx, &scope)).await.map_err(Problem::store)?;
    gone(closed, || format!("{id} has no failures to forget"))
}

/// List the daemons that take tasks.
#[utoipa::path(get, path = "/api/daemons", tag = "gates", responses(
    (status = 200, description = "Those that were heard of within their lease", body = Daemons),
))]
pub(super) async fn daemons(State(app): State<App>) -> Result<Json<Daemons>, Problem> {
    let now = app.now();
    let daemons = app.store.read(move |tx| roster::daemons(tx, now)).await.map_err(Problem::store)?;
    Ok(Json(Daemons { items: daemons.into_iter().map(DaemonView::of).collect() }))
}

fn gone(done: bool, why_not: impl FnOnce() -> String) -> Result<StatusCode, Problem> {
    if done { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::not_found(why_not())) }
}

fn wanted(app: &App, object: &Map<String, Value>) -> Result<Scope, Problem> {
    let mut given = SCOPES.iter().filter(|name| object.get(**name).is_some_and(|value| !value.is_null()));
    let Some(kind) = given.next() else { return Ok(Scope::Queue) };
    if let Some(other) = given.next() {
        return Err(Problem::field(*other, format!("cannot go with `{kind}`: pause one after the other")));
    }
    let name = object.get(*kind).and_then(Value::as_str).unwrap_or_default();
    let settings = &app.settings;
    let known: Vec<&str> = match *kind {
        // A scratch project comes with its first task.
        "project" if name.starts_with("scratch-") && name.len() <= limits::PROJECT_BYTES => vec![name],
        "project" => settings.projects.iter().map(|project| project.name.as_str()).collect(),
        "role" => Role::ALL.into_iter().map(Role::as_str).collect(),
        _ => {
            let cast = settings.gates.cast.values().flatten().map(String::as_str);
            let deployers = settings.gates.deployers.values().map(|deployer| deployer.agent.as_str());
            cast.chain(deployers).chain([BUILTIN]).collect()
        }
    };
    if known.contains(&name) {
        return Scope::new(kind, name).map_err(|err| Problem::field(*kind, err.to_string()));
    }
    let hint = nearest(name, known.iter().copied());
    let hint = hint
        .map_or_else(|| format!("there is {}", known.join(", ")), |hint| format!("did you mean `{hint}`?"));
    Err(Problem::field(*kind, format!("`{name}` is not known: {hint}")))
}

fn reason(object: &Map<String, Value>) -> Result<Option<String>, Problem> {
    match object.get("reason") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.len() <= limits::LABEL_BYTES => Ok(Some(text.clone())),
        Some(_) => {
            let detail = format!("must be a text of at most {} bytes", limits::LABEL_BYTES);
            Err(Problem::field("reason", detail))
        }
    }
}
