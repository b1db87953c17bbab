//! `export` and `import`: a queue moves to another database.

use crate::config::Config;
use crate::engine::Owner;
use crate::seams::Clock;
use crate::surroundings;
use crate::wiring;
use anyhow::{Context, Result, bail};
use chimera_core::{Task, UnixMillis};
use chimera_store::transfer::{self, Checked, Counts, Header};
use chimera_store::{Store, lease, moved};
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Hears how many rows there are so far.
pub type RowsSoFar = Box<dyn FnMut(u64) + Send>;

/// What an export does to the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Closes it: it is to live elsewhere.
    Close,
    /// Leaves it as it is.
    Keep,
}

/// Writes the queue into a new file. A queue that is closed is written once the daemons that worked on it have let
/// go; `waits` hears how long that takes.
///
/// # Errors
/// If the file exists or cannot be written, or the database cannot be read.
pub async fn export(
    config: &Config,
    file: &Path,
    source: Source,
    waits: impl FnOnce(Duration),
    progress: RowsSoFar,
) -> Result<Counts> {
    if file.exists() {
        bail!("{} exists already: give another name, or remove it first", file.display());
    }
    let (store, clock) = open(config).await?;
    if source == Source::Close {
        let now = clock.now();
        let were_running = store.patient().write(move |tx| moved::close(tx, now)).await?;
        let pause = leases(&were_running, &store.read(lease::expiries).await?, now);
        if !pause.is_zero() {
            waits(pause);
            tokio::time::sleep(pause).await;
        }
    }
    let header = Header::new(env!("CARGO_PKG_VERSION"), clock.now(), source == Source::Close);
    let counts = write(&store, file, header, progress).await?;
    store.close().await;
    Ok(counts)
}

/// Opens a queue again that an export has closed; false if it is open.
///
/// # Errors
/// The database's.
pub async fn reopen(config: &Config) -> Result<bool> {
    let (store, _) = open(config).await?;
    let was_closed = store.patient().write(moved::reopen).await?;
    store.close().await;
    Ok(was_closed)
}

/// Fills the empty database of the configuration from a file, all or nothing.
///
/// # Errors
/// If the file is not whole or of another version, or the database has tasks.
pub async fn import(config: &Config, file: &Path, mut progress: RowsSoFar) -> Result<Checked> {
    let path = file.to_owned();
    let checked =
        tokio::task::spawn_blocking(move || Ok::<_, anyhow::Error>(transfer::check(&mut reader(&path)?)?));
    let checked = checked.await?.with_context(|| file.display().to_string())?;
    let (store, clock) = open(config).await?;
    let (now, known) = (clock.now(), checked.clone());
    let mut lines = reader(file)?;
    let filled =
        store.patient().write(move |tx| transfer::read_in(tx, &known, &mut lines, now, &mut *progress)).await;
    filled.with_context(|| format!("nothing was written to {}", config.database))?;
    store.close().await;
    Ok(checked)
}

/// Writes a snapshot of a database into a file that appears once it is whole.
pub(super) async fn write(
    store: &Store,
    file: &Path,
    header: Header,
    mut progress: RowsSoFar,
) -> Result<Counts> {
    let draft = PathBuf::from(format!("{}.part", file.display()));
    let unwritable = || format!("cannot write {}", file.display());
    let mut out = BufWriter::new(surroundings::private_file(&draft).with_context(unwritable)?);
    let store = store.patient();
    let written = store.read(move |tx| {
        let counts = transfer::write_out(tx, &header, &mut out, &mut *progress)?;
        Ok((counts, out))
    });
    let finished = async {
        let (counts, out) = written.await?;
        out.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
        std::fs::rename(&draft, file)?;
        Ok::<_, anyhow::Error>(counts)
    };
    finished.await.inspect_err(|_| drop(std::fs::remove_file(&draft))).with_context(unwritable)
}

pub(super) async fn open(config: &Config) -> Result<(Store, Clock)> {
    let store = wiring::open(config)?;
    let clock = Clock::system();
    if let Some(time) = store.server_time().await? {
        clock.set(time);
    }
    Ok((store, clock))
}

/// How long daemons that held tasks may still act for them: until their leases would have run out. Those whose
/// process is gone do nothing any more.
fn leases(were_running: &[Task], expiries: &HashMap<String, UnixMillis>, now: UnixMillis) -> Duration {
    let me = Owner::current();
    let leases = were_running.iter().filter_map(|task| task.lease.as_ref());
    let alive = leases.filter(|lease| !me.knows_gone(&lease.owner));
    let expiries = alive.filter_map(|lease| expiries.get(&lease.owner));
    expiries.map(|expires_at| expires_at.since(now)).max().unwrap_or_default()
}

fn reader(path: &Path) -> Result<BufReader<File>> {
    Ok(BufReader::new(File::open(path).with_context(|| format!("cannot read {}", path.display()))?))
}

/// Draws nothing.
#[must_use]
pub fn quiet() -> RowsSoFar {
    Box::new(|_| ())
}

/// Draws a line on a terminal, a few times a second at most.
#[must_use]
pub fn drawn(what: &'static str) -> RowsSoFar {
    /// Rows between two drawings.
    const EVERY: u64 = 20_000;
    let mut drawn = 0;
    Box::new(move |rows| {
        if rows / EVERY > drawn {
            drawn = rows / EVERY;
            let mut err = std::io::stderr();
            let _ = write!(err, "\r{what}: {rows} rows").and_then(|()| err.flush());
        }
    })
}
