//! The data directory is made, closed for others, and found fit for use before anything begins in it.

use crate::config::{Config, ConfigError};
use crate::surroundings;
use anyhow::{Context, Result, bail};
use rustix::fs::{Access, access};
use std::path::Path;

/// What to do where another place is the way out.
pub(crate) const ANOTHER: &str =
    "give another data directory with --data-dir, CHIMERA_DATA_DIR or `data_dir`";
/// The directories in it that are written to, where they exist.
const PARTS: [&str; 8] =
    ["evidence", "logs", "private", "repositories", "scratch", "staging", "staging-base", "worktrees"];

/// Makes the data directory for this user alone, if need be.
///
/// # Errors
/// What keeps it from being used, with the remedy.
pub(crate) fn prepare(config: &Config) -> Result<()> {
    let dir = &config.data_dir;
    if let Some(why) = unfit_name(dir) {
        return Err(ConfigError::value("data_dir", format!("{why}: {ANOTHER}")).into());
    }
    let shown = dir.display();
    if dir.symlink_metadata().is_ok() && !dir.is_dir() {
        bail!("{shown} is not a directory, so it cannot be the data directory: {ANOTHER}");
    }
    surroundings::private_dir(dir).with_context(|| {
        let place = dir.ancestors().find(|place| place.exists()).unwrap_or(dir).display();
        format!("cannot create the data directory {shown}: let this user write in {place}, or {ANOTHER}")
    })?;
    if surroundings::close(dir).with_context(|| format!("cannot look at the data directory {shown}"))? {
        tracing::warn!(dir = %shown, "others could read the data directory; it is closed for them now");
    }
    let parts = PARTS.iter().map(|part| dir.join(part)).filter(|part| part.exists());
    for place in std::iter::once(dir.clone()).chain(parts) {
        let place_shown = place.display();
        if !place.is_dir() {
            bail!("{place_shown} is not a directory: remove it, or {ANOTHER}");
        }
        access(&place, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK).with_context(|| {
            format!("cannot write in {place_shown}: let this user read and write there, or {ANOTHER}")
        })?;
    }
    Ok(())
}

/// Why programs that are handed this path could not use it. They get it in variables, JSON files and files of git, which
/// have no way to write such names.
pub(crate) fn unfit_name(dir: &Path) -> Option<String> {
    match dir.to_str() {
        None => Some(format!("the path {dir:?} is not UTF-8")),
        Some(text) if text.chars().any(char::is_control) => {
            Some(format!("the path {dir:?} has a line end or another control character"))
        }
        Some(_) => None,
    }
}
