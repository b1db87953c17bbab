//! Everything that proves a task, as one signed archive, and the key that it is signed with.

use super::input::Id;
use super::{App, Problem};
use crate::bundle::key::SigningKey;
use crate::bundle::{GatherError, Package, Room, gather};
use crate::seams;
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use utoipa::ToSchema;

/// Size of the parts in which an archive is sent.
const PART_BYTES: usize = 64 * 1024;
/// Parts that are read ahead of a slow client.
const PARTS: usize = 4;

/// The key that bundles are signed with.
#[derive(Serialize, ToSchema)]
pub(super) struct KeyView {
    /// SHA-256 of the key in DER.
    key_id: String,
    /// `Ed25519`.
    algorithm: &'static str,
    /// The key in PEM.
    public_key: String,
}

/// Show the public key that bundles are signed with.
#[utoipa::path(
    get,
    path = "/api/key",
    tag = "evidence",
    responses((status = 200, description = "The key", body = KeyView))
)]
pub(super) async fn key(State(app): State<App>) -> Result<Json<KeyView>, Problem> {
    let key = signing_key(&app).await?;
    let public = key.public();
    Ok(Json(KeyView { key_id: public.id(), algorithm: "Ed25519", public_key: public.pem() }))
}

/// Download everything that proves a task, as one signed archive.
#[utoipa::path(
    get,
    path = "/api/tasks/{task_id}/bundle",
    tag = "evidence",
    params(("task_id" = String, Path, description = "The name of the task")),
    responses(
        (status = 200, description = "The archive; `chimera-daemon verify` checks it", content_type = "application/x-tar"),
        (status = 404, description = "There is no such task", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The task has not ended", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Other bundles are being made", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn bundle(State(app): State<App>, Id(id): Id) -> Result<Response, Problem> {
    let permit = app.bundles.clone().try_acquire_owned();
    let permit = permit.map_err(|_| Problem::unavailable("other bundles are being made: try again"))?;
    let room = Room {
        store: app.store.clone(),
        vault: app.vault.clone().ok_or_else(Problem::internal)?,
        key: Arc::new(signing_key(&app).await?),
        projects: app.settings.projects.clone(),
        tools: app.settings.tools.clone(),
    };
    let package = gather(room, id.clone()).await.map_err(problem)?;
    let headers = [
        (header::CONTENT_TYPE, "application/x-tar".to_owned()),
        (header::CONTENT_LENGTH, package.size().to_string()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{id}.tar\"")),
    ];
    Ok((headers, sent(package, permit)).into_response())
}

async fn signing_key(app: &App) -> Result<SigningKey, Problem> {
    let data_dir = app.settings.data_dir.clone();
    let key = tokio::task::spawn_blocking(move || SigningKey::of(&data_dir, seams::key_seed)).await;
    key.map_err(io::Error::other).and_then(|key| key).map_err(broken)
}

fn problem(err: GatherError) -> Problem {
    match err {
        GatherError::Store(err) => Problem::store(err),
        GatherError::Unended { .. } => Problem::conflict(err.to_string()),
        GatherError::Io(err) => broken(err),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "made for `map_err`")]
fn broken(err: io::Error) -> Problem {
    tracing::error!(error = %err, "a bundle cannot be made");
    Problem::internal()
}

/// The archive, read and sent part by part.
fn sent(package: Package, permit: OwnedSemaphorePermit) -> Body {
    let (parts, ready) = mpsc::channel(PARTS);
    tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let mut out = BufWriter::with_capacity(PART_BYTES, Pipe(parts.clone()));
        if let Err(err) = package.write(&mut out).and_then(|()| out.flush()) {
            tracing::warn!(error = %err, "a bundle broke off");
            // Without this the client could take what it has for the whole.
            let _ = parts.blocking_send(Err(err));
        }
    });
    Body::from_stream(ReceiverStream::new(ready))
}

/// What is written to it becomes a part of the answer.
struct Pipe(mpsc::Sender<io::Result<Bytes>>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let gone = |_| io::Error::new(io::ErrorKind::BrokenPipe, "the client is gone");
        self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes))).map_err(gone)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
