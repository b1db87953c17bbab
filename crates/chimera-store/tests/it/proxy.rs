//! Stands between a store and its server, and can say nothing, as a server does that is frozen: its system goes on
//! taking connections and acknowledging data.

use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A way to the server of the tests.
pub(crate) struct Proxy {
    address: SocketAddr,
    silent: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Proxy {
    /// A way to the server that a URL names.
    pub(crate) async fn to(url: &str) -> Self {
        let server = authority(url).rsplit('@').next().expect("a host").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (silent, _) = watch::channel(false);
        let told = silent.clone();
        let serving = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.expect("a connection");
                tokio::spawn(carry(client, server.clone(), told.subscribe()));
            }
        });
        Self { address, silent, serving }
    }

    /// The URL that leads this way.
    pub(crate) fn url(&self, direct: &str) -> String {
        let authority = authority(direct);
        let through = match authority.rsplit_once('@') {
            Some((user, _)) => format!("{user}@{}", self.address),
            None => self.address.to_string(),
        };
        direct.replacen(authority, &through, 1)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Whether nothing is carried any more, of new connections and of old ones.
    pub(crate) fn say_nothing(&self, silent: bool) {
        self.silent.send_replace(silent);
    }
}

fn authority(url: &str) -> &str {
    url.split('/').nth(2).expect("a URL")
}

async fn carry(client: TcpStream, server: String, silent: watch::Receiver<bool>) {
    let mut told = silent.clone();
    told.wait_for(|silent| !silent).await.expect("the proxy is there");
    let Ok(server) = TcpStream::connect(server).await else { return };
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    tokio::join!(one_way(from_client, to_server, silent.clone()), one_way(from_server, to_client, silent));
}

async fn one_way(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut silent: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if silent.wait_for(|silent| !silent).await.is_err() || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
