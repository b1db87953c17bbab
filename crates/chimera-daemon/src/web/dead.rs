//! Dead letters: failed tasks that wait for a person, and what is done to many of them at once.

use super::input::{JsonBody, Params};
use super::tasks::{labels, page};
use super::view::TaskPage;
use super::{App, Problem};
use crate::config::{nearest, span};
use crate::intake;
use axum::Json;
use axum::extract::State;
use chimera_core::{Phase, Reason, TaskId, UnixMillis};
use chimera_store::dead::{self, Treatment, Which};
use chimera_store::read::{Filter, PAGE};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Items of a page, and tasks treated at once, unless said otherwise.
const DEFAULT: i64 = 100;
/// The parameters of the list.
const LIST: [&str; 9] =
    ["reason", "phase", "project", "label", "q", "older_than", "newer_than", "limit", "cursor"];
/// The fields that say which ones.
const CHOICE: [&str; 8] =
    ["tasks", "all", "reason", "phase", "project", "labels", "older_than", "newer_than"];
/// The fields that say how.
const MANNER: [&str; 4] = ["from", "limit", "cursor", "dry_run"];

/// Which dead letters, and what is done to them. One of the first eight fields is required.
#[derive(Serialize, ToSchema)]
pub(super) struct Treat {
    /// These tasks; the other filters do not count then.
    #[schema(max_items = 200)]
    tasks: Option<Vec<String>>,
    /// All of them.
    all: Option<bool>,
    /// Failed for this reason.
    #[schema(example = "agent_error")]
    reason: Option<String>,
    /// Failed in this phase.
    #[schema(example = "CODE_IMPLEMENTATION")]
    phase: Option<String>,
    /// Of this project.
    project: Option<String>,
    /// With all of these labels.
    labels: Option<BTreeMap<String, String>>,
    /// Failed longer ago than this.
    #[schema(example = "7d")]
    older_than: Option<String>,
    /// Failed since.
    #[schema(example = "1h")]
    newer_than: Option<String>,
    /// The phase to go on from; without it the one in which each failed. Only to retry.
    from: Option<String>,
    /// At most so many at once, 1 to 200.
    #[schema(default = 100)]
    limit: Option<u32>,
    /// `next` of the answer before, to go on there.
    cursor: Option<String>,
    /// Only say what would be done.
    dry_run: Option<bool>,
}

/// What was done.
#[derive(Serialize, ToSchema)]
pub(super) struct Treated {
    /// True if nothing was done but looking.
    dry_run: bool,
    /// The tasks that it was done to.
    #[schema(value_type = Vec<String>)]
    done: Vec<TaskId>,
    /// The tasks that it is not possible for.
    refused: Vec<Refused>,
    /// The `cursor` of the next ones; null if there are none.
    next: Option<String>,
}

/// A task that something is not possible for.
#[derive(Serialize, ToSchema)]
struct Refused {
    /// The task.
    task_id: String,
    /// Why.
    detail: String,
}

/// List dead letters: failed tasks that no person has given up, newest first.
#[utoipa::path(
    get,
    path = "/api/dead-letters",
    tag = "dead letters",
    params(
        ("reason" = Option<String>, Query, description = "Failed for this reason"),
        ("phase" = Option<String>, Query, description = "Failed in this phase"),
        ("project" = Option<String>, Query, description = "This project"),
        ("label" = Option<String>, Query, description = "`key=value`; repeat it for several, which must all be there"),
        ("q" = Option<String>, Query, description = "A text within the feature"),
        ("older_than" = Option<String>, Query, description = "Failed longer ago than this, such as `7d`"),
        ("newer_than" = Option<String>, Query, description = "Failed since, such as `1h`"),
        ("limit" = Option<u32>, Query, description = "1 to 200 items; 100"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses(
        (status = 200, description = "A page", body = TaskPage),
        (status = 422, description = "A parameter cannot be understood", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(State(app): State<App>, params: Params) -> Result<Json<TaskPage>, Problem> {
    let params = params.only(&LIST)?;
    let now = app.now();
    let filter = Filter {
        reason: params.get("reason").map(reason).transpose()?,
        failed_in: params.get("phase").map(|name| phase("phase", name)).transpose()?,
        project: params.get("project").map(str::to_owned),
        label: labels(&params)?,
        text: params.get("q").map(str::to_owned),
        ended_before: params.get("older_than").map(|text| ago("older_than", text, now)).transpose()?,
        ended_after: params.get("newer_than").map(|text| ago("newer_than", text, now)).transpose()?,
        ..Filter::default()
    };
    let limit = params.number("limit", 1, i64::from(PAGE))?.unwrap_or(DEFAULT);
    let cursor = params.get("cursor").map(str::to_owned);
    let limit = u32::try_from(limit).unwrap_or(PAGE);
    page(&app, dead::waiting(filter), cursor, limit).await.map(Json)
}

/// Send dead letters back into the queue, a bounded number at once.
#[utoipa::path(
    post,
    path = "/api/dead-letters/retry",
    tag = "dead letters",
    request_body = Treat,
    responses(
        (status = 200, description = "What was done", body = Treated),
        (status = 422, description = "A field cannot be accepted", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn retry(
    State(app): State<App>,
    JsonBody(body): JsonBody,
) -> Result<Json<Treated>, Problem> {
    let object = read(&body, &MANNER)?;
    let from = text(&object, "from")?.map(|name| phase("from", name)).transpose()?;
    treat(&app, &object, Treatment::Retry(from)).await
}

/// Give dead letters up, a bounded number at once: they are no dead letters any more and pruned before others.
/// Each can still be retried by its name until then.
#[utoipa::path(
    post,
    path = "/api/dead-letters/discard",
    tag = "dead letters",
    request_body = Treat,
    responses(
        (status = 200, description = "What was done", body = Treated),
        (status = 422, description = "A field cannot be accepted", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn discard(
    State(app): State<App>,
    JsonBody(body): JsonBody,
) -> Result<Json<Treated>, Problem> {
    let object = read(&body, &MANNER[1..])?;
    treat(&app, &object, Treatment::Discard).await
}

async fn treat(
    app: &App,
    object: &Map<String, Value>,
    treatment: Treatment,
) -> Result<Json<Treated>, Problem> {
    let (now, policy, gates) = (app.now(), app.settings.policy, app.settings.gates.clone());
    let (which, dry_run) = (which(object, now)?, flag(object, "dry_run")?);
    let act = if dry_run { dead::rehearse } else { dead::treat };
    let treated = app.write(move |tx| act(tx, which, treatment, now, &policy, &gates)).await;
    let dead::Treated { done, refused, next } = treated.map_err(Problem::store)?;
    let refused = refused.into_iter().map(|(id, detail)| Refused { task_id: id.to_string(), detail });
    Ok(Json(Treated { dry_run, done, refused: refused.collect(), next }))
}

fn read(body: &[u8], manner: &[&str]) -> Result<Map<String, Value>, Problem> {
    let mut object = intake::object(body).map_err(Problem::refused)?;
    object.retain(|_, value| !value.is_null());
    intake::only(&object, &[&CHOICE[..], manner].concat()).map_err(Problem::refused)?;
    if CHOICE.iter().any(|name| object.contains_key(*name)) {
        return Ok(object);
    }
    let detail = format!("must select tasks: give one of {}", CHOICE.join(", "));
    Err(Problem::field("body", detail))
}

fn which(object: &Map<String, Value>, now: UnixMillis) -> Result<Which, Problem> {
    if let Some(tasks) = object.get("tasks") {
        return named(tasks).map(Which::Named);
    }
    if object.contains_key("all") && !flag(object, "all")? {
        return Err(Problem::field("all", "must be true, or left out"));
    }
    let limit = match object.get("limit").map(Value::as_i64) {
        None => DEFAULT,
        Some(Some(limit)) if (1..=i64::from(PAGE)).contains(&limit) => limit,
        Some(_) => return Err(Problem::field("limit", format!("must be a whole number from 1 to {PAGE}"))),
    };
    let age = |name| text(object, name)?.map(|text| ago(name, text, now)).transpose();
    let filter = Filter {
        reason: text(object, "reason")?.map(reason).transpose()?,
        failed_in: text(object, "phase")?.map(|name| phase("phase", name)).transpose()?,
        project: text(object, "project")?.map(str::to_owned),
        label: pairs(object)?,
        ended_before: age("older_than")?,
        ended_after: age("newer_than")?,
        ..Filter::default()
    };
    let cursor = text(object, "cursor")?.map(str::to_owned);
    Ok(Which::Filtered(Box::new(filter), cursor, u32::try_from(limit).unwrap_or(PAGE)))
}

fn named(tasks: &Value) -> Result<Vec<TaskId>, Problem> {
    let items = tasks.as_array().filter(|items| (1..=PAGE as usize).contains(&items.len()));
    let items =
        items.ok_or_else(|| Problem::field("tasks", format!("must be a list of 1 to {PAGE} task ids")))?;
    let id = |(position, item): (usize, &Value)| {
        TaskId::parse(item.as_str().unwrap_or_default())
            .map_err(|err| Problem::field(format!("tasks[{position}]"), err.to_string()))
    };
    items.iter().enumerate().map(id).collect()
}

fn pairs(object: &Map<String, Value>) -> Result<Vec<(String, String)>, Problem> {
    let wrong = || Problem::field("labels", "must be an object of texts such as {\"team\": \"shop\"}");
    let Some(labels) = object.get("labels") else { return Ok(Vec::new()) };
    let labels = labels.as_object().ok_or_else(wrong)?;
    let pair =
        |(key, value): (&String, &Value)| Ok((key.clone(), value.as_str().ok_or_else(wrong)?.to_owned()));
    labels.iter().map(pair).collect()
}

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Problem> {
    let Some(value) = object.get(name) else { return Ok(None) };
    value.as_str().map(Some).ok_or_else(|| Problem::field(name, "must be a text"))
}

fn flag(object: &Map<String, Value>, name: &str) -> Result<bool, Problem> {
    let Some(value) = object.get(name) else { return Ok(false) };
    value.as_bool().ok_or_else(|| Problem::field(name, "must be true or false"))
}

fn reason(name: &str) -> Result<Reason, Problem> {
    Reason::ALL.into_iter().find(|reason| reason.as_str() == name).ok_or_else(|| {
        let hint = match nearest(name, Reason::ALL.into_iter().map(Reason::as_str)) {
            Some(hint) => format!("did you mean `{hint}`?"),
            None => format!("known are {}", Reason::ALL.map(Reason::as_str).join(", ")),
        };
        Problem::field("reason", format!("`{name}` is not a known reason: {hint}"))
    })
}

/// A phase that a task can stand in.
pub(super) fn phase(field: &str, name: &str) -> Result<Phase, Problem> {
    let phase = Phase::parse(name).filter(|phase| !phase.is_end());
    let known = || Phase::WORKING.map(Phase::as_str).join(", ");
    phase.ok_or_else(|| Problem::field(field, format!("must be one of {}", known())))
}

fn ago(field: &str, text: &str, now: UnixMillis) -> Result<UnixMillis, Problem> {
    let age = span(text).map_err(|why| Problem::field(field, why))?;
    Ok(UnixMillis(now.0.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX))))
}
