//! The handle: closures go to the writer and the readers, signals come back.

use crate::apart::Apart;
use crate::change::Change;
use crate::commits::Commits;
use crate::database::{connector, planted};
use crate::patience::{Deadline, Patience, until_closed};
use crate::session::Connect;
use crate::sim::Queues;
use crate::writer::Writer;
use crate::{Database, Options, ReadTx, StoreError, Tx, job, migrate, postgres, reader, sqlite};
use chimera_core::UnixMillis;
use std::any::Any;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{mpsc, oneshot, watch};

/// Closures that may wait for the writer; more make the callers wait.
const WRITE_QUEUE: usize = 1024;
/// Closures that may wait for a reader; more make the callers wait.
const READ_QUEUE: usize = 256;

/// A database, open. Clones share the connections; the last one to go ends the threads.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
    patience: Patience,
}

struct Inner {
    writes: mpsc::Sender<job::Job>,
    reads: mpsc::Sender<reader::Job>,
    /// The connection apart, where there is one.
    apart: Option<Apart>,
    changes: watch::Sender<Commits>,
    /// Why nothing is answered any more.
    failed: watch::Sender<Option<StoreError>>,
    /// Whether the database has a clock of its own.
    has_clock: bool,
    /// Transactions asked for so far.
    asked: AtomicU64,
    _watcher: Option<Watcher>,
    ended: std::sync::Mutex<Option<oneshot::Receiver<()>>>,
}

/// Notices commits of other processes and tells them of ours, until it is dropped.
pub(crate) type Watcher = Box<dyn Any + Send + Sync>;

impl Store {
    /// Opens a database, creating a file that does not exist. Waits for the connections.
    ///
    /// # Errors
    /// [`StoreError::Open`] if the database cannot be reached or written, [`StoreError::Newer`],
    /// [`StoreError::Outdated`] or [`StoreError::Checksum`] if its schema does not fit.
    pub fn open(database: &Database, options: &Options) -> Result<Self, StoreError> {
        // A driver may bring a runtime of its own, which must not start within the caller's.
        std::thread::scope(|scope| {
            let opening = scope.spawn(|| Self::open_here(database, options));
            opening.join().unwrap_or(Err(StoreError::Panicked))
        })
    }

    /// A store whose closures wait for somebody to run them.
    pub(crate) fn unserved(changes: watch::Sender<Commits>) -> Queues {
        let (writes, write_queue) = mpsc::channel(WRITE_QUEUE);
        let (reads, read_queue) = mpsc::channel(READ_QUEUE);
        let ended = std::sync::Mutex::new(None);
        let (asked, has_clock) = (AtomicU64::default(), false);
        let failed = watch::channel(None).0;
        let inner =
            Inner { writes, reads, apart: None, changes, failed, has_clock, asked, _watcher: None, ended };
        (Self { inner: Arc::new(inner), patience: Patience::Prompt }, write_queue, read_queue)
    }

    fn open_here(database: &Database, options: &Options) -> Result<Self, StoreError> {
        let connect_writer = connector(database, options);
        let session = connect_writer()?;
        migrate::run(&*session, &database.to_string(), options.migrate)?;
        let has_clock = session.dialect().server_time.is_some();
        let changes = watch::Sender::<Commits>::default();
        let (ended_tx, ended) = oneshot::channel();
        let (writes, write_queue) = mpsc::channel(WRITE_QUEUE);
        let (reads, read_queue) = mpsc::channel(READ_QUEUE);
        let connect: Arc<Connect> = match database {
            Database::Sqlite(path) => planted(sqlite::reading(path.clone()), options.plant),
            Database::Postgres(_) => connect_writer.clone(),
        };
        reader::start(&connect, options.readers.max(1), read_queue)?;
        let apart = Some(Apart::start(&connect, matches!(database, Database::Postgres(_)))?);
        let committed = watch::Sender::<Commits>::default();
        let (failed, _) = watch::channel(None);
        let (files, watcher) = match database {
            Database::Sqlite(path) => {
                let files = Arc::new(sqlite::Files::of(path)?);
                let tell = sqlite::Tell {
                    changes: changes.clone(),
                    writer: writes.downgrade(),
                    failed: failed.clone(),
                };
                (Some(files.clone()), sqlite::watch(path, files, tell))
            }
            Database::Postgres(server) => {
                let watched = postgres::watch(server, &committed, changes.clone());
                (None, watched.map(|()| Box::new(()) as Watcher))
            }
        };
        if let Err(err) = &watcher {
            tracing::warn!(error = %err, "commits of other processes are noticed by polling only");
        }
        let version = session.version_of_others();
        let (connect, told) = (connect_writer, changes.clone());
        Writer { session, files, connect, committed, changes: told, version, unfolded: 0 }
            .start(write_queue, ended_tx)?;
        let ended = std::sync::Mutex::new(Some(ended));
        let inner = Inner {
            writes,
            reads,
            apart,
            changes,
            failed,
            has_clock,
            asked: AtomicU64::default(),
            _watcher: watcher.ok(),
            ended,
        };
        Ok(Self { inner: Arc::new(inner), patience: Patience::Prompt })
    }

    /// The same store for what may take long because it reads or writes the whole queue: an hour for each statement, a
    /// day for all. Everything else is answered within half a minute, if need be by [`StoreError::Unreachable`].
    #[must_use]
    pub fn patient(&self) -> Self {
        Self { patience: Patience::Long, ..self.clone() }
    }

    /// Runs a closure in a transaction and answers once it is durable.
    ///
    /// The closure shares its commit with others that wait at the same time; its own error undoes its own
    /// writes only. If the returned future is dropped, the closure may still be run and committed.
    ///
    /// # Errors
    /// The closure's own, or what kept the commit from being durable; nothing is written then, unless it is
    /// [`StoreError::Unreachable`]: a connection that breaks during the commit, or an answer that takes too long, leaves
    /// that open.
    pub async fn write<T, F>(&self, f: F) -> Result<T, StoreError>
    where
        F: FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
        T: Send + 'static,
    {
        self.send(|deadline| job::job(deadline, None, f)).await
    }

    /// Makes a change and answers `made` once it is durable; if the change finds no row or fails, runs the closure
    /// instead, as [`Store::write`] does. Changes that wait at the same time are made by one statement.
    pub(crate) async fn change<T, F>(&self, change: Change, made: T, f: F) -> Result<T, StoreError>
    where
        F: FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
        T: Send + 'static,
    {
        self.send(|deadline| job::job(deadline, Some((change, made)), f)).await
    }

    pub(crate) async fn send<T>(
        &self,
        ask: impl FnOnce(Deadline) -> (job::Job, oneshot::Receiver<Result<T, StoreError>>),
    ) -> Result<T, StoreError> {
        self.ask(&self.inner.writes, ask).await
    }

    /// Puts a job into a queue and waits for its answer, as long as the store's patience lasts.
    pub(crate) async fn ask<J, T>(
        &self,
        queue: &mpsc::Sender<J>,
        ask: impl FnOnce(Deadline) -> (J, oneshot::Receiver<Result<T, StoreError>>),
    ) -> Result<T, StoreError> {
        self.inner.sound()?;
        let deadline = self.patience.deadline();
        let (job, answer) = ask(deadline);
        self.inner.asked.fetch_add(1, Ordering::Relaxed);
        self.inner.told(deadline.ask(queue, job, answer).await)
    }

    /// The connection apart, where there is one.
    pub(crate) fn apart(&self) -> Option<&Apart> {
        self.inner.apart.as_ref()
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
        self.ask(&self.inner.reads, |deadline| reader::job(deadline, f)).await
    }

    /// Whether the database takes changes at the moment, as far as one that changes nothing can tell: a transaction of the
    /// writer begins and commits. Costs the same however much there is.
    ///
    /// # Errors
    /// Why it takes none.
    pub async fn takes_changes(&self) -> Result<(), StoreError> {
        self.write(|tx| tx.is_writable()).await
    }

    /// The time of the database server; nothing if the database is on this machine anyway.
    ///
    /// # Errors
    /// The database's.
    #[expect(clippy::redundant_closure_for_method_calls, reason = "the method's lifetimes are too narrow")]
    pub async fn server_time(&self) -> Result<Option<UnixMillis>, StoreError> {
        if self.inner.has_clock { self.read_apart(|tx| tx.server_time()).await } else { Ok(None) }
    }

    /// Ends every connection of others to the database, as a restart of its server would; a file has none. For
    /// trying out what they do then.
    ///
    /// # Errors
    /// The database's.
    #[expect(clippy::redundant_closure_for_method_calls, reason = "the method's lifetimes are too narrow")]
    pub async fn disconnect_others(&self) -> Result<(), StoreError> {
        self.read(|tx| tx.disconnect_others()).await
    }

    /// Transactions that were asked for through this handle and its clones so far.
    pub fn transactions(&self) -> u64 {
        self.inner.asked.load(Ordering::Relaxed)
    }

    /// A signal that changes after every commit that wrote something, of this process or another one, and says what they
    /// were about.
    pub fn changes(&self) -> watch::Receiver<Commits> {
        self.inner.changes.subscribe()
    }

    /// Waits until the database cannot be used any more ([`StoreError::Fatal`]) and tells why; from then on nothing
    /// else is answered. Does not keep the store open; never answers once that is closed.
    pub fn failure(&self) -> impl Future<Output = StoreError> + Send + use<> {
        let mut failed = self.inner.failed.subscribe();
        async move {
            match failed.wait_for(Option::is_some).await.map(|failed| failed.clone()) {
                Ok(Some(err)) => err,
                _ => std::future::pending().await,
            }
        }
    }

    /// Whether the database can still be used.
    ///
    /// # Errors
    /// [`StoreError::Fatal`] if it cannot.
    pub fn sound(&self) -> Result<(), StoreError> {
        self.inner.sound()
    }

    /// Lets go of the database and, if this was the last clone, waits until everything is written.
    pub async fn close(self) {
        if self.inner.sound().is_err() {
            // The last connection of SQLite would tidy up, by name, files that may not be its own any more.
            return std::mem::forget(self);
        }
        let ended = self.inner.ended.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if Arc::strong_count(&self.inner) > 1 {
            return;
        }
        drop(self);
        if let Some(ended) = ended {
            until_closed(ended).await;
        }
    }
}

impl Inner {
    fn sound(&self) -> Result<(), StoreError> {
        self.failed.borrow().clone().map_or(Ok(()), Err)
    }

    /// The answer, unless the database was found unusable meanwhile.
    fn told<T>(&self, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(err @ StoreError::Fatal(_)) = &answer {
            self.failed.send_if_modified(|failed| failed.is_none() && failed.replace(err.clone()).is_none());
        }
        self.sound().and(answer)
    }
}
