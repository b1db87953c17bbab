//! Notices commits of other processes on the same file, without polling.
//!
//! Every commit in WAL mode writes to the `-wal` file, which inotify reports. `data_version` then tells whether
//! another connection has committed. While nothing is written, the thread sleeps. Whether that was the writer of this
//! process, only the writer's own connection can tell.
//!
//! The names of the database's files are watched as well: see [`Files`].
//!
//! A commit is seen only once its pages are on the disk, some time after they were written: after each report the
//! version is looked at again, for as long as a disk may take.

use super::files::{Files, WAL, beside};
use super::{for_reading, version};
use crate::commits::{Commits, News, tell};
use crate::job::Job;
use crate::{StoreError, thread};
use rusqlite::Connection;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fs::inotify::{self, WatchFlags};
use rustix::io::Errno;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Pause after a wake-up, in which further commits are gathered into one.
const COALESCE: Duration = Duration::from_millis(2);
/// Longest pause between two looks after the last report; each is twice the one before. So a disk may take two seconds
/// and more for a commit to be noticed at once; one that takes longer is noticed with the next.
const LONGEST: Duration = Duration::from_secs(1);

/// What happens when a name goes. The file itself is deleted only once nobody has it open; until then, it has a link less.
const GONE: WatchFlags = WatchFlags::ATTRIB.union(WatchFlags::DELETE_SELF).union(WatchFlags::MOVE_SELF);

/// Whom the watcher tells.
pub(crate) struct Tell {
    /// Of a commit.
    pub(crate) changes: watch::Sender<Commits>,
    /// The writer, which knows its own commits from those of others.
    pub(crate) writer: mpsc::WeakSender<Job>,
    /// That the database cannot be used any more.
    pub(crate) failed: watch::Sender<Option<StoreError>>,
}

impl Tell {
    /// Something was committed, by this process or another one. The writer finds out, at the latest with its next
    /// transaction.
    fn commit(&self) {
        tell(&self.changes, News::JOURNAL);
        if let Some(writer) = self.writer.upgrade() {
            // A queue that is full is one of transactions.
            let _ = writer.try_send(Job::look());
        }
    }
}

pub(super) struct Watcher {
    stop: Arc<OwnedFd>,
}

impl Watcher {
    /// Starts the thread; it ends when the watcher is dropped.
    pub(super) fn start(path: &Path, files: Arc<Files>, tell: Tell) -> Result<Self, StoreError> {
        let connection = for_reading(path)?;
        let system =
            |err: rustix::io::Errno| StoreError::Database(format!("cannot watch {}: {err}", path.display()));
        let inotify =
            inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK).map_err(system)?;
        let wal = beside(path, WAL);
        inotify::add_watch(&inotify, &wal, WatchFlags::MODIFY | GONE).map_err(system)?;
        // A moved directory moves what is in it, and tells nobody but those who watch it.
        let others = files.paths().into_iter().filter(|other| *other != wal).chain(wal.parent());
        for other in others {
            inotify::add_watch(&inotify, other, GONE).map_err(system)?;
        }
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC).map_err(system)?);
        let stopped = stop.clone();
        // Here and not in the thread: what is committed from now on must be noticed.
        let seen = version(&connection);
        thread::start("store-watcher", move || {
            watch(&connection, seen, (&inotify, &stopped), &files, &tell);
        })?;
        Ok(Self { stop })
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = rustix::io::write(&*self.stop, &1u64.to_ne_bytes());
    }
}

fn watch(
    connection: &Connection,
    mut seen: Option<i64>,
    (inotify, stop): (&OwnedFd, &OwnedFd),
    files: &Files,
    tell: &Tell,
) {
    let mut again: Option<Duration> = None;
    loop {
        let mut fds = [PollFd::new(inotify, PollFlags::IN), PollFd::new(stop, PollFlags::IN)];
        let pause = again.and_then(|pause| Timespec::try_from(pause).ok());
        match poll(&mut fds, pause.as_ref()) {
            Err(Errno::INTR) => continue,
            Err(_) => return,
            Ok(_) if !fds[1].revents().is_empty() => return,
            Ok(_) => {}
        }
        if fds[0].revents().is_empty() {
            again = again.map(|pause| pause * 2).filter(|pause| *pause <= LONGEST);
        } else {
            std::thread::sleep(COALESCE);
            drain(inotify);
            again = Some(COALESCE);
            if let Err(err) = files.check(connection) {
                tell.failed.send_replace(Some(err));
                return;
            }
        }
        let now = version(connection);
        if now != seen {
            seen = now;
            tell.commit();
        }
    }
}

fn drain(inotify: &OwnedFd) {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut reader = inotify::Reader::new(inotify, &mut buffer);
    while reader.next().is_ok() {}
}
