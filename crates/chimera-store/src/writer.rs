//! The one writer: many jobs, one commit.

use crate::commits::{Commits, News, tell};
use crate::group::Group;
use crate::job::Job;
use crate::session::{Connect, Session};
use crate::sqlite::Files;
use crate::tx::heed_pauses;
use crate::{StoreError, counts, thread};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};

/// Most jobs that share a commit: bounds how long the first one waits for the last.
const GROUP: usize = 256;
/// From this many jobs in the last commit on, as many are waited for again: they mostly come from the same
/// workers, which are about to come back, and a commit costs the same for all of them.
const CROWD: usize = 4;
/// How long the next one of them is waited for. Whoever comes at all comes sooner, and mostly one is missing, which has
/// ended: the others wait for it in vain.
const GATHER: Duration = Duration::from_micros(50);

/// The writer thread's belongings.
pub(crate) struct Writer {
    pub(crate) session: Box<dyn Session>,
    /// The files that it writes, where it is not a server that does.
    pub(crate) files: Option<Arc<Files>>,
    pub(crate) connect: Arc<Connect>,
    /// Told after every commit of this writer that changed something.
    pub(crate) committed: watch::Sender<Commits>,
    /// The same signal, which commits of other processes share.
    pub(crate) changes: watch::Sender<Commits>,
    /// The version of the data when it looked last, where one tells the commits of others.
    pub(crate) version: Option<i64>,
    /// Jobs committed since it folded the counts last.
    pub(crate) unfolded: usize,
}

/// Jobs for one commit: those that wait already, and as many as the last commit had.
struct Gathering<'a> {
    queue: &'a mut mpsc::Receiver<Job>,
    expected: usize,
    /// A job that came, but shares its commit with nobody: it is the next.
    next: &'a mut Option<Job>,
}

impl Gathering<'_> {
    /// The next job, if those of the group are not enough.
    fn next(&mut self, group: &Group<'_>, session: &dyn Session) -> Option<Job> {
        let mut until = None;
        while group.size() < GROUP && group.is_open() {
            match self.queue.try_recv() {
                // While this transaction is open, nobody else commits; it looked when it began.
                Ok(job) if job.looks => {}
                Ok(job) if job.needs_its_own(session) => {
                    *self.next = Some(job);
                    return None;
                }
                Ok(job) => return Some(job),
                Err(_) if group.size() >= self.expected => return None,
                Err(_) if now() >= *until.get_or_insert_with(|| now() + GATHER) => return None,
                Err(_) => std::thread::yield_now(),
            }
        }
        None
    }
}

#[expect(clippy::disallowed_methods, reason = "bounds a wait of microseconds; nothing is decided by it")]
fn now() -> Instant {
    Instant::now()
}

impl Writer {
    /// Starts the thread; it ends when the queue is closed and empty, and says so by dropping `ended`.
    pub(crate) fn start(
        mut self,
        mut queue: mpsc::Receiver<Job>,
        ended: oneshot::Sender<()>,
    ) -> Result<(), StoreError> {
        thread::start("store-writer", move || {
            let (mut last, mut next) = (0, None);
            while let Some(first) = next.take().or_else(|| queue.blocking_recv()) {
                if first.looks {
                    self.look();
                    continue;
                }
                let expected = if last < CROWD { 0 } else { last };
                last = self.group(first, Gathering { queue: &mut queue, expected, next: &mut next });
            }
            drop(self);
            drop(ended);
        })
    }

    /// Runs a closure with those that wait beside it, at once and in the caller's thread.
    pub(crate) fn turn(&mut self, first: Job, queue: &mut mpsc::Receiver<Job>) {
        let mut next = Some(first);
        while let Some(first) = next.take() {
            self.group(first, Gathering { queue, expected: 0, next: &mut next });
        }
    }

    /// Runs a closure in a transaction of its own, in the caller's thread.
    pub(crate) fn alone(&mut self, job: Job) {
        let (_, mut nobody) = mpsc::channel(1);
        self.turn(job, &mut nobody);
    }

    /// Opens a new connection if the old one is gone.
    pub(crate) fn renew(&mut self) -> Result<(), StoreError> {
        if !self.session.usable() {
            self.session = (self.connect)()?;
        }
        Ok(())
    }

    /// Gives jobs their turn and commits them together; gives their number.
    fn group(&mut self, first: Job, mut gathering: Gathering<'_>) -> usize {
        let before = match self.begin() {
            Ok(before) => before,
            Err(err) => {
                first.refuse(err);
                return 0;
            }
        };
        let session = &*self.session;
        let alone = first.needs_its_own(session);
        if !alone && let Err(err) = heed_pauses(session) {
            first.refuse(err);
            return 0;
        }
        let mut group = Group::new(session);
        let mut next = Some(first);
        while let Some(job) = next {
            group.add(job);
            next = if alone { None } else { gathering.next(&group, session) };
        }
        let number = group.size();
        let fold = session.dialect().fold.filter(|_| self.unfolded >= counts::FOLD_AFTER);
        self.unfolded = if fold.is_some() { 0 } else { self.unfolded + number };
        group.commit(fold, |news| {
            // What is in files that nobody finds again is not accepted.
            self.files.as_ref().map_or(Ok(()), |files| files.check(session))?;
            if session.written() != before {
                tell(&self.changes, news);
                tell(&self.committed, news);
            }
            Ok(())
        });
        number
    }

    /// Begins a transaction, on a new connection if the old one is gone; gives the count of rows written.
    fn begin(&mut self) -> Result<u64, StoreError> {
        self.renew()?;
        self.session.later(self.session.dialect().begin_write, &[])?;
        self.look();
        Ok(self.session.written())
    }

    /// Tells of the commits of others since the last look, where the database tells them from those of this connection.
    fn look(&mut self) {
        let version = self.session.version_of_others();
        if std::mem::replace(&mut self.version, version) != version {
            tell(&self.changes, News::ANY);
        }
    }
}
