//! The commands' side of the HTTP interface.

use super::server::Server;
use anyhow::{Context, Result};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::time::Duration;
use ureq::http::{HeaderMap, Response, StatusCode};
use ureq::{Agent, Body, Timeout};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an answer other than a stream may take.
const ANSWER: Duration = Duration::from_secs(60);
/// How long a daemon may take to say that it lives.
const GREETING: Duration = Duration::from_secs(10);
/// Longest silence in a stream: the daemon sends something every 15 s.
const SILENCE: Duration = Duration::from_secs(45);
/// Largest answer that is read into memory.
const ANSWER_BYTES: u64 = 64 * 1024 * 1024;

/// The last event of a stream.
const ENDED: &[u8] = b"event: end\ndata: {}\n\n";

/// Nobody answers at the address.
#[derive(Debug, thiserror::Error)]
#[error("{told}")]
pub(super) struct Unreachable {
    told: String,
    refused: bool,
}

impl Unreachable {
    fn of(server: &Server, err: &ureq::Error) -> Self {
        let url = &server.url;
        let way = server.way().map_or_else(String::new, |proxy| {
            format!(", through the proxy {proxy} of HTTP_PROXY and the like")
        });
        let refused =
            matches!(err, ureq::Error::Io(err) if err.kind() == std::io::ErrorKind::ConnectionRefused);
        let told = match err {
            ureq::Error::Timeout(Timeout::Connect | Timeout::Resolve) => {
                format!("{url} cannot be reached within {} s{way}: is the address right?", CONNECT.as_secs())
            }
            ureq::Error::Timeout(_) => format!(
                "the daemon at {url} takes the connection{way} but does not answer: it is stopped, or its machine is overloaded"
            ),
            err if is_tls(err) => format!(
                "HTTPS with {url}{way} fails ({}): name a certificate to trust in SSL_CERT_FILE, or write http:// if the server has none",
                cause(err)
            ),
            _ => format!(
                "no daemon answers at {url}{way} ({}): start one with `chimera-daemon start-all`, or name another with --server",
                cause(err)
            ),
        };
        Self { told, refused }
    }

    /// Whether nobody listens there, which may be because a daemon is just starting.
    pub(super) fn is_refused(&self) -> bool {
        self.refused
    }
}

fn is_tls(err: &ureq::Error) -> bool {
    match err {
        ureq::Error::Rustls(_) | ureq::Error::Tls(_) => true,
        ureq::Error::Io(err) => {
            err.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).is_some()
        }
        _ => false,
    }
}

/// What went wrong, without the library's own words for it.
fn cause(err: &ureq::Error) -> String {
    match err {
        ureq::Error::Io(err) => err.to_string(),
        ureq::Error::HostNotFound => "there is no such host".to_owned(),
        other => other.to_string(),
    }
}

/// The daemon said no.
#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
pub(super) struct Refused {
    /// The HTTP status.
    pub(super) status: u16,
    detail: String,
}

/// A daemon, by its address.
#[derive(Clone)]
pub(crate) struct Client {
    server: Server,
    agent: Agent,
    streams: Agent,
}

impl Client {
    /// A client of the daemon at this address.
    pub(super) fn new(server: Server) -> Self {
        Self::with_patience(server, SILENCE)
    }

    /// The same, which takes a stream for broken after this silence.
    fn with_patience(server: Server, silence: Duration) -> Self {
        let tls = server.tls();
        let config = || {
            Agent::config_builder()
                .http_status_as_error(false)
                .timeout_connect(Some(CONNECT))
                .proxy(server.proxy())
                .tls_config(tls.clone())
        };
        let agent = config().timeout_global(Some(ANSWER)).build().into();
        let streams = config().timeout_per_read(Some(silence)).build().into();
        Self { server, agent, streams }
    }

    /// The address, without a slash at its end.
    pub(crate) fn server(&self) -> &str {
        &self.server.url
    }

    /// Whether it is on this machine.
    pub(super) fn is_local(&self) -> bool {
        self.server.is_loopback()
    }

    /// What the daemon says about itself.
    pub(super) fn greet(&self) -> Result<HeaderMap> {
        let request = self.agent.get(self.url("/livez")).config().timeout_global(Some(GREETING)).build();
        let answered = request.call().map_err(|err| Unreachable::of(&self.server, &err))?;
        Ok(answered.headers().clone())
    }

    pub(super) fn get(&self, path: &str) -> Result<Value> {
        self.answer(self.agent.get(self.url(path)).call())
    }

    /// Sends a JSON document; `headers` go with it.
    pub(crate) fn post(&self, path: &str, body: &Value, headers: &[(&str, &str)]) -> Result<Value> {
        let request = self.agent.post(self.url(path));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        self.answer(request.send_json(body))
    }

    pub(super) fn patch(&self, path: &str, body: &Value) -> Result<Value> {
        self.answer(self.agent.patch(self.url(path)).send_json(body))
    }

    /// Removes something; the answer is empty.
    pub(super) fn delete(&self, path: &str) -> Result<()> {
        self.accepted(self.agent.delete(self.url(path)).call()).map(drop)
    }

    /// A text, as it comes.
    pub(super) fn text(&self, path: &str) -> Result<impl Read + use<>> {
        let response = self.accepted(self.streams.get(self.url(path)).call())?;
        Ok(response.into_body().into_reader())
    }

    /// The lines of an event stream that goes on after the event `after`.
    pub(super) fn stream(&self, path: &str, after: i64) -> Result<impl BufRead + use<>> {
        let request = self.streams.get(self.url(path)).header("Accept", "text/event-stream");
        let response = self.accepted(request.header("Last-Event-ID", after.to_string()).call())?;
        // The daemon's shortest way to say that the task has ended and nothing is new.
        let end: &[u8] = if response.status() == StatusCode::NO_CONTENT { ENDED } else { &[] };
        Ok(BufReader::new(end.chain(response.into_body().into_reader())))
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server.url)
    }

    fn answer(&self, answered: Result<Response<Body>, ureq::Error>) -> Result<Value> {
        let mut response = self.accepted(answered)?;
        let read = response.body_mut().with_config().limit(ANSWER_BYTES).read_json();
        read.with_context(|| format!("{} does not answer like a Chimera daemon", self.server.url))
    }

    /// The response if the daemon agreed.
    fn accepted(&self, answered: Result<Response<Body>, ureq::Error>) -> Result<Response<Body>> {
        let mut response = answered.map_err(|err| Unreachable::of(&self.server, &err))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let problem: Value = response.body_mut().read_json().unwrap_or_default();
        let detail = problem["detail"].as_str().map(str::to_owned);
        Err(Refused { status: status.as_u16(), detail: detail.unwrap_or_else(|| no_detail(status)) }.into())
    }
}

fn no_detail(status: StatusCode) -> String {
    format!("the server answered {status}, without saying why: is it a Chimera daemon?")
}

/// A word in a path.
pub(super) fn segment(word: &str) -> String {
    percent_encoding::utf8_percent_encode(word, percent_encoding::NON_ALPHANUMERIC)
        .to_string()
        .replace("%2D", "-")
}

#[cfg(test)]
mod tests {
    use super::{Client, Server};
    use std::io::{BufRead, Read, Write};
    use std::net::TcpListener;
    use std::time::Duration;

    #[test]
    fn a_stream_from_a_daemon_that_fell_silent_ends() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let frozen = std::thread::spawn(move || {
            let (mut connection, _) = listener.accept().expect("a client");
            let _ = connection.read(&mut [0; 1024]);
            let head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n:\n";
            connection.write_all(head).expect("a head");
            // Until the client has gone.
            let _ = connection.read(&mut [0; 1024]);
        });
        let server = Server::parse(&address).expect("an address");
        let client = Client::with_patience(server, Duration::from_millis(50));
        let mut lines = client.stream("/api/events", 0).expect("a stream").lines();
        assert_eq!(lines.next().expect("a line").expect("readable"), ":");
        assert!(lines.next().is_some_and(|line| line.is_err()), "the silence is an error");
        drop((lines, client));
        frozen.join().expect("no panic");
    }
}
