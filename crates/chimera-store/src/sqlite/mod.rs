//! The SQLite backend: one writer thread with group commit, readers beside it, a watcher for other processes.
//!
//! Map: [`Store`] is the handle; `writer` drains a bounded channel of closures, runs each in a savepoint,
//! commits once and then answers all; `reader` runs closures on read-only snapshots; `watch` notices commits
//! of other processes; [`Tx`] is what the closures see.

mod connection;
mod reader;
mod tx;
mod watch;
mod writer;

pub use tx::{ReadTx, Tx};

use crate::{StoreError, migrate};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch as signal};

/// Closures that may wait for the writer; more make the callers wait.
const WRITE_QUEUE: usize = 1024;
/// Closures that may wait for a reader; more make the callers wait.
const READ_QUEUE: usize = 256;

/// How a database is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// Connections for reading.
    pub readers: usize,
    /// Whether an older schema is brought up to date; otherwise it is refused.
    pub migrate: bool,
    /// Most pages of the database, for trying out a full disk; absent: no limit.
    pub max_pages: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self { readers: 2, migrate: true, max_pages: None }
    }
}

/// A database, open. Clones share the connections; the last one to go ends the threads.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    writes: mpsc::Sender<writer::Job>,
    reads: mpsc::Sender<reader::Job>,
    changes: signal::Sender<u64>,
    _watcher: Option<watch::Watcher>,
    ended: std::sync::Mutex<Option<oneshot::Receiver<()>>>,
}

impl Store {
    /// Opens a database file, creating it if it does not exist.
    ///
    /// # Errors
    /// [`StoreError::Open`] if the file cannot be written, [`StoreError::Newer`], [`StoreError::Outdated`] or
    /// [`StoreError::Checksum`] if its schema does not fit.
    pub fn open(path: &Path, options: &Options) -> Result<Self, StoreError> {
        let mut connection = connection::for_writing(path, options)?;
        migrate::run(&mut connection, path, options.migrate)?;
        let (changes, _) = signal::channel(0);
        let (ended_tx, ended) = oneshot::channel();
        let (writes, write_queue) = mpsc::channel(WRITE_QUEUE);
        let (reads, read_queue) = mpsc::channel(READ_QUEUE);
        writer::start(connection, write_queue, changes.clone(), ended_tx);
        reader::start(path, options.readers.max(1), read_queue)?;
        let watcher = watch::Watcher::start(path, changes.clone());
        if let Err(err) = &watcher {
            tracing::warn!(error = %err, "commits of other processes are noticed by polling only");
        }
        let ended = std::sync::Mutex::new(Some(ended));
        Ok(Self { inner: Arc::new(Inner { writes, reads, changes, _watcher: watcher.ok(), ended }) })
    }

    /// Runs a closure in a transaction and answers once it is durable.
    ///
    /// The closure shares its commit with others that wait at the same time; its own error undoes its own
    /// writes only. If the returned future is dropped, the closure may still be run and committed.
    ///
    /// # Errors
    /// The closure's own, or what kept the commit from being durable; nothing is written then.
    pub async fn write<T, F>(&self, f: F) -> Result<T, StoreError>
    where
        F: FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
        T: Send + 'static,
    {
        let (job, answer) = writer::job(f);
        self.inner.writes.send(job).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Runs a closure on a snapshot.
    ///
    /// # Errors
    /// The closure's own, or the database's.
    pub async fn read<T, F>(&self, f: F) -> Result<T, StoreError>
    where
        F: FnOnce(&ReadTx<'_>) -> Result<T, StoreError> + Send + 'static,
        T: Send + 'static,
    {
        let (job, answer) = reader::job(f);
        self.inner.reads.send(job).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// A signal that changes after every commit that wrote something, of this process or another one.
    pub fn changes(&self) -> signal::Receiver<u64> {
        self.inner.changes.subscribe()
    }

    /// Lets go of the database and, if this was the last clone, waits until everything is written.
    pub async fn close(self) {
        let ended = self.inner.ended.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if Arc::strong_count(&self.inner) > 1 {
            return;
        }
        drop(self);
        if let Some(ended) = ended {
            let _ = ended.await;
        }
    }
}
