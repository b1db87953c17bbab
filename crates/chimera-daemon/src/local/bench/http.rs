//! Submissions through the real API on loopback, with the load generator in the same process.

use super::{Figure, Plan, quantile};
use crate::seams::{Clock, Dice};
use crate::web::{self, App, Settings};
use anyhow::{Context, Result, bail};
use chimera_core::{Gates, Policy};
use chimera_store::Store;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Connections that submit side by side, one request after the other each.
const CONNECTIONS: u32 = 64;
/// Submissions for each task of the plan: one is quick.
const PER_TASK: u32 = 10;
/// Largest answer that is expected, in bytes.
const ANSWER: usize = 16 * 1024;
const BODY: &str =
    r#"{"feature": "User can view homepage", "target_url": "https://example.com", "priority": 5}"#;

/// `raw` is how many submissions a second the database takes in a bare loop.
pub(super) async fn measure(store: &Store, plan: &Plan, data_dir: &Path, raw: f64) -> Result<Vec<Figure>> {
    let settings = Settings {
        projects: Vec::new(),
        data_dir: data_dir.to_owned(),
        tools: chimera_agent::toolchain::Search::default(),
        policy: Policy::default(),
        gates: Gates::default(),
        host: "127.0.0.1".to_owned(),
        allowed_hosts: Vec::new(),
    };
    let app = App::with_settings(store.clone(), settings, Clock::system(), Dice::system());
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let stop = CancellationToken::new();
    let stopped = stop.clone().cancelled_owned();
    let serving =
        tokio::spawn(
            async move { axum::serve(listener, web::router(app)).with_graceful_shutdown(stopped).await },
        );
    let each = (plan.tasks * PER_TASK).div_ceil(CONNECTIONS);
    let request: Arc<str> = request(address).into();
    let from = Instant::now();
    let clients: Vec<_> =
        (0..CONNECTIONS).map(|_| tokio::spawn(submit(address, request.clone(), each))).collect();
    let mut times = Vec::new();
    for client in clients {
        times.extend(client.await??);
    }
    let rate = f64::from(each * CONNECTIONS) / from.elapsed().as_secs_f64();
    stop.cancel();
    serving.await??;
    let how = format!("POST /api/tasks, {CONNECTIONS} connections from the same process");
    Ok(vec![
        Figure::new("submissions_http", rate, "/s", how.clone()).beside(raw),
        Figure::new("submission_http_p50", quantile(&mut times, 0.5), "ms", how),
    ])
}

fn request(address: SocketAddr) -> String {
    let length = BODY.len();
    format!(
        "POST /api/tasks HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{BODY}"
    )
}

/// Sends requests over one connection and gives the time of each in milliseconds.
async fn submit(address: SocketAddr, request: Arc<str>, number: u32) -> Result<Vec<f64>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut times = Vec::with_capacity(number as usize);
    for _ in 0..number {
        let from = Instant::now();
        stream.write_all(request.as_bytes()).await?;
        answered(&mut stream).await?;
        times.push(from.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(times)
}

/// Reads one answer to its end; it must be a success.
async fn answered(stream: &mut TcpStream) -> Result<()> {
    let mut answer = Vec::with_capacity(1024);
    loop {
        if answer.len() > ANSWER || stream.read_buf(&mut answer).await? == 0 {
            bail!("no answer to a submission");
        }
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let head = head.to_ascii_lowercase();
        let length: usize = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())
            .context("an answer without its length")?;
        if body.len() < length {
            continue;
        }
        return if head.starts_with("http/1.1 20") {
            Ok(())
        } else {
            bail!("a submission was refused: {text}")
        };
    }
}
