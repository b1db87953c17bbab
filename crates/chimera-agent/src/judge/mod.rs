//! Runs the frozen test in a clean process and reads its report.
//!
//! Each run has a temporary directory of its own that holds the frozen test file and nothing else, an empty
//! home, a bare environment and one way out: a gate that leads to the origin under test. No configuration,
//! `conftest.py` or plugin of the project gets in. What a run showed is read from the report that our own
//! plugin leaves at the very end, never from the exit code: a run that leaves no report proves nothing.
//!
//! Map: `check` reads a test before it is frozen, `room` lays out a run's directories and its process, `pytest`
//! and `playwright` know the test runners, `gate` is the way out, `fence` what the kernel holds the process to,
//! `report` reads what came of it, `place` which criterion
//! a line belongs to. The rules, with their reasons, are in `docs/proof.md`.
//! Playwright starts the browser in a process group of its own; [`process::run`] finds it all the same.

mod check;
mod fence;
mod gate;
mod place;
mod playwright;
mod pytest;
mod report;
mod room;

pub(crate) use check::rules;
pub use report::fingerprint;

use crate::process::{self, Exit, SpawnError};
use crate::scratch::Scratch;
use crate::spec::E2e;
use crate::toolchain::Toolchain;
use chimera_core::{EvidenceKind, Finding, TestReport};
use gate::Gate;
use room::Room;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long a check waits on a page that nothing can change any more. A request that was just caused shows itself
/// in this time; if it does not, the answer is still that of the page as it was seen.
pub const STILL_WAIT: Duration = Duration::from_millis(150);

/// Runs frozen tests with one set of tools.
#[derive(Debug, Clone)]
pub struct Judge {
    tools: Toolchain,
    scratch: Scratch,
}

/// One run of a frozen test.
#[derive(Debug, Clone, Copy)]
pub struct Trial<'a> {
    /// What runs it.
    pub e2e: E2e,
    /// The name of the test file, such as `test_view_homepage.py`; no path.
    pub test_name: &'a str,
    /// Its frozen content.
    pub test: &'a [u8],
    /// Where the test sees the application, such as `http://127.0.0.1:8123`: scheme, host and port. The same
    /// for every run of one test, so that it cannot tell them apart.
    pub origin: &'a str,
    /// What it finds there.
    pub scene: Scene<'a>,
    /// Further hosts that the page may load from, as `cdn.example.com` or `cdn.example.com:8443`.
    pub allow_hosts: &'a [String],
    /// Where report, pictures, trace, video and log are left; it is made if need be.
    pub out_dir: &'a Path,
    /// What the names of these files begin with, such as `red` or `green-1`.
    pub label: &'a str,
    /// The hard limit of the run.
    pub timeout: Duration,
    /// How long a check waits on a page that nothing can change any more: [`STILL_WAIT`] but for tests of the
    /// judge. No longer than a check waits anyway, which is 5 s.
    pub still_wait: Duration,
    /// Whether a Playwright trace and, where the tools allow it, a video are recorded.
    pub recorded: bool,
}

/// What is behind the origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scene<'a> {
    /// The application, served at this origin.
    Served {
        /// Scheme, host and port of its server.
        at: &'a str,
        /// Whether it is asked under the name that the test uses, or under that of its server.
        keep_host: bool,
    },
    /// An empty page, whatever is asked for.
    Blank,
    /// An error page with status 500, whatever is asked for.
    Error,
}

/// What a run showed and left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// What the test did.
    pub report: TestReport,
    /// Report, pictures, trace, video and log: kind, file name, and where it lies now.
    pub files: Vec<(EvidenceKind, String, PathBuf)>,
    /// What the runner printed; one of `files` too.
    pub log: PathBuf,
    /// Addresses that the page asked for and that nothing leads to.
    pub refused: Vec<String>,
}

/// There is no run to speak of.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// Browser or Python do not work: somebody has to repair the installation.
    #[error("the judge's tools do not work: {0}; run `chimera-daemon doctor`")]
    Tool(String),
    /// The limit of the run was reached.
    #[error("the test did not end within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// Somebody stopped it.
    #[error("the run was stopped")]
    Stopped,
    /// The run was asked for in a way that makes no sense.
    #[error("{0}")]
    Trial(String),
    /// A file cannot be written or read.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Trial<'_> {
    /// The directory in which Playwright finds its recorder, if a video is to be made.
    fn recorder<'a>(&self, tools: &'a Toolchain) -> Option<&'a Path> {
        tools.video.as_deref().filter(|_| self.recorded)
    }
}

impl JudgeError {
    fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_owned(), source }
    }
}

impl Judge {
    /// A judge with these tools.
    pub fn new(tools: Toolchain) -> Self {
        Self { tools, scratch: Scratch::system() }
    }

    /// The same, with the directories of its runs made there.
    #[must_use]
    pub fn with_scratch(self, scratch: Scratch) -> Self {
        Self { scratch, ..self }
    }

    /// Runs a frozen test once. Whatever the test does, breaks or prints is data in the report; nothing that
    /// it started outlives the run.
    ///
    /// # Errors
    /// [`JudgeError`], when the run could not happen or had no end of its own.
    pub async fn run(&self, trial: &Trial<'_>, stop: &CancellationToken) -> Result<Run, JudgeError> {
        let dir = self.scratch.dir().map_err(JudgeError::io(self.scratch.place()))?;
        let room = Room::lay_out(trial, &self.tools, dir)?;
        let gate = Gate::open(room.origin(), &trial.scene, trial.allow_hosts).await?;
        let spec = room.spec(trial, &self.tools, gate.port())?;
        let ended = process::run(&spec, stop).await;
        let log = spec.log;
        let trouble = match ended {
            // The machine is full: the tools are as good as ever.
            Err(SpawnError::Program { program, source }) if process::is_passing(&source) => {
                return Err(JudgeError::Io { path: program.into(), source });
            }
            Err(SpawnError::Program { program, source }) => {
                return Err(JudgeError::Tool(format!("`{program}` cannot be started: {source}")));
            }
            Err(SpawnError::Log { path, source }) => return Err(JudgeError::Io { path, source }),
            Ok(Exit::TimedOut) => return Err(JudgeError::TimedOut(trial.timeout)),
            Ok(Exit::Stopped) => return Err(JudgeError::Stopped),
            Ok(Exit::Flooded) => Some("it printed too much".to_owned()),
            Ok(Exit::Code(_) | Exit::Signal(_) | Exit::Stalled) => None,
        };
        let report = match trouble {
            Some(trouble) => report::broken(trouble),
            None => report::read(&room, trial, &log)?,
        };
        let refused = gate.refused();
        let files = room.keep(trial, &report, &refused, &log)?;
        Ok(Run { report, files, log, refused })
    }

    /// Reads a test before it is frozen, without running it: what is wrong with it, with lines and rules. The
    /// criteria are those that it has to map to assertions.
    ///
    /// # Errors
    /// [`JudgeError`], when it could not be read at all.
    pub async fn inspect(
        &self,
        e2e: E2e,
        test: &[u8],
        criteria: &[String],
        stop: &CancellationToken,
    ) -> Result<Vec<Finding>, JudgeError> {
        check::inspect((&self.tools, &self.scratch), e2e, test, criteria, stop).await
    }
}
