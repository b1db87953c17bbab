//! Accepting many tasks at once.

use super::input::LargeBody;
use super::submit::{NewRequest, key, replayed};
use super::view::Submission;
use super::{App, Problem};
use crate::intake::{self, Accepted, Reference};
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use chimera_agent::vault::sha256;
use chimera_core::{Digest, TaskId};
use chimera_store::StoreError;
use chimera_store::batch::{self, Batch, NewBatch};
use chimera_store::submit::{IdempotencyKey, NewTask};
use serde::Serialize;
use utoipa::ToSchema;

/// Requests that are accepted together.
#[derive(Serialize, ToSchema)]
pub(super) struct NewRequests {
    /// 1 to 500 requests; `after` of one may name an earlier one by its place, as in `"#0"`.
    #[schema(min_items = 1, max_items = 500)]
    tasks: Vec<NewRequest>,
}

/// The answer to a batch.
#[derive(Serialize, ToSchema)]
pub(super) struct Submissions {
    /// In the order of the requests.
    tasks: Vec<Submission>,
}

/// Submit many tasks: all of them are accepted, or none.
///
/// The answer comes once the tasks are on the disk, synced. What is wrong is told of all of them, as
/// `tasks[3].priority`.
#[utoipa::path(
    post,
    path = "/api/tasks/batch",
    tag = "tasks",
    request_body = NewRequests,
    params(("Idempotency-Key" = Option<String>, Header,
        description = "The same batch under the same key gives the tasks that exist; at most 255 visible ASCII characters")),
    responses(
        (status = 200, description = "Accepted", body = Submissions),
        (status = 400, description = "No JSON", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The key was used for another request", body = Problem,
            content_type = "application/problem+json"),
        (status = 413, description = "Too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not application/json", body = Problem,
            content_type = "application/problem+json"),
        (status = 422, description = "Something cannot be accepted; all of it is named", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(super) async fn submit(
    State(app): State<App>,
    headers: HeaderMap,
    LargeBody(body): LargeBody,
) -> Result<Response, Problem> {
    let now = app.now();
    let accepted = intake::read_batch(&body, &app.settings.projects, now).map_err(Problem::refused)?;
    let idempotency = match key(&headers)? {
        Some(key) => Some(IdempotencyKey { key, body_sha256: canonical(&accepted)? }),
        None => None,
    };
    let ids: Vec<TaskId> = accepted.iter().map(|_| app.dice.task_id(now)).collect();
    let task = |(id, accepted): (&TaskId, Accepted)| {
        let Accepted { request, project, .. } = accepted.resolve(&ids);
        NewTask { id: id.clone(), request, project, now, idempotency: None }
    };
    let batch = NewBatch { tasks: ids.iter().zip(accepted).map(task).collect(), idempotency };
    match app.write(move |tx| batch::submit(tx, &batch)).await.map_err(refused)? {
        Batch::Created(tasks) => {
            let tasks = tasks.iter().map(Submission::of).collect();
            Ok(Json(Submissions { tasks }).into_response())
        }
        Batch::Existing(known) => {
            let tasks = known.iter().map(|(id, task)| Submission::known(id, task.as_ref())).collect();
            Ok(replayed(Json(Submissions { tasks }).into_response()))
        }
    }
}

/// What was asked for, whatever ids it got: the entries of the batch are named by their places.
fn canonical(accepted: &[Accepted]) -> Result<Digest, Problem> {
    let name = |reference: &Reference| match reference {
        Reference::Task(id) => id.to_string(),
        Reference::Entry(place) => format!("#{place}"),
    };
    let asked: Vec<_> = accepted
        .iter()
        .map(|accepted| (&accepted.request, accepted.after.iter().map(name).collect::<Vec<_>>()))
        .collect();
    Ok(sha256(&serde_json::to_vec(&asked).map_err(|_| Problem::internal())?))
}

fn refused(err: StoreError) -> Problem {
    match err {
        StoreError::After(unlinked) => {
            let errors = unlinked.iter().map(|one| intake::in_batch(one.entry, Problem::unlinked(one)));
            Problem::fields(errors.collect())
        }
        err => Problem::store(err),
    }
}
