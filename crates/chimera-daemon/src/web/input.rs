//! What is read from requests: task ids in paths, parameters, bodies.

use super::{App, Problem};
use crate::config::nearest;
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use chimera_core::TaskId;
use serde::de::DeserializeOwned;
use std::time::Duration;
use tokio_stream::StreamExt;

/// Largest body: the largest acceptable request, with each character escaped, is smaller.
pub(super) const BODY_BYTES: usize = 512 * 1024;
/// Largest body of a batch: 500 requests of some pages each.
pub(super) const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Bytes beyond the limit that are still read, so that a client that writes first gets to see the answer.
const DISCARD_BYTES: usize = 8 * 1024 * 1024;

/// Longest time for a body: the largest batch over a slow line.
const BODY_TIME: Duration = Duration::from_secs(60);

/// The task of the path, well-formed; whether it exists is for the store to say.
pub(super) struct Id(pub(super) TaskId);

impl FromRequestParts<App> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let path = Path::<Vec<(String, String)>>::from_request_parts(parts, app).await;
        let segments = path.map_or_else(|_| Vec::new(), |Path(segments)| segments);
        let text = segments.into_iter().find(|(name, _)| name == "task_id").map(|(_, text)| text);
        match TaskId::parse(&text.unwrap_or_default()) {
            Ok(id) => Ok(Self(id)),
            Err(err) => Err(Problem::not_found(err.to_string())),
        }
    }
}

/// Words of the path that are no task ids.
pub(super) struct Segments<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for Segments<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        match Path::<T>::from_request_parts(parts, app).await {
            Ok(Path(words)) => Ok(Self(words)),
            Err(_) => Err(Problem::not_found(format!("{} is not a path in UTF-8", parts.uri.path()))),
        }
    }
}

/// The parameters after the `?`, in their order.
pub(super) struct Params(Vec<(String, String)>);

impl FromRequestParts<App> for Params {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        Ok(Self(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()))
    }
}

impl Params {
    /// Refuses parameters that are not among `known`.
    pub(super) fn only(self, known: &[&str]) -> Result<Self, Problem> {
        match self.0.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            None => Ok(self),
            Some((name, _)) => {
                let hint = match nearest(name, known.iter().copied()) {
                    Some(hint) => format!("did you mean `{hint}`?"),
                    None => format!("known are {}", known.join(", ")),
                };
                Err(Problem::field(name, format!("is not a parameter of this request: {hint}")))
            }
        }
    }

    /// The values of a parameter that may be given several times.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The value of a parameter; the last one counts.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).last().filter(|value| !value.is_empty())
    }

    /// A number within bounds.
    pub(super) fn number(&self, name: &str, least: i64, most: i64) -> Result<Option<i64>, Problem> {
        let Some(text) = self.get(name) else { return Ok(None) };
        match text.parse() {
            Ok(number) if (least..=most).contains(&number) => Ok(Some(number)),
            _ => Err(Problem::field(name, format!("must be a whole number from {least} to {most}"))),
        }
    }
}

/// A JSON body, not yet parsed.
pub(super) struct JsonBody(pub(super) Vec<u8>);

impl FromRequest<App> for JsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &App) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let typed = check_type(&parts.headers);
        let bytes = read(body, BODY_BYTES).await?;
        typed.map(|()| Self(bytes))
    }
}

/// The JSON body of a batch, not yet parsed.
pub(super) struct LargeBody(pub(super) Vec<u8>);

impl FromRequest<App> for LargeBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &App) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let typed = check_type(&parts.headers);
        let bytes = read(body, BATCH_BYTES).await?;
        typed.map(|()| Self(bytes))
    }
}

/// A JSON body that may be absent.
pub(super) struct MaybeBody(pub(super) Option<Vec<u8>>);

impl FromRequest<App> for MaybeBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &App) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = read(body, BODY_BYTES).await?;
        if bytes.is_empty() {
            return Ok(Self(None));
        }
        check_type(&parts.headers).map(|()| Self(Some(bytes)))
    }
}

fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let sent = headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or("something else"));
    let essence = sent.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json")) {
        return Ok(());
    }
    // What `curl -d` sends if nobody tells it a type. A web page may send it, too, and then its browser adds its origin.
    let from_page = headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site");
    if !from_page && matches!(essence.as_str(), "" | "application/x-www-form-urlencoded") {
        return Ok(());
    }
    let sent = sent.map_or_else(|| "it is missing".to_owned(), |sent| format!("it is `{sent}`"));
    Err(Problem::not_that_type(format!("Content-Type must be application/json: {sent}")))
}

async fn read(body: Body, limit: usize) -> Result<Vec<u8>, Problem> {
    match tokio::time::timeout(BODY_TIME, gather(body, limit)).await {
        Ok(read) => read,
        Err(_) => Err(Problem::too_slow(BODY_TIME)),
    }
}

async fn gather(body: Body, limit: usize) -> Result<Vec<u8>, Problem> {
    let (mut bytes, mut total) = (Vec::new(), 0);
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Problem::not_json("the body ended before it was complete"))?;
        total += chunk.len();
        if total <= limit {
            bytes.extend_from_slice(&chunk);
        } else if total > limit + DISCARD_BYTES {
            break;
        }
    }
    if total > limit { Err(Problem::too_large(limit)) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::{BODY_BYTES, Body, read};
    use axum::response::IntoResponse;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let problem =
            read(Body::from_stream(tokio_stream::pending::<Result<&str, axum::Error>>()), BODY_BYTES).await;
        assert_eq!(problem.expect_err("too slow").into_response().status(), 408);
    }
}
