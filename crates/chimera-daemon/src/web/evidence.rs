//! What proves a task: the index and the files.
//!
//! Evidence comes from agents and from pages: it is hostile. It is only ever offered for download, never shown
//! by a browser as a page of this origin.

use super::input::{Id, Segments};
use super::{App, Problem};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use chimera_core::{Evidence, TaskId};
use chimera_store::{StoreError, read};
use serde::Serialize;
use tokio_util::io::ReaderStream;
use utoipa::ToSchema;

/// What a browser may do with a file of somebody else: nothing.
pub(super) const HOSTILE: &str = "sandbox; default-src 'none'";

/// The evidence of a task.
#[derive(Serialize, ToSchema)]
pub(super) struct EvidenceList {
    /// In the order in which it was left.
    items: Vec<EvidenceView>,
}

/// An evidence file.
#[derive(Serialize, ToSchema)]
struct EvidenceView {
    /// The hash of its content.
    sha256: String,
    /// `report`, `screenshot`, `trace`, `video`, `diff`, `review`, `log` or `test`.
    #[schema(example = "screenshot")]
    kind: &'static str,
    /// A file name for people.
    #[schema(example = "red-report.json")]
    name: String,
    /// Its size in bytes.
    size: u64,
    /// The phase that left it.
    #[schema(example = "E2E_VALIDATION")]
    phase: &'static str,
    /// The attempt that left it.
    attempt: u32,
    /// Where to get it.
    href: String,
}

/// List the evidence of a task.
#[utoipa::path(
    get,
    path = "/api/tasks/{task_id}/evidence",
    tag = "evidence",
    params(("task_id" = String, Path, description = "The name of the task")),
    responses(
        (status = 200, description = "The index", body = EvidenceList),
        (status = 404, description = "There is no such task", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(State(app): State<App>, Id(id): Id) -> Result<Json<EvidenceList>, Problem> {
    let index = index(&app, id.clone()).await?;
    let items = index.into_iter().map(|evidence| shown(&id, evidence)).collect();
    Ok(Json(EvidenceList { items }))
}

fn shown(id: &TaskId, evidence: Evidence) -> EvidenceView {
    EvidenceView {
        href: format!("/api/tasks/{id}/evidence/{}", evidence.sha256),
        sha256: evidence.sha256.to_string(),
        kind: evidence.kind.as_str(),
        name: evidence.name,
        size: evidence.size,
        phase: evidence.phase.as_str(),
        attempt: evidence.attempt,
    }
}

async fn index(app: &App, id: TaskId) -> Result<Vec<Evidence>, Problem> {
    let read = app.store.read(move |tx| {
        read::task(tx, &id)?.ok_or_else(|| StoreError::NotFound { id: id.clone() })?;
        read::evidence(tx, &id)
    });
    read.await.map_err(Problem::store)
}

/// Download an evidence file.
#[utoipa::path(
    get,
    path = "/api/tasks/{task_id}/evidence/{sha256}",
    tag = "evidence",
    params(
        ("task_id" = String, Path, description = "The name of the task"),
        ("sha256" = String, Path, description = "The hash from the index"),
    ),
    responses(
        (status = 200, description = "The file", content_type = "application/octet-stream"),
        (status = 404, description = "The task has no such evidence", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "It was removed", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn download(
    State(app): State<App>,
    Id(id): Id,
    Segments((_, sha256)): Segments<(String, String)>,
) -> Result<Response, Problem> {
    let index = index(&app, id.clone()).await?;
    let Some(evidence) = index.into_iter().find(|evidence| evidence.sha256.as_str() == sha256) else {
        return Err(Problem::not_found(format!("task {id} has no evidence of that hash")));
    };
    let vault = app.vault.as_ref().ok_or_else(Problem::internal)?;
    let file = tokio::fs::File::open(vault.path(&evidence.sha256)).await.map_err(Problem::unreadable)?;
    let size = file.metadata().await.map_err(Problem::unreadable)?.len();
    let headers = [
        (header::CONTENT_TYPE, content_type(&evidence.name).to_owned()),
        (header::CONTENT_LENGTH, size.to_string()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}\"", plain(&evidence.name))),
        (header::CONTENT_SECURITY_POLICY, HOSTILE.to_owned()),
        (header::ETAG, format!("\"{}\"", evidence.sha256)),
    ];
    Ok((headers, Body::from_stream(ReaderStream::new(file))).into_response())
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("json") => "application/json",
        Some("png") => "image/png",
        Some("webm") => "video/webm",
        Some("zip") => "application/zip",
        // Pages are sources here.
        Some("txt" | "log" | "patch" | "diff" | "py" | "ts" | "html" | "md") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

fn plain(name: &str) -> String {
    let keep = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    name.chars().map(keep).collect()
}
