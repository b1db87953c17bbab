//! The one writer: many closures, one commit.

use crate::session::{Connect, Session};
use crate::{StoreError, Tx, Value, journal};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};

/// Most closures that share a commit: bounds how long the first one waits for the last.
const GROUP: usize = 256;
/// From this many closures in the last commit on, as many are waited for again: they mostly come from the same
/// workers, which are about to come back, and a commit costs the same for all of them.
const CROWD: usize = 4;
/// How long they are waited for.
const GATHER: Duration = Duration::from_micros(300);

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

/// Closures for one commit: those that wait already, and as many as the last commit had.
struct Gathering<'a> {
    queue: &'a mut mpsc::Receiver<Job>,
    expected: usize,
    until: Instant,
}

impl Gathering<'_> {
    /// The next closure, if `had` are not enough.
    fn next(&mut self, had: usize) -> Option<Job> {
        if had >= GROUP {
            return None;
        }
        loop {
            match self.queue.try_recv() {
                Ok(job) => return Some(job),
                Err(_) if had < self.expected && now() < self.until => std::thread::yield_now(),
                Err(_) => return None,
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "bounds a wait of microseconds; nothing is decided by it")]
fn now() -> Instant {
    Instant::now()
}

impl Writer {
    /// Starts the thread; it ends when the queue is closed and empty, and says so by dropping `ended`.
    pub(crate) fn start(mut self, mut queue: mpsc::Receiver<Job>, ended: oneshot::Sender<()>) {
        std::thread::spawn(move || {
            let mut last = 0;
            while let Some(first) = queue.blocking_recv() {
                let expected = if last < CROWD { 0 } else { last };
                last = self.group(first, Gathering { queue: &mut queue, expected, until: now() + GATHER });
            }
            drop(self);
            drop(ended);
        });
    }

    /// Runs a closure with those that wait beside it, at once and in the caller's thread.
    pub(crate) fn turn(&mut self, first: Job, queue: &mut mpsc::Receiver<Job>) {
        self.group(first, Gathering { queue, expected: 0, until: now() });
    }

    /// Runs closures and commits them together; gives their number.
    fn group(&mut self, first: Job, mut gathering: Gathering<'_>) -> usize {
        let before = match self.begin() {
            Ok(before) => before,
            Err(err) => {
                (first(Err(err)).answer)(Ok(()));
                return 0;
            }
        };
        let session = &*self.session;
        let mut entries = Vec::new();
        let mut ran = vec![run(session, first, &mut entries)];
        while session.in_transaction() {
            let Some(job) = gathering.next(ran.len()) else { break };
            ran.push(run(session, job, &mut entries));
        }
        let committed = commit(session, &entries);
        if committed.is_ok() && session.written() != before {
            self.changes.send_modify(|version| *version += 1);
            self.committed.send_modify(|version| *version += 1);
        }
        let number = ran.len();
        for ran in ran {
            (ran.answer)(committed.clone());
        }
        number
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
