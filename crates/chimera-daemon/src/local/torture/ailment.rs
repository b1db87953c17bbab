//! What befalls the database for longer than a lease: it freezes, is slow, cannot be reached, takes no changes, or its
//! answers get lost.
//!
//! None of it excuses anything: a daemon that lives keeps its tasks, however long the database is away. Each ailment ends
//! by itself, whatever the torturer waits for meanwhile.

use super::LEASE;
use super::proxy::{Network, Proxy};
use super::server::Server;
use anyhow::{Context, Result};
use rustix::fs::{IFlags, Mode, OFlags, ioctl_getflags, ioctl_setflags};
use rustix::process::{Pid, Signal, kill_process};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How long one lasts, in leases.
const LASTS: std::ops::Range<f64> = 1.1..2.0;
/// How much longer each piece takes on a slow network: a heartbeat takes several, and so longer than it should.
const SLOWLY: Duration = Duration::from_millis(150);
/// What becomes read-only of a database that is a file, as far as it is there. Its index of the log is memory.
const FILES: [&str; 2] = ["", "-wal"];

/// An ailment of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ailment {
    /// Every process of the server is stopped; a file is locked by somebody who does nothing.
    Frozen,
    /// The network is slow.
    Slow,
    /// The network is silent.
    Unreachable,
    /// No change is taken.
    ReadOnly,
    /// What is committed is not answered.
    AnswersLost,
    /// The file may not grow.
    Full,
}

impl Ailment {
    /// What a server of our own may have.
    pub(super) const OF_A_SERVER: [Self; 5] =
        [Self::Frozen, Self::Slow, Self::Unreachable, Self::ReadOnly, Self::AnswersLost];

    /// What a file may have.
    pub(super) const OF_A_FILE: [Self; 2] = [Self::Frozen, Self::ReadOnly];

    /// Its name among what was done.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Frozen => "database frozen",
            Self::Slow => "database slow",
            Self::Unreachable => "database unreachable",
            Self::ReadOnly => "database read-only",
            Self::AnswersLost => "answers lost",
            Self::Full => "disk filled",
        }
    }
}

/// When something ailed the database: what, from when on, and until when it did.
pub(super) type Spells = Arc<Mutex<Vec<(Ailment, Instant, Instant)>>>;

/// The database, as something that can ail.
#[derive(Clone)]
pub(super) enum Patient {
    /// A server of our own, behind a network of our own.
    Server(Arc<Server>, Arc<Proxy>),
    /// A file.
    File(PathBuf),
}

/// What ails the database at present, and what did.
#[derive(Default)]
pub(super) struct Ailing {
    spells: Spells,
    under_way: Option<JoinHandle<()>>,
}

impl Ailing {
    /// Whether something ails it.
    pub(super) fn is_under_way(&self) -> bool {
        self.under_way.as_ref().is_some_and(|spell| !spell.is_finished())
    }

    /// What ailed it so far.
    pub(super) fn spells(&self) -> Vec<(Ailment, Instant, Instant)> {
        locked(&self.spells).clone()
    }

    /// Waits until nothing ails it.
    pub(super) async fn over(&mut self) {
        if let Some(spell) = self.under_way.take() {
            let _ = spell.await;
        }
    }

    /// Takes note of what has ailed it since then.
    pub(super) fn note(&self, ailment: Ailment, since: Instant) {
        locked(&self.spells).push((ailment, since, Instant::now()));
    }

    /// Lets something ail it for a while, and tells for how long; nothing if that cannot be done here. `lasting` is from 0
    /// to 1.
    pub(super) fn begin(
        &mut self,
        patient: &Patient,
        ailment: Ailment,
        lasting: f64,
    ) -> Result<Option<Duration>> {
        let lasts = LEASE.mul_f64(LASTS.start + (LASTS.end - LASTS.start) * lasting);
        let Some(cure) = afflict(patient, ailment)? else { return Ok(None) };
        let (spells, from) = (self.spells.clone(), Instant::now());
        self.under_way = Some(tokio::spawn(async move {
            tokio::time::sleep(lasts).await;
            drop(cure);
            locked(&spells).push((ailment, from, Instant::now()));
        }));
        Ok(Some(lasts))
    }
}

/// Ends an ailment when it is dropped.
struct Cure(Option<Box<dyn FnOnce() -> Result<()> + Send>>);

impl Cure {
    fn by(cure: impl FnOnce() -> Result<()> + Send + 'static) -> Self {
        Self(Some(Box::new(cure)))
    }
}

impl Drop for Cure {
    fn drop(&mut self) {
        if let Some(Err(err)) = self.0.take().map(|cure| cure()) {
            tracing::error!(error = %err, "an ailment of the database does not end");
        }
    }
}

fn afflict(patient: &Patient, ailment: Ailment) -> Result<Option<Cure>> {
    let over_network = |network| match patient {
        Patient::Server(_, proxy) => {
            proxy.set(network);
            let proxy = proxy.clone();
            Some(Cure::by(move || {
                proxy.set(Network::Fine);
                Ok(())
            }))
        }
        Patient::File(_) => None,
    };
    Ok(match (ailment, patient) {
        (Ailment::Slow, _) => over_network(Network::Slow(SLOWLY)),
        (Ailment::Unreachable, _) => over_network(Network::Silent),
        (Ailment::AnswersLost, _) => over_network(Network::LosingAnswers),
        (Ailment::Frozen, Patient::Server(server, _)) => Some(freeze(server)?),
        (Ailment::ReadOnly, Patient::Server(server, _)) => {
            set(server, "default_transaction_read_only = on\n")?;
            let server = server.clone();
            Some(Cure::by(move || set(&server, "")))
        }
        (Ailment::ReadOnly, Patient::File(path)) => make_immutable(path),
        // A daemon is told to hold its lock: see `Crew::ail`.
        (Ailment::Frozen, Patient::File(_)) => Some(Cure(None)),
        // The daemons are told: see `Crew::fill_disk`.
        (Ailment::Full, _) => None,
    })
}

/// Stops every process of the server: first the one that starts others.
fn freeze(server: &Server) -> Result<Cure> {
    let first = process(server)?;
    send(first, Signal::STOP)?;
    let mut all = vec![first];
    // From here on, what ends ends with the cure.
    let cure =
        |all: Vec<u32>| Cure::by(move || all.iter().try_for_each(|process| send(*process, Signal::CONT)));
    match children(first) {
        Ok(children) => all.extend(children),
        Err(err) => {
            drop(cure(all));
            return Err(err);
        }
    }
    let stopped: Result<()> = all.iter().try_for_each(|process| send(*process, Signal::STOP));
    let cure = cure(all);
    stopped.map(|()| cure)
}

/// The server's first process.
fn process(server: &Server) -> Result<u32> {
    let file = server.data().join("postmaster.pid");
    let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let first = text.lines().next().and_then(|line| line.trim().parse().ok());
    first.with_context(|| format!("{} names no process", file.display()))
}

/// Replaces the settings that come after all others, while it runs.
fn set(server: &Server, settings: &str) -> Result<()> {
    std::fs::write(server.data().join("postgresql.auto.conf"), settings)?;
    send(process(server)?, Signal::HUP)
}

/// The processes that a process has started.
fn children(of: u32) -> Result<Vec<u32>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(process) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        // One that has ended meanwhile has no parent.
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
        if parent.and_then(|parent| parent.trim().parse().ok()) == Some(of) {
            found.push(process);
        }
    }
    Ok(found)
}

fn send(process: u32, signal: Signal) -> Result<()> {
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw).context("a process without an id")?;
    match kill_process(pid, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(err) => Err(err.into()),
    }
}

/// Has the file system refuse every change of the files, also of those that are open. Only root may, and not on every file
/// system: nothing otherwise.
fn make_immutable(path: &Path) -> Option<Cure> {
    let files: Vec<PathBuf> = FILES
        .iter()
        .map(|more| PathBuf::from(format!("{}{more}", path.display())))
        .filter(|file| file.exists())
        .collect();
    let cure = {
        let files = files.clone();
        Cure::by(move || files.iter().try_for_each(|file| set_immutable(file, false)))
    };
    files.iter().try_for_each(|file| set_immutable(file, true)).is_ok().then_some(cure)
}

fn set_immutable(file: &Path, on: bool) -> Result<()> {
    let open = rustix::fs::open(file, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut flags = ioctl_getflags(&open)?;
    flags.set(IFlags::IMMUTABLE, on);
    Ok(ioctl_setflags(&open, flags)?)
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
