//! A connection apart from all others: for heartbeats, and for what must be known before something happens that others
//! can see. Long reads and writes of the interface do not stand in its way.

use crate::session::Connect;
use crate::writer::Writer;
use crate::{ReadTx, Store, StoreError, Tx, job, reader, thread};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// Jobs that may wait for it; more make the callers wait.
const QUEUE: usize = 256;

/// The way to it.
pub(crate) struct Apart {
    jobs: mpsc::Sender<Job>,
    /// Whether it writes as well. A file has one writer at a time: there the writer thread does it, in its turn.
    writes: bool,
}

/// What is asked of it.
enum Job {
    /// A transaction that writes, with a commit of its own.
    Write(job::Job),
    /// A snapshot.
    Read(reader::Job),
}

impl Apart {
    /// Starts the thread; it ends when nobody can ask any more.
    pub(crate) fn start(connect: &Arc<Connect>, writes: bool) -> Result<Self, StoreError> {
        let (jobs, mut queue) = mpsc::channel(QUEUE);
        // A heartbeat makes nothing claimable: its commits wake nobody.
        let ([committed, changes], connect) = ([(); 2].map(|()| watch::Sender::default()), connect.clone());
        let mut writer = Writer {
            session: connect()?,
            files: None,
            connect,
            committed,
            changes,
            version: None,
            unfolded: 0,
        };
        thread::start("store-apart", move || {
            while let Some(job) = queue.blocking_recv() {
                match job {
                    Job::Write(job) => writer.alone(job),
                    Job::Read(job) => match writer.renew() {
                        Ok(()) => job(Ok(&*writer.session)),
                        Err(err) => job(Err(err)),
                    },
                }
            }
        })?;
        Ok(Self { jobs, writes })
    }
}

impl Store {
    /// As [`Store::write`], with a commit of its own that nobody else's statements hold up, and that wakes nobody: for
    /// heartbeats.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub async fn write_apart<T, F>(&self, f: F) -> Result<T, StoreError>
    where
        F: FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
        T: Send + 'static,
    {
        let Some(apart) = self.apart().filter(|apart| apart.writes) else { return self.write(f).await };
        let job = |deadline| {
            let (job, answer) = job::job(deadline, None, f);
            (Job::Write(job), answer)
        };
        self.ask(&apart.jobs, job).await
    }

    /// As [`Store::read`], without waiting for what the interface reads: for what decides whether an attempt goes on.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn read_apart<T, F>(&self, f: F) -> Result<T, StoreError>
    where
        F: FnOnce(&ReadTx<'_>) -> Result<T, StoreError> + Send + 'static,
        T: Send + 'static,
    {
        let Some(apart) = self.apart() else { return self.read(f).await };
        let job = |deadline| {
            let (job, answer) = reader::job(deadline, f);
            (Job::Read(job), answer)
        };
        self.ask(&apart.jobs, job).await
    }
}
