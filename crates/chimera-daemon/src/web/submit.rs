//! Accepting tasks.

use super::input::JsonBody;
use super::view::Submission;
use super::write::unless_busy;
use super::{App, Problem};
use crate::intake;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use chimera_agent::vault::sha256;
use chimera_core::{Priority, Request};
use chimera_store::submit::{self, IdempotencyKey, NewTask, Submitted};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Longest idempotency key, in bytes.
const KEY_BYTES: usize = 255;

/// A feature request. Unknown fields are refused.
#[derive(Serialize, ToSchema)]
pub(super) struct NewRequest {
    /// What users can do once it is there; at most 16384 bytes.
    #[schema(example = "User can view homepage")]
    feature: String,
    /// The page of the running application (http or https).
    #[schema(example = "https://example.com")]
    target_url: String,
    /// Where the change is staged, if not by the project.
    staging_url: Option<String>,
    /// 1 (whenever) to 10 (at once).
    #[schema(minimum = 1, maximum = 10, default = 5)]
    priority: Option<u8>,
    /// Sentences of the documented grammar that the test asserts; without them they are derived from the feature.
    #[schema(max_items = 50)]
    acceptance: Option<Vec<String>>,
    /// A configured project; without it `target_url` decides.
    project: Option<String>,
    /// The earliest start.
    #[schema(format = DateTime)]
    not_before: Option<String>,
    /// Past it the task fails with the reason `deadline`, whether it waits or runs.
    #[schema(format = DateTime)]
    deadline: Option<String>,
    /// A task that has not begun by then is cancelled.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// Ids of tasks that have to be completed first.
    #[schema(max_items = 100)]
    after: Option<Vec<String>>,
    /// Free marks to filter by.
    labels: Option<BTreeMap<String, String>>,
}

/// Submit a task.
///
/// The answer comes once the task is on the disk, synced.
#[utoipa::path(
    post,
    path = "/api/tasks",
    tag = "tasks",
    request_body = NewRequest,
    params(("Idempotency-Key" = Option<String>, Header,
        description = "The same request under the same key gives the task that exists; at most 255 visible ASCII characters")),
    responses(
        (status = 200, description = "Accepted", body = Submission),
        (status = 400, description = "No JSON", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The key was used for another request", body = Problem,
            content_type = "application/problem+json"),
        (status = 413, description = "Too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not application/json", body = Problem,
            content_type = "application/problem+json"),
        (status = 422, description = "Fields cannot be accepted; each is named", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(super) async fn submit(
    State(app): State<App>,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let now = app.now();
    let accepted = intake::read(&body, &app.settings.projects, now);
    let accepted = accepted.map_err(Problem::refused)?.resolve(&[]);
    let new = NewTask {
        id: app.dice.task_id(now),
        idempotency: idempotency(&headers, &accepted.request)?,
        request: accepted.request,
        project: accepted.project,
        now,
    };
    // Of two submissions with one key that come at the same instant, the later one is turned away once and then finds
    // the task of the other.
    let submitted = unless_busy(|| submit::accept(&app.store, new.clone())).await.map_err(Problem::store)?;
    let known = matches!(submitted, Submitted::Existing(_));
    let task = submitted.into_task();
    let mut response = Json(Submission::of(&task)).into_response();
    if let Ok(place) = HeaderValue::from_str(&format!("/api/tasks/{}", task.id)) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(if known { replayed(response) } else { response })
}

/// Says that the answer is about what was accepted before.
pub(super) fn replayed(mut response: Response) -> Response {
    let name = HeaderName::from_static("idempotent-replayed");
    response.headers_mut().insert(name, HeaderValue::from_static("true"));
    response
}

/// The key with the hash of the checked request: white space and the order of fields do not matter. The priority
/// may have been changed since, but is part of what was asked for.
fn idempotency(headers: &HeaderMap, request: &Request) -> Result<Option<IdempotencyKey>, Problem> {
    let Some(key) = key(headers)? else { return Ok(None) };
    let canonical = serde_json::to_vec(request).map_err(|_| Problem::internal())?;
    Ok(Some(IdempotencyKey { key, body_sha256: sha256(&canonical) }))
}

/// The key, if one was sent.
pub(super) fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let fits =
        |key: &&str| (1..=KEY_BYTES).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    match value.to_str().ok().filter(fits) {
        Some(key) => Ok(Some(key.to_owned())),
        None => {
            let detail = format!("must be 1 to {KEY_BYTES} visible ASCII characters");
            Err(Problem::field("Idempotency-Key", detail))
        }
    }
}

/// A new priority.
#[derive(Serialize, ToSchema)]
pub(super) struct NewPriority {
    /// 1 (whenever) to 10 (at once).
    #[schema(minimum = 1, maximum = 10)]
    priority: u8,
}

/// Reads the body of a change of priority.
pub(super) fn new_priority(body: &[u8]) -> Result<Priority, Problem> {
    let object = intake::object(body).map_err(Problem::refused)?;
    intake::only(&object, &["priority"]).map_err(Problem::refused)?;
    intake::priority(&object).map_err(Problem::refused)
}
