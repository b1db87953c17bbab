//! Finding and steering tasks.

use super::dead::phase;
use super::held::held_by;
use super::input::{Id, JsonBody, MaybeBody, Params};
use super::submit::{NewPriority, new_priority};
use super::view::{TaskPage, TaskView};
use super::waiting::Around;
use super::{App, Problem};
use crate::config::nearest;
use crate::intake;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chimera_core::gates::Board;
use chimera_core::{Gates, Phase, Status, Task, TaskId, UnixMillis};
use chimera_store::read::{self, Filter, PAGE};
use chimera_store::steer::{self, Cancel};
use chimera_store::{ReadTx, StoreError, hold};
use chimera_store::{after, home};
use serde::Serialize;
use utoipa::ToSchema;

/// Items of a page unless said otherwise.
const PAGE_DEFAULT: i64 = 50;
/// The parameters of the list.
const LIST: [&str; 6] = ["status", "project", "label", "q", "limit", "cursor"];

/// Where to start again.
#[derive(Serialize, ToSchema)]
pub(super) struct Retry {
    /// A phase that was reached; without it the one in which the task ended.
    #[schema(example = "CODE_IMPLEMENTATION")]
    from: Option<String>,
}

/// List tasks, newest first.
#[utoipa::path(
    get,
    path = "/api/tasks",
    tag = "tasks",
    params(
        ("status" = Option<String>, Query, description = "`queued`, `running`, `completed`, `failed`, `cancelled`; repeat it or separate by commas"),
        ("project" = Option<String>, Query, description = "This project"),
        ("label" = Option<String>, Query, description = "`key=value`; repeat it for several, which must all be there"),
        ("q" = Option<String>, Query, description = "A text within the feature"),
        ("limit" = Option<u32>, Query, description = "1 to 200 items; 50"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses(
        (status = 200, description = "A page", body = TaskPage),
        (status = 422, description = "A parameter cannot be understood", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(State(app): State<App>, params: Params) -> Result<Json<TaskPage>, Problem> {
    let params = params.only(&LIST)?;
    let filter = Filter {
        status: statuses(&params)?,
        project: params.get("project").map(str::to_owned),
        label: labels(&params)?,
        text: params.get("q").map(str::to_owned),
        ..Filter::default()
    };
    let limit = params.number("limit", 1, i64::from(PAGE))?.unwrap_or(PAGE_DEFAULT);
    let limit = u32::try_from(limit).unwrap_or(PAGE);
    let cursor = params.get("cursor").map(str::to_owned);
    page(&app, filter, cursor, limit).await.map(Json)
}

/// A page of the tasks that a filter lets through.
pub(super) async fn page(
    app: &App,
    filter: Filter,
    cursor: Option<String>,
    limit: u32,
) -> Result<TaskPage, Problem> {
    let now = app.now();
    let settings = app.settings.clone();
    let read = app.store.read(move |tx| {
        let page = read::list(tx, &filter, cursor.as_deref(), limit)?;
        let board = Board::over_all(&settings.gates, hold::facts(tx, now)?);
        let looked_at = |task: Task| Ok((around(tx, &task, &settings.gates, &board)?, task));
        let items = page.items.into_iter().map(looked_at).collect::<Result<Vec<_>, StoreError>>()?;
        Ok((items, page.next))
    });
    let (items, next) = read.await.map_err(Problem::store)?;
    let items = items.into_iter().map(|(around, task)| TaskView::of(task, &around, now)).collect();
    Ok(TaskPage { items, next })
}

fn statuses(params: &Params) -> Result<Vec<Status>, Problem> {
    let names = params.all("status").flat_map(|list| list.split(',')).map(str::trim);
    names.filter(|name| !name.is_empty()).map(status).collect()
}

fn status(name: &str) -> Result<Status, Problem> {
    Status::parse(name).ok_or_else(|| {
        let hint = match nearest(name, Status::ALL.into_iter().map(Status::as_str)) {
            Some(hint) => format!("did you mean `{hint}`?"),
            None => format!("known are {}", Status::ALL.map(Status::as_str).join(", ")),
        };
        Problem::field("status", format!("is not a status: {hint}"))
    })
}

pub(super) fn labels(params: &Params) -> Result<Vec<(String, String)>, Problem> {
    let pair = |label: &str| match label.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(Problem::field("label", "must be written as key=value")),
    };
    params.all("label").map(pair).collect()
}

/// Show a task.
#[utoipa::path(
    get,
    path = "/api/tasks/{task_id}",
    tag = "tasks",
    params(("task_id" = String, Path, description = "The name of the task")),
    responses(
        (status = 200, description = "The task", body = TaskView),
        (status = 404, description = "There is no such task", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn show(State(app): State<App>, Id(id): Id) -> Result<Json<TaskView>, Problem> {
    view(&app, id).await.map(Json)
}

async fn view(app: &App, id: TaskId) -> Result<TaskView, Problem> {
    let now = app.now();
    let settings = app.settings.clone();
    let read = app.store.read(move |tx| looked_at(tx, &id, &settings.gates, now)).await;
    let (task, around) = read.map_err(Problem::store)?;
    Ok(TaskView::of(task, &around, now))
}

/// What is around a task, but for its place in the queue.
fn around(tx: &ReadTx<'_>, task: &Task, gates: &Gates, board: &Board<'_>) -> Result<Around, StoreError> {
    if task.status != Status::Queued {
        return Ok(Around::default());
    }
    let (away, held) = (home::away(tx, &task.id, board.facts().now)?, held_by(task, gates, board));
    Ok(Around { ahead: None, after: after::waits(tx, task)?, away, held })
}

fn looked_at(
    tx: &ReadTx<'_>,
    id: &TaskId,
    gates: &Gates,
    now: UnixMillis,
) -> Result<(Task, Around), StoreError> {
    let task = read::task(tx, id)?.ok_or_else(|| StoreError::NotFound { id: id.clone() })?;
    let ahead = (task.status == Status::Queued).then(|| read::ahead(tx, &task)).transpose()?;
    let board = Board::over_all(gates, hold::facts(tx, now)?);
    let around = Around { ahead, ..around(tx, &task, gates, &board)? };
    Ok((task, around))
}

/// Change the priority of a task that has not ended.
#[utoipa::path(
    patch,
    path = "/api/tasks/{task_id}",
    tag = "tasks",
    params(("task_id" = String, Path, description = "The name of the task")),
    request_body = NewPriority,
    responses(
        (status = 200, description = "The task", body = TaskView),
        (status = 404, description = "There is no such task", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It has ended", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "No priority", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn reprioritise(
    State(app): State<App>,
    Id(id): Id,
    JsonBody(body): JsonBody,
) -> Result<Json<TaskView>, Problem> {
    let (priority, now) = (new_priority(&body)?, app.now());
    let task = id.clone();
    let changed = app.write(move |tx| steer::set_priority(tx, &task, priority, now)).await;
    changed.map_err(Problem::store)?;
    view(&app, id).await.map(Json)
}

/// Cancel a task that has not ended.
#[utoipa::path(
    post,
    path = "/api/tasks/{task_id}/cancel",
    tag = "tasks",
    params(("task_id" = String, Path, description = "The name of the task")),
    responses(
        (status = 200, description = "It was waiting and is cancelled", body = TaskView),
        (status = 202, description = "It is running; its worker is about to stop it", body = TaskView),
        (status = 404, description = "There is no such task", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It has ended", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn cancel(State(app): State<App>, Id(id): Id) -> Result<Response, Problem> {
    let (task, now, policy) = (id.clone(), app.now(), app.settings.policy);
    let cancelled = app.write(move |tx| steer::cancel(tx, &task, now, &policy)).await;
    let status = match cancelled.map_err(Problem::store)? {
        Cancel::Cancelled => StatusCode::OK,
        Cancel::Requested => StatusCode::ACCEPTED,
    };
    Ok((status, Json(view(&app, id).await?)).into_response())
}

/// Send a failed or cancelled task back into the queue.
#[utoipa::path(
    post,
    path = "/api/tasks/{task_id}/retry",
    tag = "tasks",
    params(("task_id" = String, Path, description = "The name of the task")),
    request_body(content = Option<Retry>, description = "Optional"),
    responses(
        (status = 200, description = "The task, queued again", body = TaskView),
        (status = 404, description = "There is no such task", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It has not ended, is completed, or did not reach that phase", body = Problem,
            content_type = "application/problem+json"),
        (status = 422, description = "No such phase", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn retry(
    State(app): State<App>,
    Id(id): Id,
    MaybeBody(body): MaybeBody,
) -> Result<Json<TaskView>, Problem> {
    let from = body.map_or(Ok(None), |body| retry_from(&body))?;
    let (now, policy, task) = (app.now(), app.settings.policy, id.clone());
    let gates = app.settings.gates.clone();
    let requeued = app.write(move |tx| steer::retry(tx, &task, from, now, &policy, &gates));
    requeued.await.map_err(Problem::store)?;
    view(&app, id).await.map(Json)
}

fn retry_from(body: &[u8]) -> Result<Option<Phase>, Problem> {
    let object = intake::object(body).map_err(Problem::refused)?;
    intake::only(&object, &["from"]).map_err(Problem::refused)?;
    let Some(value) = object.get("from").filter(|value| !value.is_null()) else { return Ok(None) };
    phase("from", value.as_str().unwrap_or_default()).map(Some)
}
