//! `init`: writes a commented configuration.

use crate::config::{FILE_NAME, TEMPLATE};
use anyhow::{Context, Result, bail};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Writes `chimera.toml` into a directory, never over an existing one, and gives its path.
///
/// # Errors
/// If there is one already, or it cannot be written.
pub fn init(dir: &Path) -> Result<PathBuf> {
    let path = dir.join(FILE_NAME);
    match std::fs::File::options().write(true).create_new(true).open(&path) {
        Ok(mut file) => {
            file.write_all(TEMPLATE.as_bytes())
                .with_context(|| format!("cannot write {}", path.display()))?;
            Ok(path)
        }
        Err(err) if err.kind() == std::io::ErrorKind::AlreadyExists => {
            bail!("{} exists already: edit it, or remove it first", path.display())
        }
        Err(err) => Err(err).with_context(|| format!("cannot write {}", path.display())),
    }
}
