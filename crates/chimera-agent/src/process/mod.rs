//! Every subprocess, supervised.
//!
//! [`run`] for a process that ends, [`Server`] for one that lives on: a fresh environment, a process group of
//! its own, a spooled and capped log, wall clock and silence limits, and an end that leaves nothing behind.
//! [`capture`] for one whose output is the answer to a question, such as git.
//! Map: `supervise` is the life of one process, `mark` finds what fled from its group or outlived its
//! daemon, `output` keeps what it prints, `identity` names a process for good, `environment` makes the environment
//! of agents.

mod capture;
pub mod environment;
mod identity;
mod mark;
mod output;
mod server;
mod supervise;

pub use capture::{Captured, Question, capture};
pub use identity::Identity;
pub use mark::reap_orphans;
pub use server::Server;

use output::WhenFull;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A process to run.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Program and arguments; a relative program with a `/` is relative to `cwd`.
    pub argv: Vec<String>,
    /// Working directory.
    pub cwd: PathBuf,
    /// The whole environment; nothing is inherited.
    pub env: BTreeMap<String, String>,
    /// What it reads on standard input before the end of file.
    pub stdin: Vec<u8>,
    /// The file that its standard output and standard error are written to, in order of arrival.
    pub log: PathBuf,
    /// Wall clock limit.
    pub timeout: Duration,
    /// Longest silence.
    pub stall: Option<Duration>,
    /// Time between TERM and KILL.
    pub grace: Duration,
    /// Most bytes kept in the log. More ends a process that [`run`] runs; of [`run_to_the_end`] and [`Server`] the
    /// middle of the log is cut out.
    pub output_cap: u64,
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with a code.
    Code(i32),
    /// By a signal that was not ours.
    Signal(i32),
    /// By us: the wall clock limit.
    TimedOut,
    /// By us: too long silent.
    Stalled,
    /// By us: too much output.
    Flooded,
    /// By us: the attempt was stopped.
    Stopped,
}

/// Signals by which systems and people end programs: HUP, INT, KILL (the kernel, when memory runs short) and TERM. The others
/// tell of the program itself.
const FROM_OUTSIDE: [i32; 4] = [1, 2, 9, 15];

impl Exit {
    /// What to say if something outside ended the program: its end tells nothing about what it was working on, so that
    /// the same is worth another try.
    pub fn from_outside(&self) -> Option<String> {
        let outside = matches!(self, Self::Signal(signal) if FROM_OUTSIDE.contains(signal));
        let why = "the system, short of memory, or a person did it";
        outside.then(|| format!("was ended from outside, by {self}: {why}"))
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
            Self::TimedOut => f.write_str("its time limit"),
            Self::Stalled => f.write_str("its limit of silence"),
            Self::Flooded => f.write_str("its limit of output"),
            Self::Stopped => f.write_str("a stop from outside"),
        }
    }
}

/// The process could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// There is no such program.
    #[error("cannot start `{program}`: {source}")]
    Program {
        /// The program.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The log cannot be written.
    #[error("cannot write the log {path}: {source}")]
    Log {
        /// The log.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl SpawnError {
    /// What the system said.
    pub fn io(&self) -> &std::io::Error {
        match self {
            Self::Program { source, .. } | Self::Log { source, .. } => source,
        }
    }
}

/// Whether an error says that the machine is full at the moment: no descriptors, processes, memory or disk space. The same
/// again works once there is room; no configuration is at fault.
pub fn is_passing(err: &std::io::Error) -> bool {
    use rustix::io::Errno;
    let Some(errno) = Errno::from_io_error(err) else {
        return matches!(
            err.kind(),
            std::io::ErrorKind::StorageFull
                | std::io::ErrorKind::QuotaExceeded
                | std::io::ErrorKind::OutOfMemory
        );
    };
    matches!(
        errno,
        Errno::MFILE
            | Errno::NFILE
            | Errno::NOMEM
            | Errno::NOSPC
            | Errno::DQUOT
            | Errno::NOBUFS
            // No process or thread more for this user, at the start of one.
            | Errno::AGAIN
            // A program that another process still holds open for writing, at the start of it.
            | Errno::TXTBSY
    )
}

/// Runs a process to its end, or ends it, with everything that it started: its process group, and whatever carries
/// the mark in its environment. A process that left the group and emptied its environment goes on.
///
/// # Errors
/// [`SpawnError`] if it could not be started.
pub async fn run(spec: &Spec, stop: &CancellationToken) -> Result<Exit, SpawnError> {
    run_logged(spec, stop, WhenFull::End).await
}

/// The same for a process that may print as much as it likes: of a log that is full only the middle is lost.
///
/// # Errors
/// [`SpawnError`] if it could not be started.
pub async fn run_to_the_end(spec: &Spec, stop: &CancellationToken) -> Result<Exit, SpawnError> {
    run_logged(spec, stop, WhenFull::Cut).await
}

async fn run_logged(spec: &Spec, stop: &CancellationToken, when_full: WhenFull) -> Result<Exit, SpawnError> {
    let started = supervise::start(spec, when_full)?;
    let stop = supervise::Stop { asked: stop.clone(), ..supervise::Stop::default() };
    Ok(started.finish(spec, &stop).await)
}
