//! The files of a database that is in use: whether the next process would find them.
//!
//! What is open stays usable when its name is gone. SQLite notices nothing, and all that it commits from then on
//! vanishes with the process. So each file is compared with its name: after each commit, before anybody is told of it,
//! and whenever inotify reports something.

use crate::StoreError;
use crate::session::Session;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, Stat, fstat, open, statat};
use rustix::io::Errno;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// What SQLite adds to the name of the database for the files beside it.
pub(super) const WAL: &str = "-wal";
const SHARED_MEMORY: &str = "-shm";

/// The files of one open database.
#[derive(Debug)]
pub(crate) struct Files {
    database: Known,
    wal: Known,
    shared_memory: Known,
    /// SQLite refuses a second one that writes back at the same time, instead of letting it wait.
    writing_back: Mutex<()>,
}

/// One of them, as it was opened.
#[derive(Debug)]
struct Known {
    path: PathBuf,
    /// Only names the file. Closing it lets no lock of SQLite go, as it would with one for reading.
    handle: OwnedFd,
    identity: (u64, u64),
}

impl Files {
    /// Those of a database from which a connection of this process has read already.
    pub(crate) fn of(path: &Path) -> Result<Self, StoreError> {
        let known = |path: PathBuf| {
            Known::of(&path).map_err(|err| StoreError::Open {
                place: path.display().to_string(),
                detail: err.to_string(),
            })
        };
        // The others lie beside the file itself, not beside a link to it.
        let (wal, shared_memory) = (beside(path, WAL), beside(path, SHARED_MEMORY));
        let (database, wal, shared_memory) = (known(path.to_owned())?, known(wal)?, known(shared_memory)?);
        Ok(Self { database, wal, shared_memory, writing_back: Mutex::default() })
    }

    /// Whether all of them are where they were. If nothing but the log of changes is missing, what it held is
    /// written into the database.
    ///
    /// # Errors
    /// [`StoreError::Fatal`], with what happened and what to do.
    pub(crate) fn check(&self, session: &dyn Session) -> Result<(), StoreError> {
        if let Some(lost) = self.database.lost() {
            let remedy = "nothing that was asked for since then is accepted: put the right file back, or a \
                whole backup, then start again";
            return Err(StoreError::Fatal(format!("{lost} while the daemon ran; {remedy}")));
        }
        if let Some(lost) = self.wal.lost() {
            // Where there is another log, somebody else may be writing.
            let _alone = self.writing_back.lock().unwrap_or_else(PoisonError::into_inner);
            let saved = !self.wal.path.exists() && write_back(session);
            let remedy = if saved {
                "everything that was accepted is in the database: start again"
            } else {
                "the last changes may be lost: look at what is there, or restore a backup, then start again"
            };
            return Err(StoreError::Fatal(format!("{lost} while the daemon ran; {remedy}")));
        }
        match self.shared_memory.lost() {
            None => Ok(()),
            // Its locks lie there: the next process would not see those of this one.
            Some(lost) => Err(StoreError::Fatal(format!(
                "{lost} while the daemon ran; everything that was accepted is in the database: start again"
            ))),
        }
    }

    /// What to watch, to hear of it when no commit asks.
    pub(super) fn paths(&self) -> [&Path; 3] {
        [&self.database, &self.wal, &self.shared_memory].map(|known| known.path.as_path())
    }
}

impl Known {
    fn of(path: &Path) -> rustix::io::Result<Self> {
        let handle = open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        let identity = identity(&fstat(&handle)?);
        Ok(Self { path: path.to_owned(), handle, identity })
    }

    /// What happened to the file, if it is not found under its name any more.
    fn lost(&self) -> Option<String> {
        let shown = self.path.display();
        match statat(CWD, &self.path, AtFlags::empty()) {
            Ok(found) if identity(&found) == self.identity => None,
            Ok(_) => Some(format!("another file was put in the place of {shown}")),
            Err(Errno::NOENT | Errno::NOTDIR) => Some(match self.now() {
                Some(now) => format!("{shown} was moved to {}", now.display()),
                None => format!("{shown} was deleted"),
            }),
            // Nobody may look there now; that says nothing about the file.
            Err(_) => self.is_deleted().then(|| format!("{shown} was deleted")),
        }
    }

    fn is_deleted(&self) -> bool {
        fstat(&self.handle).is_ok_and(|stat| stat.st_nlink == 0)
    }

    /// The name that the file has now.
    fn now(&self) -> Option<PathBuf> {
        let link = format!("/proc/self/fd/{}", self.handle.as_raw_fd());
        if self.is_deleted() { None } else { std::fs::read_link(link).ok() }
    }
}

/// Where SQLite has the file that belongs to a database.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()).into_os_string();
    name.push(suffix);
    name.into()
}

/// Writes everything that is committed into the database; true if all of it is there.
fn write_back(session: &dyn Session) -> bool {
    let rows = session.query("PRAGMA wal_checkpoint(FULL)", &[]).unwrap_or_default();
    let told = |column| rows.first().and_then(|row| row.int(column).ok());
    told(0) == Some(0) && told(1).is_some() && told(1) == told(2)
}

fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}
