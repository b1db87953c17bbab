//! The journal: as pages, and as a live stream of server-sent events.
//!
//! A stream is one task that sends what is there, waits for the store's signal, and sends what came since. A
//! slow reader slows down only its own stream; one that vanished ends it.

use super::input::{Id, Params};
use super::time::rfc3339;
use super::{App, Problem};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event as Frame, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use chimera_core::{Status, TaskId, UnixMillis};
use chimera_store::read::{self, Event, PAGE};
use chimera_store::{ReadTx, StoreError};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use utoipa::ToSchema;

/// Silence after which a comment is sent, so that proxies and readers know that the stream lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Frames prepared for a reader ahead of its reading.
const BUFFER: usize = 64;
/// The header in which a stream's reader says how far it has come.
const LAST_EVENT_ID: &str = "last-event-id";
/// The parameters of the journal.
const PARAMS: [&str; 2] = ["after", "limit"];

/// A part of the journal.
#[derive(Serialize, ToSchema)]
pub(super) struct EventPage {
    /// The entries in the order of their writing, each with `id`, `task_id`, `seq`, `at`, `event`, `phase` and `to`.
    #[schema(value_type = Vec<Object>)]
    items: Vec<Value>,
    /// The `after` of the next part; null if this was all there is.
    next: Option<i64>,
}

/// Where in the journal a reader stands.
struct Place {
    task: Option<TaskId>,
    after: i64,
}

/// The journal of a task, as a page or (with `Accept: text/event-stream`) live until the task has ended.
#[utoipa::path(
    get,
    path = "/api/tasks/{task_id}/events",
    tag = "events",
    params(
        ("task_id" = String, Path, description = "The name of the task"),
        ("after" = Option<i64>, Query, description = "Only entries after this id"),
        ("limit" = Option<u32>, Query, description = "1 to 200 entries of a page; 200"),
        ("Last-Event-ID" = Option<i64>, Header, description = "Like `after`, for streams"),
    ),
    responses(
        (status = 200, description = "A page, or a stream", content(
            (EventPage = "application/json"), (String = "text/event-stream"))),
        (status = 204, description = "The task has ended, and `Last-Event-ID` is its last entry"),
        (status = 404, description = "There is no such task", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn of_task(
    State(app): State<App>,
    Id(id): Id,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let asked = id.clone();
    let known = app.store.read(move |tx| read::task(tx, &asked)).await.map_err(Problem::store)?;
    if known.is_none() {
        return Err(Problem::not_found(format!("there is no task {id}")));
    }
    answer(app, Some(id), params, &headers).await
}

/// The journal of all tasks, as a page or (with `Accept: text/event-stream`) live without an end.
#[utoipa::path(
    get,
    path = "/api/events",
    tag = "events",
    params(
        ("after" = Option<i64>, Query, description = "Only entries after this id; a stream without it begins now"),
        ("limit" = Option<u32>, Query, description = "1 to 200 entries of a page; 200"),
        ("Last-Event-ID" = Option<i64>, Header, description = "Like `after`, for streams"),
    ),
    responses((status = 200, description = "A page, or a stream", content(
        (EventPage = "application/json"), (String = "text/event-stream"))))
)]
pub(super) async fn of_all(
    State(app): State<App>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    answer(app, None, params, &headers).await
}

async fn answer(
    app: App,
    task: Option<TaskId>,
    params: Params,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let params = params.only(&PARAMS)?;
    let limit = params.number("limit", 1, i64::from(PAGE))?.and_then(|n| u32::try_from(n).ok());
    let after = params.number("after", 0, i64::MAX)?;
    if !wants_stream(headers) {
        let place = Place { task, after: after.unwrap_or(0) };
        return page(&app, place, limit.unwrap_or(PAGE)).await.map(|page| Json(page).into_response());
    }
    let last = last_event_id(headers)?;
    if let (Some(last), Some(task)) = (last, &task)
        && has_ended(&app, task, last).await?
    {
        // What makes a browser's EventSource stop connecting again.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let after = match (last.or(after), &task) {
        (Some(after), _) => after,
        (None, Some(_)) => 0,
        (None, None) => app.store.read(read::last_event_id).await.map_err(Problem::store)?,
    };
    stream(app, Place { task, after })
}

fn wants_stream(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|kind| {
        let mut parts = kind.split(';').map(str::trim);
        let wanted = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("text/event-stream"));
        // A weight of 0 says: anything but this.
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        wanted && weight.is_none_or(|weight| weight.trim().parse() != Ok(0.0))
    })
}

/// The entry that a reader has seen last; 400 if it is none.
fn last_event_id(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let Some(value) = headers.get(LAST_EVENT_ID) else { return Ok(None) };
    let id = value.to_str().ok().and_then(|text| text.trim().parse().ok()).filter(|id| *id >= 0);
    id.map(Some).ok_or_else(|| Problem::header(LAST_EVENT_ID, "must be the whole number of an event's `id`"))
}

/// Whether the task has ended, and its reader has seen everything.
async fn has_ended(app: &App, task: &TaskId, last: i64) -> Result<bool, Problem> {
    let task = task.clone();
    let (events, end) =
        app.store.read(move |tx| look(tx, Some(&task), last)).await.map_err(Problem::store)?;
    Ok(events.is_empty() && end.is_some())
}

async fn page(app: &App, place: Place, limit: u32) -> Result<EventPage, Problem> {
    let events = app.store.read(move |tx| read::events(tx, place.task.as_ref(), place.after, limit)).await;
    let events = events.map_err(Problem::store)?;
    let next = events.last().filter(|_| events.len() >= limit as usize).map(|last| last.id);
    Ok(EventPage { items: events.iter().map(shown).collect(), next })
}

/// A journal entry with its place, its times as text.
fn shown(event: &Event) -> Value {
    let mut object = Map::new();
    object.insert("id".to_owned(), json!(event.id));
    object.insert("task_id".to_owned(), json!(event.task_id));
    object.insert("seq".to_owned(), json!(event.seq));
    if let Ok(Value::Object(entry)) = serde_json::to_value(&event.entry) {
        object.extend(entry);
    }
    for name in ["at", "retry_at"] {
        if let Some(value) = object.get_mut(name)
            && let Some(millis) = value.as_i64()
        {
            *value = Value::String(rfc3339(UnixMillis(millis)));
        }
    }
    Value::Object(object)
}

fn stream(app: App, place: Place) -> Result<Response, Problem> {
    let permit = app.streams.clone().try_acquire_owned();
    let permit = permit.map_err(|_| Problem::unavailable("too many event streams are open: close some"))?;
    let (frames, ready) = mpsc::channel(BUFFER);
    tokio::spawn(async move {
        let _permit = permit;
        if let Err(err) = feed(&app, place, &frames).await {
            tracing::warn!(error = %err, "an event stream broke off");
        }
    });
    let sse = Sse::new(ReceiverStream::new(ready)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    // Proxies that gather answers would make it anything but live.
    Ok(([("x-accel-buffering", "no")], sse).into_response())
}

/// The next entries, and the end of the task if nothing comes after them.
fn look(
    tx: &ReadTx<'_>,
    task: Option<&TaskId>,
    after: i64,
) -> Result<(Vec<Event>, Option<Status>), StoreError> {
    let events = read::events(tx, task, after, PAGE)?;
    if events.len() >= PAGE as usize {
        return Ok((events, None));
    }
    let task = task.map_or(Ok(None), |id| read::task(tx, id))?;
    Ok((events, task.map(|task| task.status).filter(|status| status.is_end())))
}

async fn feed(
    app: &App,
    mut place: Place,
    frames: &mpsc::Sender<Result<Frame, Infallible>>,
) -> Result<(), StoreError> {
    let mut changes = app.store.changes();
    loop {
        changes.mark_unchanged();
        let (task, after) = (place.task.clone(), place.after);
        let (events, end) = app.store.read(move |tx| look(tx, task.as_ref(), after)).await?;
        for event in &events {
            place.after = event.id;
            let frame = Frame::default().id(event.id.to_string()).data(shown(event).to_string());
            if frames.send(Ok(frame)).await.is_err() {
                return Ok(());
            }
        }
        if let Some(status) = end {
            let frame = Frame::default().event("end").data(json!({"status": status}).to_string());
            let _ = frames.send(Ok(frame)).await;
            return Ok(());
        }
        if events.len() >= PAGE as usize {
            continue;
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return Ok(()) },
            () = frames.closed() => return Ok(()),
            () = app.ending.cancelled() => return Ok(()),
        }
    }
}
