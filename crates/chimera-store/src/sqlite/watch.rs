//! Notices commits of other processes on the same file, without polling.
//!
//! Every commit in WAL mode writes to the `-wal` file, which inotify reports. `data_version` then tells whether
//! another connection has committed. While nothing is written, the thread sleeps.
//!
//! A commit is seen only once its pages are on the disk, some time after they were written: after each report the
//! version is looked at again, for as long as a disk may take.

use super::for_reading;
use crate::{StoreError, thread};
use rusqlite::Connection;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fs::inotify;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Pause after a wake-up, in which further commits are gathered into one.
const COALESCE: Duration = Duration::from_millis(2);
/// Longest pause between two looks after the last report; each is twice the one before. So a disk may take two seconds
/// and more for a commit to be noticed at once; one that takes longer is noticed with the next.
const LONGEST: Duration = Duration::from_secs(1);

pub(super) struct Watcher {
    stop: Arc<OwnedFd>,
}

impl Watcher {
    /// Starts the thread; it ends when the watcher is dropped.
    pub(super) fn start(path: &Path, changes: watch::Sender<u64>) -> Result<Self, StoreError> {
        let connection = for_reading(path)?;
        let mut wal = path.as_os_str().to_owned();
        wal.push("-wal");
        let system =
            |err: rustix::io::Errno| StoreError::Database(format!("cannot watch {}: {err}", path.display()));
        let inotify =
            inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK).map_err(system)?;
        inotify::add_watch(&inotify, PathBuf::from(wal), inotify::WatchFlags::MODIFY).map_err(system)?;
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC).map_err(system)?);
        let stopped = stop.clone();
        // Here and not in the thread: what is committed from now on must be noticed.
        let seen = version(&connection);
        thread::start("store-watcher", move || watch(&connection, seen, &inotify, &stopped, &changes))?;
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
    inotify: &OwnedFd,
    stop: &OwnedFd,
    changes: &watch::Sender<u64>,
) {
    let mut again: Option<Duration> = None;
    loop {
        let mut fds = [PollFd::new(inotify, PollFlags::IN), PollFd::new(stop, PollFlags::IN)];
        let pause = again.and_then(|pause| Timespec::try_from(pause).ok());
        if poll(&mut fds, pause.as_ref()).is_err() || !fds[1].revents().is_empty() {
            return;
        }
        if fds[0].revents().is_empty() {
            again = again.map(|pause| pause * 2).filter(|pause| *pause <= LONGEST);
        } else {
            std::thread::sleep(COALESCE);
            drain(inotify);
            again = Some(COALESCE);
        }
        let now = version(connection);
        if now != seen {
            seen = now;
            changes.send_modify(|version| *version += 1);
        }
    }
}

fn version(connection: &Connection) -> Option<i64> {
    connection.pragma_query_value(None, "data_version", |row| row.get(0)).ok()
}

fn drain(inotify: &OwnedFd) {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut reader = inotify::Reader::new(inotify, &mut buffer);
    while reader.next().is_ok() {}
}
