//! One small question to an origin.

use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long an answer may take: an application that is just started may do a lot for its first one.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Most bytes read of an answer: it is a status and at most a revision.
const ANSWER_BYTES: u64 = 64 * 1024;

/// What an origin answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Answer {
    /// The value of a header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(':'));
        fields.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

/// GETs a path from a server on 127.0.0.1, under the name that it expects to be asked under, if it expects one.
pub(super) async fn get(port: u16, host: Option<&str>, path: &str) -> std::io::Result<Answer> {
    get_from(&format!("127.0.0.1:{port}"), host, path).await
}

/// GETs a path from a server. HTTP/1.0, so that the end of the answer is the end of the stream.
pub(super) async fn get_from(authority: &str, host: Option<&str>, path: &str) -> std::io::Result<Answer> {
    let host = host.unwrap_or(authority);
    let asked = async {
        let mut stream = TcpStream::connect(authority).await?;
        let request = format!("GET {path} HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut bytes = Vec::new();
        stream.take(ANSWER_BYTES).read_to_end(&mut bytes).await?;
        parse(&bytes)
    };
    match tokio::time::timeout(TIMEOUT, asked).await {
        Ok(answer) => answer,
        Err(_) => Err(std::io::Error::other(format!("no answer within {} s", TIMEOUT.as_secs()))),
    }
}

/// Whether a connection is accepted.
pub(super) async fn accepts(authority: &str) -> bool {
    matches!(tokio::time::timeout(TIMEOUT, TcpStream::connect(authority)).await, Ok(Ok(_)))
}

fn parse(bytes: &[u8]) -> std::io::Result<Answer> {
    let bad = || std::io::Error::other("the answer is not HTTP");
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(bad)?;
    let status = head.split_whitespace().nth(1).and_then(|code| code.parse().ok()).ok_or_else(bad)?;
    Ok(Answer { status, head: head.to_owned(), body: body.to_owned() })
}
