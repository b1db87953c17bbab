//! Which commit a deployment serves that somebody else made, as it says itself.

use super::{StagingError, http};
use chimera_core::Digest;
use url::Url;

/// The header that may tell the commit.
const HEADER: &str = "x-chimera-revision";
/// The element of a page that may tell it.
const META: &str = "<meta name=\"revision\" content=\"";

/// The commit that the deployment at `url` names at `path`: the whole text of the answer, its header
/// `X-Chimera-Revision`, or `<meta name="revision" content="...">` in it.
///
/// # Errors
/// [`StagingError::Unreachable`] if nothing answers there or the answer names no commit;
/// [`StagingError::Config`] if it cannot be asked: over HTTPS.
pub async fn told_at(url: &str, path: &str) -> Result<Digest, StagingError> {
    let place = Url::parse(url).and_then(|url| url.join(path)).map_err(|err| {
        StagingError::Config(format!("`{url}` with `{path}` is no address of a deployment: {err}"))
    })?;
    let address = place.host_str().zip(place.port_or_known_default());
    let (Some((host, port)), "http") = (address, place.scheme()) else {
        return Err(StagingError::Config(format!(
            "the revision is read over http only, not at {place}: deploy there, or take `revision` out of the \
             project's staging and trust the agent's word"
        )));
    };
    let unreachable =
        |why: String| StagingError::Unreachable(format!("{place} does not tell the revision: {why}"));
    let answer = http::get_from(
        &format!("{host}:{port}"),
        None,
        &place[url::Position::BeforePath..url::Position::AfterQuery],
    )
    .await
    .map_err(|err| unreachable(err.to_string()))?;
    let meta = answer.body.split(META).nth(1).and_then(|rest| rest.split('"').next());
    let told = answer.header(HEADER).or(meta).unwrap_or(&answer.body).trim();
    Digest::parse(told).map_err(|err| unreachable(format!("status {}, {err}", answer.status)))
}

/// Whether something answers at this address: one GET, whatever the answer is; over HTTPS a connection without any
/// request.
pub(crate) async fn answers(url: &Url) -> bool {
    let Some((host, port)) = url.host_str().zip(url.port_or_known_default()) else { return false };
    let authority = format!("{host}:{port}");
    if url.scheme() == "http" {
        http::get_from(&authority, None, &url[url::Position::BeforePath..url::Position::AfterQuery])
            .await
            .is_ok()
    } else {
        http::accepts(&authority).await
    }
}

/// Visits a page of a deployment on this machine as somebody who only looks; what it answers is of no interest. `host` is
/// the name that the application expects to be asked under, if it expects one.
pub(crate) async fn visit(url: &str, host: Option<&str>, path: &str) {
    let authority = url.trim_start_matches("http://").trim_end_matches('/');
    if http::get_from(authority, host, path).await.is_err() {
        tracing::debug!(url, path, "nobody answered a visit");
    }
}
