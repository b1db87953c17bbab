//! Where a deployment lies on disk, and whose it is.
//!
//! A place belongs to the daemon that holds the lock in it, from before its first file until nothing serves or builds it
//! any more; the system gives the lock back when a daemon dies. Nobody changes or removes a place without its lock, so
//! what is being built or served is safe from every sweep, of this daemon and of others on the same data directory.

use super::Deployment;
use crate::{remove, spec};
use chimera_core::{Digest, TaskId, UnixMillis};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is needed to serve a deployment again, on disk beside its files.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) revision: Digest,
    pub(super) port: u16,
    pub(super) spec: spec::Staging,
    pub(super) expires_at: UnixMillis,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) log: PathBuf,
    /// The name that the application expects to be asked under.
    #[serde(default)]
    pub(super) host: Option<String>,
}

impl Record {
    pub(super) fn deployment(&self) -> Deployment {
        Deployment { url: format!("http://127.0.0.1:{}", self.port), revision: self.revision.clone() }
    }
}

/// All places of one kind of deployment.
#[derive(Debug, Clone)]
pub(super) struct Places {
    dir: PathBuf,
    /// Held while somebody of this daemon only looks at places, so that nobody else takes them for occupied meanwhile.
    looking: Arc<Mutex<()>>,
}

/// A place that is ours. Dropping it gives it back; its files stay.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    _lock: File,
}

/// Most places of one task: one for each daemon that had it and still serves it.
const PLACES: u32 = 100;
/// The beginning of the name of what is being removed.
const GONE: &str = ".gone-";
const LOCK: &str = "lock";
const RECORD: &str = "deployment.json";

impl Places {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir, looking: Arc::default() }
    }

    /// Every place that there is, with its task.
    pub(super) fn all(&self) -> Vec<(TaskId, PathBuf)> {
        let names = self.names().into_iter();
        let task = |name: &str| TaskId::parse(name.split('.').next()?).ok();
        names.filter_map(|name| Some((task(&name)?, self.dir.join(name)))).collect()
    }

    /// Takes a place for a task that nobody holds, and makes one if need be.
    pub(super) fn claim(&self, task: &TaskId) -> io::Result<Place> {
        let _looking = self.look();
        for path in self.of(task) {
            if let Some(place) = make(&path)? {
                return Ok(place);
            }
        }
        Err(io::Error::other(format!("all {PLACES} places for {task} are in use")))
    }

    /// Takes the newest place of a task that has a record and that nobody holds, if there is one.
    pub(super) fn recorded(&self, task: &TaskId) -> Option<(Place, Record)> {
        let _looking = self.look();
        let there = self.all().into_iter().filter(|(owner, _)| owner == task);
        let recorded = there.filter_map(|(_, path)| {
            let place = take(&path).ok().flatten()?;
            place.record().map(|record| (place, record))
        });
        recorded.max_by_key(|(_, record)| record.expires_at)
    }

    /// Takes this place if nobody holds it and its record, or that it has none, asks for it.
    pub(super) fn take_if(
        &self,
        path: &Path,
        wanted: impl Fn(Option<Record>) -> bool,
    ) -> io::Result<Option<Place>> {
        let _looking = self.look();
        Ok(take(path)?.filter(|place| wanted(place.record())))
    }

    /// Finishes removals that were cut short.
    pub(super) fn clear_gone(&self) {
        for name in self.names().iter().filter(|name| name.starts_with(GONE)) {
            if let Err(err) = remove::tree(&self.dir.join(name)) {
                tracing::warn!(name, error = %err, "cannot remove what was staged once");
            }
        }
    }

    fn look(&self) -> MutexGuard<'_, ()> {
        self.looking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }

    fn of(&self, task: &TaskId) -> impl Iterator<Item = PathBuf> {
        let first = self.dir.join(task.as_str());
        let others = (2..=PLACES).map(move |number| self.dir.join(format!("{task}.{number}")));
        std::iter::once(first).chain(others)
    }
}

/// Takes a place that is there; `None` if somebody holds it or it is gone.
fn take(path: &Path) -> io::Result<Option<Place>> {
    match lock(path) {
        Ok(lock) => Ok(lock.map(|lock| Place { path: path.to_owned(), _lock: lock })),
        Err(err) if err.kind() == ErrorKind::NotFound => Ok(None),
        Err(err) => Err(err),
    }
}

/// The same, but makes it if it is gone.
fn make(path: &Path) -> io::Result<Option<Place>> {
    loop {
        fs::create_dir_all(path)?;
        match lock(path) {
            // It was removed between the two steps.
            Err(err) if err.kind() == ErrorKind::NotFound => {}
            Err(err) => return Err(err),
            Ok(lock) => return Ok(lock.map(|lock| Place { path: path.to_owned(), _lock: lock })),
        }
    }
}

/// Locks the place at a path; `None` if somebody has. The error is "not found" if there is none, or not any more.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let file = File::options().create(true).truncate(false).write(true).open(path.join(LOCK))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(err)) => return Err(err),
    }
    // Whoever held it may have removed the place, and another one may be there by now.
    let (ours, there) = (file.metadata()?, fs::metadata(path.join(LOCK))?);
    let same = (ours.dev(), ours.ino()) == (there.dev(), there.ino());
    if same { Ok(Some(file)) } else { Err(ErrorKind::NotFound.into()) }
}

impl Place {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The exported commit.
    pub(super) fn files(&self) -> PathBuf {
        self.path.join("files")
    }

    /// The home of build and server.
    pub(super) fn home(&self) -> PathBuf {
        self.path.join("home")
    }

    /// The record, if it has one that can be read: then its files are whole.
    pub(super) fn record(&self) -> Option<Record> {
        serde_json::from_slice(&fs::read(self.path.join(RECORD)).ok()?).ok()
    }

    /// Replaces the record as a whole.
    pub(super) fn write(&self, record: &Record) -> io::Result<()> {
        let draft = tempfile::NamedTempFile::new_in(&self.path)?;
        serde_json::to_writer(draft.as_file(), record)?;
        draft.persist(self.path.join(RECORD))?;
        Ok(())
    }

    /// Removes everything but the lock; the record first, because it says that the files are whole.
    pub(super) fn clear(&self) -> io::Result<()> {
        match fs::remove_file(self.path.join(RECORD)) {
            Err(err) if err.kind() != ErrorKind::NotFound => return Err(err),
            _ => {}
        }
        remove::tree(&self.files())?;
        remove::tree(&self.home())
    }

    /// Removes the place.
    pub(super) fn remove(self) -> io::Result<()> {
        let Some(dir) = self.path.parent() else { return Ok(()) };
        // Gone at once for everybody else, however long the removal takes.
        let gone = tempfile::Builder::new().prefix(GONE).tempdir_in(dir)?.keep();
        fs::rename(&self.path, &gone)?;
        remove::tree(&gone)
    }
}
