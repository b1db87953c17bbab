//! The one writer: many closures, one commit.

use crate::session::{Connect, Session};
use crate::{StoreError, Tx, Value, journal};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};

/// Most closures that share a commit: bounds how long the first one waits for the last.
const GROUP: usize = 256;

/// A closure on its way; given an error instead of a transaction, it is answered without being run.
pub(crate) type Job = Box<dyn FnOnce(Result<&mut Tx<'_>, StoreError>) -> Ran + Send>;

/// A closure that was run: whether its writes are to be kept, and the way to answer it once that is known.
pub(crate) struct Ran {
    keep: bool,
    answer: Box<dyn FnOnce(Result<(), StoreError>) + Send>,
}

/// Packs a closure, and gives the place where its answer will be.
pub(crate) fn job<T, F>(f: F) -> (Job, oneshot::Receiver<Result<T, StoreError>>)
where
    F: FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    T: Send + 'static,
{
    let (sender, receiver) = oneshot::channel();
    let job: Job = Box::new(move |tx| {
        let result =
            tx.and_then(|tx| catch_unwind(AssertUnwindSafe(|| f(tx))).unwrap_or(Err(StoreError::Panicked)));
        let keep = result.is_ok();
        // The caller may have gone; that is its business.
        let answer = Box::new(move |commit: Result<(), StoreError>| {
            let _ = sender.send(result.and_then(|value| commit.map(|()| value)));
        });
        Ran { keep, answer }
    });
    (job, receiver)
}

/// The writer thread's belongings.
pub(crate) struct Writer {
    pub(crate) session: Box<dyn Session>,
    pub(crate) connect: Arc<Connect>,
    /// Told after every commit of this writer that changed something.
    pub(crate) committed: watch::Sender<u64>,
    /// The same signal, which commits of other processes share.
    pub(crate) changes: watch::Sender<u64>,
}

impl Writer {
    /// Starts the thread; it ends when the queue is closed and empty, and says so by dropping `ended`.
    pub(crate) fn start(mut self, mut queue: mpsc::Receiver<Job>, ended: oneshot::Sender<()>) {
        std::thread::spawn(move || {
            while let Some(first) = queue.blocking_recv() {
                self.group(first, &mut queue);
            }
            drop(self);
            drop(ended);
        });
    }

    fn group(&mut self, first: Job, queue: &mut mpsc::Receiver<Job>) {
        let before = match self.begin() {
            Ok(before) => before,
            Err(err) => return (first(Err(err)).answer)(Ok(())),
        };
        let session = &*self.session;
        let mut entries = Vec::new();
        let mut ran = vec![run(session, first, &mut entries)];
        while ran.len() < GROUP && session.in_transaction() {
            let Ok(job) = queue.try_recv() else { break };
            ran.push(run(session, job, &mut entries));
        }
        let committed = commit(session, &entries);
        if committed.is_ok() && session.written() != before {
            self.changes.send_modify(|version| *version += 1);
            self.committed.send_modify(|version| *version += 1);
        }
        for ran in ran {
            (ran.answer)(committed.clone());
        }
    }

    /// Begins a transaction, on a new connection if the old one is gone; gives the count of rows written.
    fn begin(&mut self) -> Result<u64, StoreError> {
        if !self.session.usable() {
            self.session = (self.connect)()?;
        }
        self.session.batch(self.session.dialect().begin_write)?;
        Ok(self.session.written())
    }
}

/// Runs one closure in a savepoint of its own.
fn run(session: &dyn Session, job: Job, entries: &mut Vec<Vec<Value>>) -> Ran {
    if let Err(err) = session.batch("SAVEPOINT closure") {
        return job(Err(err));
    }
    let mut tx = Tx::new(session);
    let ran = job(Ok(&mut tx));
    let journal = tx.into_journal();
    // Some errors (full disk, a lost connection) end the whole transaction; `commit` finds out.
    if session.in_transaction() {
        let end = if ran.keep { "RELEASE closure" } else { "ROLLBACK TO closure; RELEASE closure" };
        if let Err(err) = session.batch(end) {
            tracing::error!(error = %err, "cannot end a savepoint; rolling the group back");
            let _ = session.batch("ROLLBACK");
        } else if ran.keep {
            entries.extend(journal);
        }
    }
    ran
}

fn commit(session: &dyn Session, entries: &[Vec<Value>]) -> Result<(), StoreError> {
    if !session.in_transaction() {
        return Err(StoreError::Database("the transaction was rolled back; try again".to_owned()));
    }
    journal::write(session, entries).and_then(|()| session.batch("COMMIT")).inspect_err(|_| {
        if session.in_transaction() {
            let _ = session.batch("ROLLBACK");
        }
    })
}
