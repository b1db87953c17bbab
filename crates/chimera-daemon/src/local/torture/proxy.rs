//! A network that fails: a proxy on loopback between the daemons and the database server, over which everything goes.
//!
//! It never ends a connection that is silent or slow: as with a cable that was pulled, both sides see nothing at all.

use anyhow::{Context, Result};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What is carried at a time: all that a direction of a connection keeps.
const PIECE: usize = 16 * 1024;
/// What a driver sends to commit.
const COMMIT: &[u8] = b"COMMIT";

/// What the network does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Network {
    /// It carries everything at once.
    Fine,
    /// Every piece takes so much longer.
    Slow(Duration),
    /// Nothing arrives, and nobody is told.
    Silent,
    /// Each commit arrives, and the connection breaks before its answer does.
    LosingAnswers,
}

/// The proxy; dropping it ends every connection.
pub(super) struct Proxy {
    at: SocketAddr,
    network: watch::Sender<Network>,
    serving: JoinHandle<()>,
}

impl Proxy {
    /// Between whoever connects to it and a server on this machine.
    pub(super) async fn start(url: &str) -> Result<Self> {
        let port = url.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        let server = SocketAddr::from(([127, 0, 0, 1], port.context("an address without a port")?));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let (at, (network, state)) = (listener.local_addr()?, watch::channel(Network::Fine));
        let serving = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                connections.spawn(carry(client, server, state.clone()));
            }
        });
        Ok(Self { at, network, serving })
    }

    /// Where it listens.
    pub(super) fn port(&self) -> u16 {
        self.at.port()
    }

    /// Sets what the network does from now on, also to what is under way.
    pub(super) fn set(&self, network: Network) {
        self.network.send_replace(network);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Carries a connection until one side ends it.
async fn carry(client: TcpStream, server: SocketAddr, mut network: watch::Receiver<Network>) {
    until_heard(&mut network).await;
    let Ok(server) = TcpStream::connect(server).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let doomed = Arc::new(AtomicBool::new(false));
    let questions =
        Way { from: from_client, to: to_server, network: network.clone(), doomed: doomed.clone() };
    let answers = Way { from: from_server, to: to_client, network, doomed };
    tokio::select! {
        _ = questions.run(|way, piece| {
            let loses = *way.network.borrow() == Network::LosingAnswers;
            if loses && piece.windows(COMMIT.len()).any(|word| word == COMMIT) {
                way.doomed.store(true, Ordering::Release);
            }
            true
        }) => {}
        // The first word after such a commit is its answer, or that of a statement just before it.
        _ = answers.run(|way, _| !way.doomed.load(Ordering::Acquire)) => {}
    }
}

/// One direction of a connection.
struct Way {
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    network: watch::Receiver<Network>,
    doomed: Arc<AtomicBool>,
}

impl Way {
    /// Carries piece by piece, as long as there is something and `goes_on` says so.
    async fn run(mut self, goes_on: impl Fn(&Self, &[u8]) -> bool) -> std::io::Result<()> {
        let mut piece = vec![0; PIECE];
        loop {
            let length = self.from.read(&mut piece).await?;
            // Also the end of a connection is not heard of by the other side.
            until_heard(&mut self.network).await;
            let state = *self.network.borrow();
            if let Network::Slow(by) = state {
                tokio::time::sleep(by).await;
            }
            if length == 0 || !goes_on(&self, &piece[..length]) {
                return Ok(());
            }
            self.to.write_all(&piece[..length]).await?;
        }
    }
}

async fn until_heard(network: &mut watch::Receiver<Network>) {
    // Without a sender, the torture is over.
    let _ = network.wait_for(|state| *state != Network::Silent).await;
}
