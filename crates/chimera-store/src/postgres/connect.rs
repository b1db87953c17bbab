//! Making a connection: to the first of the hosts that will do.

use super::server::PostgresServer;
use super::tls;
use super::trouble::describe;
use crate::StoreError;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, Connection, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long a host is given before the next one is asked as well: one that vanished takes longer to be given up. One that
/// refuses is not waited for.
const HEAD_START: Duration = Duration::from_millis(500);
/// The encoding that can keep every text.
const ENCODING: &str = "UTF8";

/// A client and what carries its questions, which has to be polled.
pub(super) type Connected = (Client, Carrier);
pub(super) type Carrier = Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>;

/// Connects to the first host that answers and will do, beginning with the one of the last time.
///
/// # Errors
/// [`StoreError::Open`], which says what each host answered.
pub(super) async fn connect(server: &PostgresServer) -> Result<Connected, StoreError> {
    Ok(connect_to_any(server).await?.1)
}

/// As [`connect`], with the number of the host.
///
/// # Errors
/// As of [`connect`].
pub(super) async fn connect_to_any(server: &PostgresServer) -> Result<(usize, Connected), StoreError> {
    let refused = |detail: String| StoreError::Open { place: server.to_string(), detail };
    let tls = tls::connector(&server.encryption).map_err(refused)?;
    let (several, mut waiting) = (server.hosts().nth(1).is_some(), server.hosts().peekable());
    let (mut next, mut attempts, mut answers) = (waiting.next(), JoinSet::new(), Vec::new());
    loop {
        if let Some((host, config)) = next.take() {
            let (config, tls) = (config.clone(), tls.clone());
            attempts.spawn(async move { (host, attempt(&config, tls).await) });
        }
        let done = tokio::select! {
            done = attempts.join_next() => done,
            () = tokio::time::sleep(HEAD_START), if waiting.peek().is_some() => {
                next = waiting.next();
                continue;
            }
        };
        match done {
            Some(Ok((host, Ok(connected)))) => {
                server.remember(host);
                suitable(&connected.1).map_err(refused)?;
                return Ok((host, connected));
            }
            Some(Ok((host, Err(answer)))) => {
                answers.push(if several { format!("{}: {answer}", server.host(host)) } else { answer });
                next = waiting.next();
            }
            Some(Err(_)) => next = waiting.next(),
            None => return Err(refused(answers.join("; "))),
        }
    }
}

async fn attempt(config: &Config, tls: MakeRustlsConnect) -> Result<Connected, String> {
    // The driver's limit ends with the connection; a frozen server takes it and says nothing.
    let limit = config.get_connect_timeout().copied().unwrap_or_default();
    match tokio::time::timeout(limit, config.connect(tls)).await {
        Ok(connected) => connected.map_err(|err| describe(&err)),
        Err(_) => Err(format!("it does not answer within {} s", limit.as_secs())),
    }
}

/// What speaks against keeping the queue there.
fn suitable(connection: &Carrier) -> Result<(), String> {
    match connection.parameter("server_encoding") {
        Some(encoding) if encoding != ENCODING => Err(format!(
            "its encoding is {encoding}, which cannot keep every text: create a database with \
            `createdb --encoding=UTF8 --template=template0 NAME` and give that one"
        )),
        _ => Ok(()),
    }
}
