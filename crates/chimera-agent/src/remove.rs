//! Removes what programs have left, whatever they did to its permissions.

use crate::blocking::blocking;
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// How often a directory is tried that others still write to, or whose permissions have to be changed first.
const TRIES: u32 = 5;

/// Removes a directory and everything in it. Directories that their owner may not write to (Go's module cache is made of
/// them) are opened first; no directory at all is fine, too. Links are removed, not followed.
///
/// # Errors
/// The system's, if something cannot be removed.
pub fn tree(dir: &Path) -> io::Result<()> {
    blocking(|| try_hard(dir))
}

fn try_hard(dir: &Path) -> io::Result<()> {
    let mut tries = 0;
    loop {
        tries += 1;
        match fs::remove_dir_all(dir) {
            Err(err) if err.kind() == ErrorKind::NotFound => return Ok(()),
            Err(err) if tries < TRIES && err.kind() == ErrorKind::PermissionDenied => open_up(dir),
            Err(err) if tries < TRIES && err.kind() == ErrorKind::DirectoryNotEmpty => {}
            other => return other,
        }
    }
}

/// Gives the owner every right to the directories; what cannot be changed is left to the next removal to report.
fn open_up(dir: &Path) {
    let _ = fs::set_permissions(dir, Permissions::from_mode(0o700));
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_up(&entry.path());
        }
    }
}
