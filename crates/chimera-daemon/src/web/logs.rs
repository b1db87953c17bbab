//! What the processes of a task printed.

use super::evidence::HOSTILE;
use super::input::{Id, Params, Segments};
use super::{App, Problem};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use chimera_core::TaskId;
use chimera_store::read;
use serde::Serialize;
use std::io::SeekFrom;
use std::path::PathBuf;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;
use utoipa::ToSchema;

/// Most lines of `?tail=`.
const TAIL_LINES: i64 = 100_000;
/// Most bytes that are searched for the last lines.
const TAIL_BYTES: u64 = 8 * 1024 * 1024;
/// Most files listed of a task.
const FILES: usize = 1000;

/// The logs of a task.
#[derive(Serialize, ToSchema)]
pub(super) struct LogList {
    /// In the order of the attempts.
    items: Vec<LogView>,
}

/// A log file.
#[derive(Serialize, ToSchema)]
struct LogView {
    /// Its name: attempt, phase, process.
    #[schema(example = "002-CODE_IMPLEMENTATION-coder.log")]
    name: String,
    /// The attempt that it belongs to.
    attempt: Option<u32>,
    /// The phase that it belongs to.
    #[schema(example = "CODE_IMPLEMENTATION")]
    phase: Option<String>,
    /// Its size in bytes, so far.
    size: u64,
    /// Where to read it.
    href: String,
}

/// List the logs of a task.
#[utoipa::path(
    get,
    path = "/api/tasks/{task_id}/logs",
    tag = "evidence",
    params(("task_id" = String, Path, description = "The name of the task")),
    responses(
        (status = 200, description = "The files", body = LogList),
        (status = 404, description = "There is no such task", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(State(app): State<App>, Id(id): Id) -> Result<Json<LogList>, Problem> {
    known(&app, &id).await?;
    let files = files(&app, &id).await?;
    let items = files.into_iter().map(|(name, size)| shown(&id, name, size)).collect();
    Ok(Json(LogList { items }))
}

fn shown(id: &TaskId, name: String, size: u64) -> LogView {
    let mut parts = name.trim_end_matches(".log").splitn(3, '-');
    let attempt = parts.next().and_then(|attempt| attempt.parse().ok());
    let phase = parts.next().filter(|_| attempt.is_some()).map(str::to_owned);
    LogView { href: format!("/api/tasks/{id}/logs/{name}"), attempt, phase, size, name }
}

async fn known(app: &App, id: &TaskId) -> Result<(), Problem> {
    let asked = id.clone();
    let task = app.store.read(move |tx| read::task(tx, &asked)).await.map_err(Problem::store)?;
    task.map(|_| ()).ok_or_else(|| Problem::not_found(format!("there is no task {id}")))
}

fn dir(app: &App, id: &TaskId) -> PathBuf {
    app.settings.data_dir.join("logs").join(id.as_str())
}

/// The plain files of the task's directory, by name.
async fn files(app: &App, id: &TaskId) -> Result<Vec<(String, u64)>, Problem> {
    let mut entries = match tokio::fs::read_dir(dir(app, id)).await {
        Ok(entries) => entries,
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(err) => return Err(Problem::unreadable(err)),
    };
    let mut files = Vec::new();
    while let Some(entry) = entries.next_entry().await.map_err(Problem::unreadable)? {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        match entry.metadata().await {
            Ok(metadata) if metadata.is_file() && name.ends_with(".log") && name.chars().all(plain) => {
                files.push((name, metadata.len()));
            }
            _ => {}
        }
    }
    files.sort();
    files.truncate(FILES);
    Ok(files)
}

/// Read a log.
#[utoipa::path(
    get,
    path = "/api/tasks/{task_id}/logs/{name}",
    tag = "evidence",
    params(
        ("task_id" = String, Path, description = "The name of the task"),
        ("name" = String, Path, description = "The name from the list"),
        ("tail" = Option<u32>, Query, description = "Only the last lines"),
        ("from" = Option<u64>, Query, description = "Only what comes after so many bytes, to follow a log that grows"),
    ),
    responses(
        (status = 200, description = "The text", content_type = "text/plain"),
        (status = 404, description = "There is no such log", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn read(
    State(app): State<App>,
    Id(id): Id,
    Segments((_, name)): Segments<(String, String)>,
    params: Params,
) -> Result<Response, Problem> {
    let params = params.only(&["tail", "from"])?;
    let tail = params.number("tail", 0, TAIL_LINES)?;
    let from = params.number("from", 0, i64::MAX)?;
    known(&app, &id).await?;
    // Only names that are in the list: nothing else leads out of the directory.
    if !files(&app, &id).await?.iter().any(|(known, _)| *known == name) {
        return Err(Problem::not_found(format!("task {id} has no log of that name")));
    }
    let mut file = File::open(dir(&app, &id).join(&name)).await.map_err(Problem::unreadable)?;
    let size = file.metadata().await.map_err(Problem::unreadable)?.len();
    let start = match (tail, from) {
        (Some(lines), _) => last_lines(&mut file, size, lines).await.map_err(Problem::unreadable)?,
        (None, Some(from)) => u64::try_from(from).unwrap_or(0).min(size),
        (None, None) => 0,
    };
    file.seek(SeekFrom::Start(start)).await.map_err(Problem::unreadable)?;
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()),
        (header::CONTENT_LENGTH, (size - start).to_string()),
        (header::CONTENT_SECURITY_POLICY, HOSTILE.to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    // A log that grows meanwhile is cut where the length was told.
    let body = Body::from_stream(ReaderStream::new(file.take(size - start)));
    Ok((headers, body).into_response())
}

/// Where the last lines begin; at most [`TAIL_BYTES`] before the end.
async fn last_lines(file: &mut File, size: u64, lines: i64) -> std::io::Result<u64> {
    let begin = size.saturating_sub(TAIL_BYTES);
    file.seek(SeekFrom::Start(begin)).await?;
    let mut bytes = Vec::new();
    file.take(size - begin).read_to_end(&mut bytes).await?;
    let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let Some(newlines) = usize::try_from(lines).unwrap_or(usize::MAX).checked_sub(1) else {
        return Ok(size);
    };
    let at = text.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n').nth(newlines);
    Ok(begin + at.map_or(0, |(at, _)| at as u64 + 1))
}
