//! Tells other daemons of our commits, and hears of theirs: LISTEN and NOTIFY.
//!
//! A notification takes a lock of the whole database at its commit, so it is sent beside the commits, at most
//! one per [`COALESCE`] for however many of them. A lost connection is made again; meanwhile the poll of the
//! engine finds what is new.

use super::{connect, session::describe};
use crate::database::PostgresServer;
use crate::{StoreError, thread};
use postgres::Client;
use postgres::fallible_iterator::FallibleIterator;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// Pause after a notification, in which further commits are gathered into one.
const COALESCE: Duration = Duration::from_millis(5);
/// How long the listener waits at a time: bounds how long it outlives the store.
const LISTEN: Duration = Duration::from_secs(1);
/// Pause before a lost connection is made again.
const RECONNECT: Duration = Duration::from_secs(1);

/// Both threads. The listener ends soon after this is dropped, the other one with the writer.
pub(super) struct Signals {
    stop: Arc<AtomicBool>,
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Signals {
    pub(super) fn start(
        server: &PostgresServer,
        committed: watch::Receiver<u64>,
        changes: watch::Sender<u64>,
    ) -> Result<Self, StoreError> {
        let stop = Arc::new(AtomicBool::new(false));
        // The server's number of the telling connection: what it tells is no news here.
        let own = Arc::new(AtomicI32::new(0));
        let (listener, teller) = (listening(server)?, telling(server, &own)?);
        let (place, stopped, told_by_us) = (server.clone(), stop.clone(), own.clone());
        thread::start("store-listener", move || listen(&place, listener, &told_by_us, &changes, &stopped))?;
        let place = server.clone();
        thread::start("store-teller", move || tell(&place, teller, &own, committed))?;
        Ok(Self { stop })
    }
}

fn listening(server: &PostgresServer) -> Result<Client, StoreError> {
    let mut client = connect(server)?;
    client.batch_execute("LISTEN chimera").map_err(|err| StoreError::Unreachable(describe(&err)))?;
    Ok(client)
}

fn telling(server: &PostgresServer, own: &AtomicI32) -> Result<Client, StoreError> {
    let mut client = connect(server)?;
    let pid = client
        .query_one("SELECT pg_backend_pid()", &[])
        .and_then(|row| row.try_get(0))
        .map_err(|err| StoreError::Unreachable(describe(&err)))?;
    own.store(pid, Ordering::Relaxed);
    Ok(client)
}

fn listen(
    server: &PostgresServer,
    mut client: Client,
    own: &AtomicI32,
    changes: &watch::Sender<u64>,
    stop: &AtomicBool,
) {
    while !stop.load(Ordering::Relaxed) {
        let heard = client.notifications().timeout_iter(LISTEN).next();
        match heard {
            Ok(Some(told)) if told.process_id() == own.load(Ordering::Relaxed) => continue,
            Ok(Some(_)) => {}
            Ok(None) if !client.is_closed() => continue,
            _ => {
                std::thread::sleep(RECONNECT);
                let Ok(new) = listening(server) else { continue };
                client = new;
            }
        }
        // Heard of something, or may have missed something.
        changes.send_modify(|version| *version += 1);
    }
}

fn tell(server: &PostgresServer, mut client: Client, own: &AtomicI32, mut committed: watch::Receiver<u64>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().build() else { return };
    while runtime.block_on(committed.changed()).is_ok() {
        committed.borrow_and_update();
        if client.batch_execute("NOTIFY chimera").is_err() {
            std::thread::sleep(RECONNECT);
            let Ok(new) = telling(server, own) else { continue };
            client = new;
            let _ = client.batch_execute("NOTIFY chimera");
        }
        std::thread::sleep(COALESCE);
    }
}
