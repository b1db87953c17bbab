//! The only way out of a test run: a forwarding proxy that knows the origin under test.
//!
//! The browser of a run sends everything here, other ports of this machine included. What goes to the origin is
//! led to where the application is served, or answered with a control page; declared further hosts are let
//! through; everything else is cut off and noted. So the test sees the same origin, whatever is behind it.

use super::{JudgeError, Scene};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;

/// Largest head of a request: browsers send a few hundred bytes, cookies some thousand.
const HEAD_BYTES: usize = 128 * 1024;
/// How long a connection may take to send its head, or to be established.
const PATIENCE: Duration = Duration::from_secs(30);
/// Most refused addresses that are noted of one run: enough to see what it is about.
const NOTED: usize = 20;

/// What the blank control shows.
const BLANK: &str = "<!doctype html><html><head><title></title></head><body></body></html>";
/// What the error control shows: what a broken application commonly says.
const ERROR: &str = "<!doctype html><html><head><title>500 Internal Server Error</title></head>\
    <body><h1>Internal Server Error</h1><p>The server could not complete your request.</p></body></html>";

/// An open gate; dropping it closes it and every connection through it.
pub(super) struct Gate {
    address: SocketAddr,
    refused: Arc<Mutex<BTreeSet<String>>>,
    _open: DropGuard,
}

/// Where the gate leads.
struct Ways {
    origin: String,
    behind: Behind,
    allowed: Vec<String>,
}

/// What is behind the origin.
#[derive(Clone)]
enum Behind {
    /// A server, and the `Host` that it is asked for.
    Server { address: String, host: Option<String> },
    /// A page with this status.
    Page { status: &'static str, body: &'static str },
}

/// Where one request goes.
enum Way {
    To(Behind),
    Nowhere,
}

impl Gate {
    /// Opens a gate for one run.
    pub(super) async fn open(
        origin: &str,
        scene: &Scene<'_>,
        allow_hosts: &[String],
    ) -> Result<Self, JudgeError> {
        let ways = Arc::new(Ways::new(origin, scene, allow_hosts)?);
        let place = Path::new("127.0.0.1");
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(JudgeError::io(place))?;
        let address = listener.local_addr().map_err(JudgeError::io(place))?;
        let (closed, refused) = (CancellationToken::new(), Arc::<Mutex<BTreeSet<String>>>::default());
        tokio::spawn(accept(listener, ways, refused.clone(), closed.clone()));
        Ok(Self { address, refused, _open: closed.drop_guard() })
    }

    /// Its port on 127.0.0.1.
    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    /// The addresses that the run asked for in vain.
    pub(super) fn refused(&self) -> Vec<String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

impl Ways {
    fn new(origin: &str, scene: &Scene<'_>, allow_hosts: &[String]) -> Result<Self, JudgeError> {
        let behind = match scene {
            Scene::Blank => Behind::Page { status: "200 OK", body: BLANK },
            Scene::Error => Behind::Page { status: "500 Internal Server Error", body: ERROR },
            Scene::Served { at, keep_host } => {
                let address = authority(at)?;
                let host = (!keep_host && address != authority(origin)?).then(|| bare(&address));
                Behind::Server { address, host }
            }
        };
        let allowed = allow_hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        Ok(Self { origin: authority(origin)?, behind, allowed })
    }

    /// Where an authority such as `shop.example:80` leads.
    fn way(&self, authority: &str) -> Way {
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
        if authority == self.origin {
            return Way::To(self.behind.clone());
        }
        // An application may name its own address in a link or a redirect.
        let itself = matches!(&self.behind, Behind::Server { address, .. } if address == authority);
        if itself || self.allowed.iter().any(|allowed| allowed == host || allowed == authority) {
            return Way::To(Behind::Server { address: authority.to_owned(), host: None });
        }
        Way::Nowhere
    }
}

/// Host and port of an origin.
fn authority(origin: &str) -> Result<String, JudgeError> {
    let wrong = || JudgeError::Trial(format!("`{origin}` is no origin such as http://127.0.0.1:8000"));
    let url = Url::parse(origin).map_err(|_| wrong())?;
    let (host, port) = url.host_str().zip(url.port_or_known_default()).ok_or_else(wrong)?;
    Ok(format!("{}:{port}", host.to_ascii_lowercase()))
}

/// As a `Host` header has it: without the port that goes without saying.
fn bare(authority: &str) -> String {
    authority.strip_suffix(":80").unwrap_or(authority).to_owned()
}

async fn accept(
    listener: TcpListener,
    ways: Arc<Ways>,
    refused: Arc<Mutex<BTreeSet<String>>>,
    closed: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            () = closed.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else { continue };
        let (ways, refused, closed) = (ways.clone(), refused.clone(), closed.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = closed.cancelled() => {}
                // What goes wrong here, the browser sees as a broken connection.
                _ = pass(stream, &ways, &refused) => {}
            }
        });
    }
}

/// One connection of the browser: a tunnel, or one request.
async fn pass(mut browser: TcpStream, ways: &Ways, refused: &Mutex<BTreeSet<String>>) -> std::io::Result<()> {
    let Some((head, rest)) = tokio::time::timeout(PATIENCE, head(&mut browser)).await?? else {
        return Ok(());
    };
    let Some(asked) = Asked::parse(&head) else { return Ok(()) };
    let Way::To(behind) = ways.way(&asked.authority) else {
        let mut refused = refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.len() < NOTED {
            refused.insert(asked.authority);
        }
        // Closing without an answer is a network error to the browser; an answer would be a page.
        return Ok(());
    };
    match behind {
        Behind::Page { status, body } => {
            if asked.tunnel {
                browser.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
                if head_of_tunnel(&mut browser).await?.is_none() {
                    return Ok(());
                }
            }
            page(&mut browser, status, body).await
        }
        Behind::Server { address, host } => {
            let mut server = tokio::time::timeout(PATIENCE, TcpStream::connect(&address)).await??;
            if asked.tunnel {
                browser.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
            } else {
                server.write_all(asked.onward(&head, host.as_deref()).as_bytes()).await?;
            }
            server.write_all(&rest).await?;
            copy_bidirectional(&mut browser, &mut server).await.map(drop)
        }
    }
}

async fn head_of_tunnel(browser: &mut TcpStream) -> std::io::Result<Option<(String, Vec<u8>)>> {
    tokio::time::timeout(PATIENCE, head(browser)).await?
}

/// The head of a request and what came with it; `None` if there is none to be had.
async fn head(stream: &mut TcpStream) -> std::io::Result<Option<(String, Vec<u8>)>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Ok(String::from_utf8(bytes).ok().map(|head| (head, rest)));
        }
        if bytes.len() > HEAD_BYTES || stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
}

async fn page(browser: &mut TcpStream, status: &str, body: &str) -> std::io::Result<()> {
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {length}\r\n\
         Cache-Control: no-store\r\nConnection: close\r\n\r\n{body}"
    );
    browser.write_all(answer.as_bytes()).await?;
    browser.shutdown().await
}

/// What a connection asks for.
struct Asked {
    authority: String,
    tunnel: bool,
    method: String,
    path: String,
}

impl Asked {
    fn parse(head: &str) -> Option<Self> {
        let mut words = head.lines().next()?.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?);
        if method == "CONNECT" {
            let authority = target.to_ascii_lowercase();
            return Some(Self { authority, tunnel: true, method, path: String::new() });
        }
        let url = Url::parse(target).ok().filter(|url| url.scheme() == "http")?;
        let path = url[url::Position::BeforePath..url::Position::AfterQuery].to_owned();
        Some(Self { authority: authority(target).ok()?, tunnel: false, method, path })
    }

    /// The head for the server: one request per connection, with nothing in it that is meant for a proxy.
    fn onward(&self, head: &str, host: Option<&str>) -> String {
        let mut onward = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        for line in head.lines().skip(1).filter(|line| !line.is_empty()) {
            let name = line.split(':').next().unwrap_or_default().trim().to_ascii_lowercase();
            match (name.as_str(), host) {
                ("connection" | "keep-alive", _) => {}
                (name, _) if name.starts_with("proxy-") => {}
                ("host", Some(host)) => onward += &format!("Host: {host}\r\n"),
                _ => onward += &format!("{line}\r\n"),
            }
        }
        onward + "Connection: close\r\n\r\n"
    }
}
