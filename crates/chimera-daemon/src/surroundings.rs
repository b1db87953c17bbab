//! What the process takes from its surroundings and sets in them before it works.

use rustix::process::{Resource, Rlimit, Signal, geteuid, getrlimit, setrlimit};
use std::fs::{DirBuilder, File, Permissions};
use std::io::{ErrorKind, Result};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Descriptors that are enough for whatever the daemon does. Its children get the same limit; some programs close all that
/// there could be when they start, and a million takes them long.
const DESCRIPTORS: u64 = 65_536;

/// Raises the soft limit of open files towards the hard one: 1,024, as shells have it for programs of the last century, are
/// soon used up by browsers and connections.
pub(crate) fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(DESCRIPTORS, |hard| hard.min(DESCRIPTORS));
    if limit.current.is_some_and(|soft| soft < wanted) {
        let raised = Rlimit { current: Some(wanted), maximum: limit.maximum };
        if let Err(err) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(error = %err, "the limit of open files cannot be raised");
        }
    }
}

/// A directory for this user alone, if there is none of this name.
pub(crate) fn private_dir(dir: &Path) -> Result<()> {
    if let Some(parent) = dir.parent() {
        std::fs::create_dir_all(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(err) if err.kind() == ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
        made => made,
    }
}

/// Closes a directory of this user for others; tells whether it was open. One of another user stays as it is.
pub(crate) fn close(dir: &Path) -> Result<bool> {
    let metadata = std::fs::metadata(dir)?;
    let open = metadata.mode() & 0o077 != 0 && metadata.uid() == geteuid().as_raw();
    if open {
        std::fs::set_permissions(dir, Permissions::from_mode(metadata.mode() & 0o7700))?;
    }
    Ok(open)
}

/// A file to write anew, for this user alone if it is not there yet.
pub(crate) fn private_file(path: &Path) -> Result<File> {
    File::options().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// An empty file for this user alone, if there is none of this name.
pub(crate) fn reserve(path: &Path) -> Result<()> {
    match File::options().write(true).create_new(true).mode(0o600).open(path) {
        Err(err) if err.kind() != ErrorKind::AlreadyExists => Err(err),
        _ => Ok(()),
    }
}

/// Whether whoever started this process wants it to outlive its terminal: `nohup` has SIGHUP ignored.
pub(crate) fn ignores_hangups() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask & (1 << (Signal::HUP.as_raw() - 1)) != 0)
}
