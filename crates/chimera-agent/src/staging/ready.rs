//! Whether a server that was just started is ready.

use super::http;
use std::io::ErrorKind;
use std::time::Duration;

/// Pause between two questions.
const POLL: Duration = Duration::from_millis(50);

/// Asks a server until it is ready, and remembers what it answered last.
pub(super) struct Readiness<'a> {
    port: u16,
    host: Option<&'a str>,
    /// The path that the project names, if it does.
    named: Option<&'a str>,
    answer: String,
}

impl<'a> Readiness<'a> {
    pub(super) fn of(port: u16, host: Option<&'a str>, named: Option<&'a str>) -> Self {
        Self { port, host, named, answer: "it was not asked yet".to_owned() }
    }

    /// The path that is asked for.
    pub(super) fn path(&self) -> &'a str {
        self.named.unwrap_or("/")
    }

    /// The last answer, in words.
    pub(super) fn answer(&self) -> &str {
        &self.answer
    }

    /// Returns once the server is ready. A path that the project names has to answer 2xx; without one, any answer of the
    /// start page below 500 will do: a redirect, a login, a page that is not there yet.
    pub(super) async fn wait(&mut self) {
        while !self.ask().await {
            tokio::time::sleep(POLL).await;
        }
    }

    async fn ask(&mut self) -> bool {
        let answer = match http::get(self.port, self.host, self.path()).await {
            Ok(answer) => answer,
            Err(err) if err.kind() == ErrorKind::ConnectionRefused => {
                self.answer =
                    format!("connection refused: nothing listens on 127.0.0.1:{} ($PORT)", self.port);
                return false;
            }
            Err(err) => {
                self.answer = format!("{err} (127.0.0.1:{}{})", self.port, self.path());
                return false;
            }
        };
        let to = answer.header("location").map(|place| format!(" to {place}")).unwrap_or_default();
        self.answer = format!("it answered {}{to} at {}", answer.status, self.path());
        match self.named {
            Some(_) => (200..300).contains(&answer.status),
            None => answer.status < 500,
        }
    }
}
