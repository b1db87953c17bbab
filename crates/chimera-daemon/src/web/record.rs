//! The log of requests: each with a number, which the answer carries too.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::time::Instant;
use tracing::Instrument;

/// The number of the request in the log; it starts anew with each daemon.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Logs a request once its answer begins: at debug, or as an error if something broke inside. That the daemon is
/// full, or about to end, is no error.
pub(super) async fn record(request: Request, next: Next) -> Response {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    let id = NUMBER.fetch_add(1, Ordering::Relaxed);
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let began = Instant::now();
    // What handlers log names the request.
    let span = tracing::info_span!("request", id, %method, path);
    let mut response = next.run(request).instrument(span).await;
    response.headers_mut().insert(REQUEST_ID, HeaderValue::from(id));
    let (status, took_ms) = (response.status(), began.elapsed().as_secs_f64() * 1000.0);
    let broken = status.is_server_error()
        && !matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::INSUFFICIENT_STORAGE);
    let status = status.as_u16();
    if broken {
        tracing::error!(id, %method, path, status, took_ms, "request");
    } else {
        tracing::debug!(id, %method, path, status, took_ms, "request");
    }
    response
}
