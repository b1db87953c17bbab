//! Every error of the interface: RFC 9457 problem documents.
//!
//! A [`Problem`] is made by name only; nothing turns into one silently, so that every status was chosen.

use crate::intake::{FieldError, Refusal};
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chimera_core::limits;
use chimera_store::StoreError;
use chimera_store::after::{Unlinked, Why};
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// Seconds after which the same request may work, for troubles of the store that pass.
const RETRY_SOON: u32 = 1;
/// Seconds after which a full disk may have been cleared.
const RETRY_LATER: u32 = 60;

/// A problem document.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// Names the kind of problem: `urn:chimera:problem:` and a word.
    #[serde(rename = "type")]
    #[schema(example = "urn:chimera:problem:invalid-request")]
    kind: String,
    /// The kind in words.
    #[schema(example = "The request cannot be accepted")]
    title: &'static str,
    /// The HTTP status.
    #[schema(example = 422)]
    status: u16,
    /// What is wrong here and what to do.
    detail: String,
    /// What is wrong with single fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<ProblemField>,
    #[serde(skip)]
    retry_after: Option<u32>,
}

/// What is wrong with one field.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct ProblemField {
    /// The field.
    #[schema(example = "priority")]
    field: String,
    /// What to do about it.
    #[schema(example = "must be a whole number from 1 (whenever) to 10 (at once), not 11")]
    detail: String,
}

impl Problem {
    fn new(status: StatusCode, kind: &str, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:chimera:problem:{kind}"),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
            retry_after: None,
        }
    }

    /// 404: the task, file or page does not exist.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail)
    }

    /// 410: it existed and was removed.
    pub fn gone(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, "gone", "It was removed", detail)
    }

    /// 400: the body is no JSON.
    pub fn not_json(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "not-json", "The body cannot be read", detail)
    }

    /// 413: the body is too large.
    pub fn too_large(limit: usize) -> Self {
        let detail = format!("the body is larger than {limit} bytes: put long texts into the repository");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too large", detail)
    }

    /// 408: the body did not arrive in time.
    pub fn too_slow(limit: Duration) -> Self {
        let detail = format!("the body was not there after {} s: send it again", limit.as_secs());
        Self::new(StatusCode::REQUEST_TIMEOUT, "too-slow", "The body took too long", detail)
    }

    /// 415: the body is of another type.
    pub fn not_that_type(detail: impl Into<String>) -> Self {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        Self::new(status, "content-type", "The body is of another type", detail)
    }

    /// 421: the request was meant for another host.
    pub fn wrong_host(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::MISDIRECTED_REQUEST, "wrong-host", "This host is not served here", detail)
    }

    /// 403: a page of another site sent it.
    pub fn foreign_origin(detail: impl Into<String>) -> Self {
        let title = "Cross-origin request refused";
        Self::new(StatusCode::FORBIDDEN, "foreign-origin", title, detail)
    }

    /// 409: the state of the task does not allow it.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", "The task does not allow it now", detail)
    }

    /// 422: a field or a parameter has a wrong value.
    pub fn field(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::fields(vec![FieldError { field: field.into(), detail: detail.into() }])
    }

    /// 400: a header cannot be read.
    pub fn header(name: &str, detail: &str) -> Self {
        let title = "A header cannot be read";
        Self::new(StatusCode::BAD_REQUEST, "header", title, format!("{name} {detail}"))
    }

    /// 422: fields or parameters have wrong values.
    pub fn fields(errors: Vec<FieldError>) -> Self {
        let detail: Vec<String> =
            errors.iter().map(|error| format!("{} {}", error.field, error.detail)).collect();
        let (status, title) = (StatusCode::UNPROCESSABLE_ENTITY, "The request cannot be accepted");
        let mut problem = Self::new(status, "invalid-request", title, detail.join("; "));
        problem.errors =
            errors.into_iter().map(|FieldError { field, detail }| ProblemField { field, detail }).collect();
        problem
    }

    /// 400 or 422: the intake refused the body.
    pub fn refused(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Json(_) => Self::not_json(refusal.to_string()),
            Refusal::Fields(errors) => Self::fields(errors),
        }
    }

    /// 503: not now.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let mut problem = Self::new(status, "unavailable", "The daemon cannot answer now", detail);
        problem.retry_after = Some(RETRY_SOON);
        problem
    }

    /// 500: a fault of the daemon; the details are in its log only.
    pub fn internal() -> Self {
        let detail = "the daemon failed to answer; its log says why";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error", detail)
    }

    /// What is wrong with a task to wait for.
    pub(super) fn unlinked(one: &Unlinked) -> FieldError {
        let (field, id) = (format!("after[{}]", one.position), &one.id);
        let detail = match one.why {
            Why::Unknown => {
                format!("there is no task {id}: it was never accepted, or was removed since it ended")
            }
            Why::Crowded => format!("{} tasks wait for {id} already: wait for another one", limits::WAITERS),
        };
        FieldError { field, detail }
    }

    /// What the store's refusal means to the caller.
    pub fn store(err: StoreError) -> Self {
        let detail = err.to_string();
        match err {
            StoreError::NotFound { .. } => Self::not_found(detail),
            StoreError::IdempotencyConflict { .. }
            | StoreError::Illegal(_)
            | StoreError::Ended { .. }
            | StoreError::NotDead { .. } => Self::conflict(detail),
            StoreError::After(unlinked) => Self::fields(unlinked.iter().map(Self::unlinked).collect()),
            StoreError::BadCursor => Self::field("cursor", "is not valid: start again without one"),
            StoreError::Full => {
                tracing::error!("{detail}");
                let title = "The disk is full";
                let mut problem = Self::new(StatusCode::INSUFFICIENT_STORAGE, "full", title, detail);
                problem.retry_after = Some(RETRY_LATER);
                problem
            }
            StoreError::Busy
            | StoreError::Closed
            | StoreError::Fatal(_)
            | StoreError::Moved
            | StoreError::Unreachable(_)
            | StoreError::Open { .. } => Self::unavailable(detail),
            _ => {
                tracing::error!(error = %detail, "the store failed");
                Self::internal()
            }
        }
    }

    /// A file that cannot be read.
    #[expect(clippy::needless_pass_by_value, reason = "made for `map_err`")]
    pub fn unreadable(err: std::io::Error) -> Self {
        if err.kind() == std::io::ErrorKind::NotFound {
            return Self::gone("the file is not there any more");
        }
        tracing::error!(error = %err, "a file of the data directory cannot be read");
        Self::internal()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let kind = HeaderValue::from_static("application/problem+json");
        let mut response = (status, [(header::CONTENT_TYPE, kind)], body).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

pub(super) async fn no_such_route(request: Request) -> Problem {
    let path = request.uri().path();
    Problem::not_found(format!("there is no {path}: /docs lists what there is"))
}

pub(super) async fn no_such_method(request: Request) -> Problem {
    let detail = format!("{} is not possible for {}", request.method(), request.uri().path());
    let title = "Method not allowed";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", title, detail)
}
