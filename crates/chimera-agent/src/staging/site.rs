//! Static files over HTTP.

use super::error::{Failure, Step};
use super::{REVISION_PATH, StagingError};
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chimera_core::Digest;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower_http::services::ServeDir;
use tower_http::set_header::SetResponseHeaderLayer;

/// The header that tells the revision on every answer.
const REVISION_HEADER: HeaderName = HeaderName::from_static("x-chimera-revision");

/// How long open connections may take to finish when the serving ends.
const GRACE: Duration = Duration::from_secs(2);

/// A served directory; dropping it ends the serving.
pub(super) struct Site {
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

/// The directory to serve, with links followed.
///
/// # Errors
/// [`StagingError::Failed`] if it lies outside of the commit's files, or if a build was to make it and did not.
pub(super) fn root(files: &Path, static_dir: &str, built: bool) -> Result<PathBuf, StagingError> {
    let failed =
        |summary| StagingError::Failed(Failure { step: Step::Build, summary, log_end: String::new() });
    let root = files.join(static_dir);
    match std::fs::canonicalize(&root) {
        Ok(real) if !real.starts_with(std::fs::canonicalize(files)?) => {
            Err(failed(format!("`{static_dir}` leads out of the commit's files")))
        }
        Ok(real) if built && !real.is_dir() => {
            Err(failed(format!("`{static_dir}` is not a directory after the build")))
        }
        Ok(real) => Ok(real),
        Err(_) if built => Err(failed(format!("the build left no directory `{static_dir}`"))),
        // A site that the change begins: every page of it is not found yet.
        Err(_) => Ok(root),
    }
}

impl Site {
    pub(super) fn start(listener: TcpListener, root: &Path, revision: &Digest) -> Self {
        let (app, root) = (router(root, revision), root.to_owned());
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let serving = tokio::spawn(async move {
            if let Err(err) = axum::serve(listener, app).with_graceful_shutdown(stopped).await {
                tracing::error!(root = %root.display(), error = %err, "a staged site ended");
            }
        });
        Self { stop, serving }
    }

    /// Ends the serving: the port is free afterwards, and no old connection goes on.
    pub(super) async fn stop(mut self) {
        self.stop.cancel();
        if tokio::time::timeout(GRACE, &mut self.serving).await.is_err() {
            self.serving.abort();
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn router(root: &Path, revision: &Digest) -> Router {
    let told = HeaderValue::from_str(revision.as_str()).unwrap_or(HeaderValue::from_static("unknown"));
    let text = revision.to_string();
    let root = root.to_owned();
    Router::new()
        .route(REVISION_PATH, get(move || async move { text }))
        .fallback_service(ServeDir::new(&root).append_index_html_on_directories(true))
        .layer(from_fn(move |request, next| within(root.clone(), request, next)))
        .layer(SetResponseHeaderLayer::overriding(REVISION_HEADER, told))
        .layer(SetResponseHeaderLayer::overriding(
            header::CACHE_CONTROL,
            HeaderValue::from_static("no-store"),
        ))
}

/// Lets `/login` mean `login.html`, and keeps links from leading out of the directory.
async fn within(root: PathBuf, mut request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let Some(file) = locate(&root, &path) else { return next.run(request).await };
    let real = (std::fs::canonicalize(&root), std::fs::canonicalize(&file));
    match real {
        (Ok(root), Ok(file)) if !file.starts_with(&root) => return StatusCode::NOT_FOUND.into_response(),
        (Ok(_), Err(_)) => {
            let page = file.with_extension("html");
            if file.extension().is_none() && page.is_file() && path != "/" {
                let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
                if let Ok(uri) = format!("{path}.html{query}").parse::<Uri>() {
                    *request.uri_mut() = uri;
                }
            }
        }
        _ => {}
    }
    next.run(request).await
}

/// The file that a path means; `None` for the daemon's own paths and for what [`ServeDir`] refuses anyway.
fn locate(root: &Path, path: &str) -> Option<PathBuf> {
    if path == REVISION_PATH || path.contains('%') {
        return None;
    }
    let relative = Path::new(path.trim_start_matches('/').trim_end_matches('/'));
    relative.components().all(|part| matches!(part, Component::Normal(_))).then(|| root.join(relative))
}
