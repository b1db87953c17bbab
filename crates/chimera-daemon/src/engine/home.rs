//! The home of a daemon: its data directory, under a name that outlives the process.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

/// The file that holds the name.
const FILE: &str = "home";

/// A data directory whose daemons keep the branches of their tasks to themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// Its name.
    pub name: String,
    /// How long another home may be silent before its tasks are taken from it.
    pub patience: Duration,
}

impl Home {
    /// The home in a data directory, which gets a name the first time.
    ///
    /// # Errors
    /// If the name can be neither read nor written.
    pub fn of(data_dir: &Path, patience: Duration) -> std::io::Result<Self> {
        let path = data_dir.join(FILE);
        if !path.exists() {
            // Whole or not there, and the first one stays: two daemons may start at once.
            let mut draft = tempfile::NamedTempFile::new_in(data_dir)?;
            writeln!(draft, "{}", uuid::Uuid::new_v4().simple())?;
            match draft.persist_noclobber(&path) {
                Err(err) if err.error.kind() != std::io::ErrorKind::AlreadyExists => return Err(err.error),
                _ => {}
            }
        }
        let name = std::fs::read_to_string(&path)?.trim().to_owned();
        Ok(Self { name, patience })
    }

    /// The name of a data directory, if it has one already.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn known(data_dir: &Path) -> std::io::Result<Option<String>> {
        match std::fs::read_to_string(data_dir.join(FILE)) {
            Ok(name) => Ok(Some(name.trim().to_owned())),
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(err) => Err(err),
        }
    }
}
