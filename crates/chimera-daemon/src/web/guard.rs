//! What every request passes: host and origin checks, protective headers, panics turned into answers.
//!
//! The interface has no login, so that a web page must not be able to speak to it through its reader's
//! browser: names that are not ours are refused (DNS rebinding), and other origins may change nothing.

use super::{App, Problem, Settings, record};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use std::any::Any;
use std::net::IpAddr;
use std::path::Path;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;

/// The docs page brings its scripts along and styles itself; nothing is loaded from elsewhere.
const PAGE_POLICY: &str =
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";

/// What is answered under any `Host`.
const PROBES: [&str; 2] = ["/livez", "/readyz"];

/// The header with the name of the daemon's data directory.
pub const INSTANCE: &str = "chimera-instance";
/// The header with its path, percent-encoded.
pub const DATA_DIRECTORY: &str = "chimera-data-directory";

/// The headers by which a client knows the daemon. Its path is for this machine only.
pub(super) fn names(name: &str, data_dir: &Path, host: &str) -> Vec<(&'static str, HeaderValue)> {
    let path = percent_encoding::percent_encode(data_dir.as_os_str().as_encoded_bytes(), PLAIN).to_string();
    let path = is_loopback(host).then_some((DATA_DIRECTORY, path));
    let names = [(INSTANCE, name.to_owned())].into_iter().chain(path);
    names.filter_map(|(header, value)| Some((header, HeaderValue::from_str(&value).ok()?))).collect()
}

/// What stays as it is in the path.
const PLAIN: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.');

/// Puts the checks around the routes.
pub(super) fn around(routes: Router, app: App) -> Router {
    let header = |name: HeaderName, value: &'static str| {
        SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
    };
    routes
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(app, check))
        .layer(header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header(header::CONTENT_SECURITY_POLICY, PAGE_POLICY))
        .layer(header(header::REFERRER_POLICY, "no-referrer"))
        .layer(middleware::from_fn(record::record))
}

async fn check(State(app): State<App>, request: Request, next: Next) -> Response {
    let host = host(&request);
    // Probes of an orchestrator come by the address of a pod, or by HTTP/1.0 without any; they say nothing and change nothing.
    let probe = request.method().is_safe() && PROBES.contains(&request.uri().path());
    let known = known_host(&app.settings, host.as_deref());
    let named = known.is_ok();
    let refused = if probe { Ok(()) } else { known }
        .and_then(|()| own_origin(request.method(), request.headers(), host.as_deref()));
    if let Err(problem) = refused {
        return problem.into_response();
    }
    let mut response = next.run(request).await;
    for (name, value) in app.names.iter().filter(|_| named) {
        response.headers_mut().insert(*name, value.clone());
    }
    response
}

/// The authority that the request names, with its port.
fn host(request: &Request) -> Option<String> {
    let in_uri = request.uri().authority().map(|authority| authority.as_str().to_owned());
    in_uri.or_else(|| text(request.headers(), &header::HOST).map(str::to_owned))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn known_host(settings: &Settings, host: Option<&str>) -> Result<(), Problem> {
    // Bound to the network, without names: everybody may have a name of their own for this machine.
    if !is_loopback(&settings.host) && settings.allowed_hosts.is_empty() {
        return Ok(());
    }
    let Some(host) = host else {
        return Err(Problem::wrong_host("the request has no Host header"));
    };
    let name = without_port(host);
    let mut known = settings.allowed_hosts.iter().map(String::as_str).chain([settings.host.as_str()]);
    if is_loopback(name)
        || known.any(|known| known.eq_ignore_ascii_case(name) || known.eq_ignore_ascii_case(host))
    {
        return Ok(());
    }
    Err(Problem::wrong_host("add this host name to api.allowed_hosts in chimera.toml if it is yours"))
}

fn own_origin(method: &Method, headers: &HeaderMap, host: Option<&str>) -> Result<(), Problem> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    if method.is_safe() {
        return Ok(());
    }
    let authority = origin.to_str().ok().and_then(|origin| Some(origin.split_once("://")?.1));
    if authority.is_some_and(|authority| host.is_some_and(|host| authority.eq_ignore_ascii_case(host))) {
        return Ok(());
    }
    Err(Problem::foreign_origin("requests that change something must come from this origin"))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

/// `localhost`, its subdomains (which browsers never look up) and loopback addresses.
fn is_loopback(name: &str) -> bool {
    let name = name.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[expect(clippy::needless_pass_by_value, reason = "the layer hands it over so")]
fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    tracing::error!(panic = text.unwrap_or("unknown"), "a request handler panicked");
    Problem::internal().into_response()
}

#[cfg(test)]
mod tests {
    use super::{is_loopback, without_port};

    #[test]
    fn a_host_is_told_from_its_port() {
        for (host, name) in [
            ("localhost:8000", "localhost"),
            ("localhost", "localhost"),
            ("[::1]:8000", "[::1]"),
            ("[::1]", "[::1]"),
            ("127.0.0.1:1", "127.0.0.1"),
        ] {
            assert_eq!(without_port(host), name);
            assert!(is_loopback(name), "{name}");
        }
        for name in ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1", ""] {
            assert!(!is_loopback(name), "{name}");
        }
    }
}
