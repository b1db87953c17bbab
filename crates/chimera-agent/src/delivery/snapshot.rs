//! A reviewer's copy of a commit: read-only, and compared afterwards.

use crate::blocking::blocking;
use crate::vault::sha256;
use chimera_core::Digest;
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// The write bits of everybody.
const WRITE: u32 = 0o222;

/// A locked directory, and what was in it when it was locked.
pub(super) struct Snapshot {
    dir: PathBuf,
    files: BTreeMap<PathBuf, Digest>,
}

impl Snapshot {
    /// Takes note of every file and takes the right to write from all of them. Whoever owns them can give it to
    /// himself again; that is what [`Snapshot::changed`] is for.
    pub(super) fn lock(dir: &Path) -> io::Result<Self> {
        let files = blocking(|| contents(dir))?;
        blocking(|| modes(dir, &|mode| mode & !WRITE))?;
        Ok(Self { dir: dir.to_owned(), files })
    }

    /// The first file that is not as it was, or was not there.
    pub(super) fn changed(&self) -> io::Result<Option<String>> {
        let now = blocking(|| contents(&self.dir))?;
        let gone = self.files.iter().find(|(path, sha256)| now.get(*path) != Some(sha256));
        let new = now.keys().find(|path| !self.files.contains_key(*path));
        let path = gone.map(|(path, _)| path).or(new);
        Ok(path.map(|path| path.strip_prefix(&self.dir).unwrap_or(path).display().to_string()))
    }

    /// Gives its owner the right to write, so that it can be removed.
    pub(super) fn unlock(self) -> io::Result<()> {
        blocking(|| modes(&self.dir, &|mode| mode | 0o200))
    }
}

/// Every file below a directory with its hash; of a link, where it leads.
fn contents(dir: &Path) -> io::Result<BTreeMap<PathBuf, Digest>> {
    let mut files = BTreeMap::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir)? {
            let (path, kind) = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))?;
            if kind.is_dir() {
                dirs.push(path);
            } else if kind.is_symlink() {
                let target = fs::read_link(&path)?;
                files.insert(path, sha256(target.as_os_str().as_encoded_bytes()));
            } else if kind.is_file() {
                let content = fs::read(&path)?;
                files.insert(path, sha256(&content));
            } else {
                files.insert(path, sha256(b"neither file nor directory nor link"));
            }
        }
    }
    Ok(files)
}

/// Changes the modes of a directory and of everything in it, links aside.
fn modes(path: &Path, change: &dyn Fn(u32) -> u32) -> io::Result<()> {
    let meta = fs::symlink_metadata(path)?;
    if meta.is_symlink() {
        return Ok(());
    }
    let set =
        |path: &Path| fs::set_permissions(path, Permissions::from_mode(change(meta.permissions().mode())));
    set(path)?;
    if meta.is_dir() {
        for entry in fs::read_dir(path)? {
            modes(&entry?.path(), change)?;
        }
    }
    Ok(())
}
