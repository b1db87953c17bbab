//! Tells other daemons of our commits, and hears of theirs: LISTEN and NOTIFY.
//!
//! A notification takes a lock of the whole database at its commit, so it is sent beside the commits, at most
//! one per [`COALESCE`] for however many of them, with a letter for each kind of commit among them. A lost connection is made again; meanwhile the poll of the
//! engine finds what is new.

use super::connect::{Carrier, connect};
use super::server::PostgresServer;
use super::trouble::describe;
use crate::commits::{Commits, News, tell};
use crate::{StoreError, thread};
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio_postgres::{AsyncMessage, Client, Error};

/// Pause after a notification, in which further commits are gathered into one.
const COALESCE: Duration = Duration::from_millis(5);
/// Pause before a lost connection is made again.
const RECONNECT: Duration = Duration::from_secs(1);
/// How long an answer is waited for.
const ANSWER: Duration = Duration::from_secs(5);
/// How often the server is asked whether it is still there, if there is nothing else to tell it.
const ALIVE: Duration = Duration::from_secs(10);
/// A session that idles is one that listens.
const SETTINGS: &str = "SET idle_session_timeout = 0; SET statement_timeout = '5s'";

/// Starts the thread, which ends with the writer. Returns once it hears of others' commits.
///
/// # Errors
/// Why it does not. It goes on trying.
pub(super) fn start(
    server: &PostgresServer,
    mut committed: watch::Receiver<Commits>,
    changes: watch::Sender<Commits>,
) -> Result<(), StoreError> {
    let (server, (first, began)) = (server.clone(), std::sync::mpsc::sync_channel(1));
    thread::start("store-signals", move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            let (mut first, mut told) = (Some(first), Commits::default());
            loop {
                let line = Line::open(&server, &changes).await;
                match first.take() {
                    Some(first) => drop(first.send(line.as_ref().map(drop).map_err(StoreError::clone))),
                    // Something may have been missed meanwhile.
                    None => tell(&changes, News::ANY),
                }
                if let Ok(line) = line
                    && line.serve(&mut committed, &mut told).await == End::Writer
                {
                    return;
                }
                tokio::time::sleep(RECONNECT).await;
                if committed.has_changed().is_err() {
                    return;
                }
            }
        });
        runtime.shutdown_background();
    })?;
    began.recv().unwrap_or(Err(StoreError::Closed))
}

/// Why a connection is not served any more.
#[derive(PartialEq, Eq)]
enum End {
    /// The writer ended: there is nothing more to tell.
    Writer,
    /// The connection broke.
    Connection,
}

/// A connection that hears and tells.
struct Line {
    client: Client,
    hearing: tokio::task::JoinHandle<()>,
}

impl Line {
    async fn open(server: &PostgresServer, changes: &watch::Sender<Commits>) -> Result<Self, StoreError> {
        let (client, carrier) = connect(server).await?;
        // What this connection tells is no news here.
        let own = Arc::new(AtomicI32::new(0));
        let hearing = tokio::spawn(hear(carrier, own.clone(), changes.clone()));
        let line = Self { client, hearing };
        let pid = async {
            line.client.batch_execute(SETTINGS).await?;
            line.client.batch_execute("LISTEN chimera").await?;
            line.client.query_one("SELECT pg_backend_pid()", &[]).await?.try_get(0)
        };
        own.store(answered(pid).await?, Ordering::Relaxed);
        Ok(line)
    }

    /// Tells what is committed beyond what was told.
    async fn serve(mut self, committed: &mut watch::Receiver<Commits>, told: &mut Commits) -> End {
        loop {
            let mut asked = String::new();
            tokio::select! {
                _ = &mut self.hearing => return End::Connection,
                changed = committed.changed() => if changed.is_err() { return End::Writer },
                () = tokio::time::sleep(ALIVE) => (),
            }
            let now = *committed.borrow_and_update();
            if now != *told {
                asked = format!("NOTIFY chimera, '{}'", now.since(*told).letters());
            }
            if answered(self.client.batch_execute(&asked)).await.is_err() {
                // The next connection tells it.
                committed.mark_changed();
                return End::Connection;
            }
            *told = now;
            tokio::time::sleep(COALESCE).await;
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.hearing.abort();
    }
}

/// Carries what is asked, and hears what others tell, until the connection ends.
async fn hear(mut carrier: Carrier, own: Arc<AtomicI32>, changes: watch::Sender<Commits>) {
    while let Some(Ok(message)) = poll_fn(|context| carrier.poll_message(context)).await {
        if let AsyncMessage::Notification(told) = message
            && told.process_id() != own.load(Ordering::Relaxed)
        {
            tell(&changes, News::of_letters(told.payload()));
        }
    }
}

async fn answered<T>(asked: impl Future<Output = Result<T, Error>>) -> Result<T, StoreError> {
    match tokio::time::timeout(ANSWER, asked).await {
        Ok(answer) => answer.map_err(|err| StoreError::Unreachable(describe(&err))),
        Err(_) => Err(StoreError::Unreachable(format!("no answer within {} s", ANSWER.as_secs()))),
    }
}
