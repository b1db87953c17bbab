//! `backup`: a copy of everything that a restore needs, while the daemon works.
//!
//! The database comes first, as one snapshot. What the other files hold only grows while they are copied, so they
//! have everything that the snapshot knows of.

use super::transfer;
use crate::config::Config;
use crate::seams::Clock;
use crate::surroundings;
use crate::wiring;
use anyhow::{Context, Result, bail};
use chimera_store::transfer::Header;
use serde::Serialize;
use serde_json::json;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What of the data directory is kept beside the database: nothing that is only of use while an attempt runs,
/// nothing that can be installed again.
const KEPT: [&str; 7] = ["evidence", "logs", "scratch", "staging", "signing-key.pem", "home", "repositories"];
/// Copied after everything else in its directory: a branch is never there without its commits.
const LAST: &str = "objects";
/// Written at the end: a backup without it is not whole.
pub(super) const SEAL: &str = "backup.json";

/// What was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Copied {
    /// Files, the database included.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Copies database and data directory into a directory that is new or empty.
///
/// # Errors
/// If it is neither, or something cannot be read or written.
pub async fn backup(config: &Config, dir: &Path) -> Result<Copied> {
    make(dir)?;
    let clock = Clock::system();
    let begun = clock.now();
    let mut copied = database(config, dir, &clock).await?;
    let (from, to) = (config.data_dir.clone(), dir.to_owned());
    let rest = tokio::task::spawn_blocking(move || {
        let mut copied = Copied::default();
        KEPT.iter().try_for_each(|name| copy(&from.join(name), &to.join(name), &mut copied))?;
        Ok::<_, anyhow::Error>(copied)
    });
    let rest = rest.await??;
    copied = Copied { files: copied.files + rest.files, bytes: copied.bytes + rest.bytes };
    let seal = json!({"chimera_backup": 1, "daemon": env!("CARGO_PKG_VERSION"), "at": crate::web::rfc3339(begun),
        "files": copied.files, "bytes": copied.bytes});
    write_synced(&dir.join(SEAL), &serde_json::to_vec_pretty(&seal)?)?;
    Ok(copied)
}

fn make(dir: &Path) -> Result<()> {
    surroundings::private_dir(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    if fs::read_dir(dir)?.next().is_some() {
        bail!("{} is not empty: give a directory of its own to each backup", dir.display());
    }
    Ok(())
}

/// A file of SQLite is copied as such; a server's database becomes an export.
async fn database(config: &Config, dir: &Path, clock: &Clock) -> Result<Copied> {
    let (database, target) = (config.database.clone(), dir.join("tasks.db"));
    let is_file = matches!(database, chimera_store::Database::Sqlite(_));
    let place = if is_file {
        let to = target.clone();
        tokio::task::spawn_blocking(move || chimera_store::copy_file(&database, &to)).await??;
        target
    } else {
        let store = wiring::open(config)?;
        let header = Header::new(env!("CARGO_PKG_VERSION"), clock.now(), false);
        let file = dir.join("queue.jsonl");
        transfer::write(&store, &file, header, transfer::quiet()).await?;
        store.close().await;
        file
    };
    fs::File::open(&place)?.sync_all()?;
    Ok(Copied { files: 1, bytes: fs::metadata(&place)?.len() })
}

/// Copies a file or a directory with all that is in it. Links stay links; what vanishes meanwhile was of no use.
fn copy(from: &Path, to: &Path, copied: &mut Copied) -> Result<()> {
    match copy_one(from, to, copied) {
        Err(err) if err.kind() == ErrorKind::NotFound => Ok(()),
        done => done.with_context(|| format!("cannot copy {}", from.display())),
    }
}

fn copy_one(from: &Path, to: &Path, copied: &mut Copied) -> std::io::Result<()> {
    let kind = fs::symlink_metadata(from)?.file_type();
    if kind.is_symlink() {
        return std::os::unix::fs::symlink(fs::read_link(from)?, to);
    }
    if kind.is_file() {
        copied.bytes += fs::copy(from, to)?;
        copied.files += 1;
        return Ok(());
    }
    if !kind.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(to)?;
    let mut entries: Vec<PathBuf> =
        fs::read_dir(from)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    entries.sort_by_key(|path| path.file_name().is_some_and(|name| name == LAST));
    for entry in entries {
        let Some(name) = entry.file_name() else { continue };
        match copy_one(&entry, &to.join(name), copied) {
            Err(err) if err.kind() == ErrorKind::NotFound => {}
            done => done?,
        }
    }
    Ok(())
}

fn write_synced(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = fs::File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    std::io::Write::write_all(&mut file, bytes)?;
    file.sync_all()?;
    Ok(())
}
