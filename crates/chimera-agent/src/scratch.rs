//! Temporary directories that are gone at the latest when the next daemon starts.
//!
//! Everything temporary of one process lies below one root, in which it holds a lock. A root whose lock nobody holds belongs
//! to a process that was killed; [`Scratch::clean`] removes it. Roots lie in the data directory, unless its path is so
//! long that programs could make no Unix sockets there.

use crate::remove;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The longest path of a directory that a browser may be given for its temporary files: the name of a Unix socket has at
/// most 107 bytes, and Chromium makes one at `org.chromium.Chromium.XXXXXX/SingletonSocket` in it.
const LONGEST: usize = 60;
/// What follows the place of the roots in such a path, such as `/t-a1B2/c3D4/tmp`.
const BELOW: usize = "/t-a1B2/c3D4/tmp".len();
/// Where the roots lie in a data directory.
const PRIVATE: &str = "private";
/// The beginning of the name of a root.
const IN_DATA_DIR: &str = "t-";
/// The same where others have files, too.
const AMONG_OTHERS: &str = "chimera-";
/// The file in a root that its process has locked. A directory without it is nobody's root.
const LOCK: &str = ".chimera-scratch";
/// Its name before it is locked.
const UNNAMED: &str = ".chimera-scratch-new";
/// Random letters of each name: few, because the path has to be short.
const RANDOM: usize = 4;

/// Where temporary directories are made. Clones share a root, which goes with the last of them and of its directories.
#[derive(Debug, Clone)]
pub struct Scratch(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    parent: PathBuf,
    prefix: &'static str,
    root: Mutex<Option<Root>>,
}

/// Dropping it removes it; the lock goes last.
#[derive(Debug)]
struct Root {
    path: PathBuf,
    _lock: File,
}

/// A temporary directory; dropping it removes it, whatever was done to its permissions.
#[derive(Debug)]
pub struct ScratchDir {
    path: PathBuf,
    _root: Scratch,
}

impl Scratch {
    /// In the data directory, or where the system has its temporary files if the data directory's path is too long.
    pub fn of(data_dir: &Path) -> Self {
        let private = std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.to_owned()).join(PRIVATE);
        if fits(&private) { Self::at(private, IN_DATA_DIR) } else { Self::system() }
    }

    /// Where the system has its temporary files: for commands that have no data directory.
    pub fn system() -> Self {
        let [given, usual] = system_places();
        let parent = if fits(&given) || !usual.is_dir() { given } else { usual };
        Self::at(parent, AMONG_OTHERS)
    }

    fn at(parent: PathBuf, prefix: &'static str) -> Self {
        Self(Arc::new(Shared { parent, prefix, root: Mutex::default() }))
    }

    /// Where it makes them.
    pub fn place(&self) -> &Path {
        &self.0.parent
    }

    /// Makes an empty directory.
    ///
    /// # Errors
    /// The system's, if it cannot be made.
    pub fn dir(&self) -> io::Result<ScratchDir> {
        let mut root = self.0.root.lock().unwrap_or_else(PoisonError::into_inner);
        if root.as_ref().is_some_and(|root| !root.path.is_dir()) {
            // Something that tidies up temporary files took it away; the next one is as good.
            *root = None;
        }
        let root = match &mut *root {
            Some(root) => root,
            none => none.insert(Root::make(&self.0.parent, self.0.prefix)?),
        };
        let path = make(&root.path, "")?;
        Ok(ScratchDir { path, _root: self.clone() })
    }

    /// Removes what killed processes left, of this data directory and, where temporary directories of any of them may lie,
    /// in the system's place. What a living process holds is left alone, and so is what is not ours.
    pub fn clean(data_dir: &Path) {
        clean(&data_dir.join(PRIVATE), IN_DATA_DIR);
        let mut places = system_places().to_vec();
        places.dedup();
        for place in places {
            clean(&place, AMONG_OTHERS);
        }
    }
}

impl ScratchDir {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for ScratchDir {
    fn drop(&mut self) {
        // What cannot be removed now goes with its root, at the next start.
        let _ = remove::tree(&self.path);
    }
}

impl Root {
    fn make(parent: &Path, prefix: &str) -> io::Result<Self> {
        fs::create_dir_all(parent)?;
        let path = make(parent, prefix)?;
        // It gets its name once it is locked: another daemon that looks in between finds nobody's root.
        let unnamed = path.join(UNNAMED);
        let lock = File::create_new(&unnamed)?;
        lock.lock()?;
        fs::rename(unnamed, path.join(LOCK))?;
        Ok(Self { path, _lock: lock })
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = remove::tree(&self.path);
    }
}

fn make(parent: &Path, prefix: &str) -> io::Result<PathBuf> {
    Ok(tempfile::Builder::new().prefix(prefix).rand_bytes(RANDOM).tempdir_in(parent)?.keep())
}

fn fits(parent: &Path) -> bool {
    parent.as_os_str().len() + BELOW <= LONGEST
}

/// Where the environment says, and where it usually is.
fn system_places() -> [PathBuf; 2] {
    [std::env::temp_dir(), PathBuf::from("/tmp")]
}

fn clean(parent: &Path, prefix: &str) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(prefix)
            && let Err(err) = remove_if_orphaned(&entry.path())
        {
            tracing::warn!(path = %entry.path().display(), error = %err, "cannot remove temporary files");
        }
    }
}

fn remove_if_orphaned(root: &Path) -> io::Result<()> {
    let (me, lock) = (rustix::process::geteuid().as_raw(), root.join(LOCK));
    let ours = |path: &Path| fs::symlink_metadata(path).ok().filter(|meta| meta.uid() == me);
    if !ours(root).is_some_and(|meta| meta.is_dir()) || !ours(&lock).is_some_and(|meta| meta.is_file()) {
        return Ok(());
    }
    match File::open(&lock)?.try_lock() {
        Ok(()) => remove::tree(root),
        Err(_) => Ok(()),
    }
}
