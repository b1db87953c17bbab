//! The commands' side of the HTTP interface.

use anyhow::{Context, Result};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::time::Duration;
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an answer other than a stream may take.
const ANSWER: Duration = Duration::from_secs(60);
/// Largest answer that is read into memory.
const ANSWER_BYTES: u64 = 64 * 1024 * 1024;

/// Nobody listens at the address.
#[derive(Debug, thiserror::Error)]
#[error(
    "no daemon answers at {server} ({detail}): start one with `chimera-daemon start-all`, or name another with --server"
)]
pub(super) struct Unreachable {
    server: String,
    detail: String,
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
    server: String,
    agent: Agent,
    streams: Agent,
}

impl Client {
    /// A client of the daemon at this address.
    pub(crate) fn new(server: &str) -> Self {
        let config = || Agent::config_builder().http_status_as_error(false).timeout_connect(Some(CONNECT));
        Self {
            server: server.trim_end_matches('/').to_owned(),
            agent: config().timeout_global(Some(ANSWER)).build().into(),
            streams: config().build().into(),
        }
    }

    /// The address, without a slash at its end.
    pub(crate) fn server(&self) -> &str {
        &self.server
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
        Ok(BufReader::new(response.into_body().into_reader()))
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server)
    }

    fn answer(&self, answered: Result<Response<Body>, ureq::Error>) -> Result<Value> {
        let mut response = self.accepted(answered)?;
        let read = response.body_mut().with_config().limit(ANSWER_BYTES).read_json();
        read.with_context(|| format!("{} does not answer like a Chimera daemon", self.server))
    }

    /// The response if the daemon agreed.
    fn accepted(&self, answered: Result<Response<Body>, ureq::Error>) -> Result<Response<Body>> {
        let mut response =
            answered.map_err(|err| Unreachable { server: self.server.clone(), detail: err.to_string() })?;
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
