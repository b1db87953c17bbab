//! Starting programs: one line before each, one with the time after it, and a clear error if it fails.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Where things are.
pub(crate) struct Place {
    /// The root of the workspace.
    pub(crate) root: PathBuf,
    /// Where browser and Python environment are kept between runs.
    pub(crate) tools: PathBuf,
    /// The daemon that the build leaves, beside this very program.
    pub(crate) daemon: PathBuf,
}

/// Where the workspace's root is.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

impl Place {
    /// Finds the target directory from the place of this program, whatever cargo was told about it.
    pub(crate) fn find() -> Result<Self> {
        let exe = std::env::current_exe().context("this program does not know where it lies")?;
        let target =
            exe.parent().and_then(Path::parent).context("this program lies in no target directory")?;
        Ok(Self {
            root: root(),
            tools: target.join("tools"),
            daemon: exe.with_file_name(format!("chimera-daemon{}", std::env::consts::EXE_SUFFIX)),
        })
    }

    /// A command in the workspace with the environment that the tests and the demo expect.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root).env("CHIMERA_TOOLS_DIR", &self.tools);
        command
    }

    /// The cargo that runs this program.
    pub(crate) fn cargo(&self) -> Command {
        self.command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
    }
}

/// Runs one step of a task to its end.
///
/// # Errors
/// If the program cannot be started or does not end with success.
pub(crate) fn step(name: &str, command: &mut Command) -> Result<()> {
    eprintln!("xtask: {name} ...");
    let watch = Stopwatch::start();
    let status = command
        .status()
        .with_context(|| format!("{name}: {} cannot be started", command.get_program().display()))?;
    if !status.success() {
        bail!("{name} failed ({status}) after {}", seconds(watch.elapsed()));
    }
    eprintln!("xtask: {name}: done in {}", seconds(watch.elapsed()));
    Ok(())
}

/// True if the program is on the search path.
pub(crate) fn found(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

/// Measures how long a task takes, for its closing line.
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    #[expect(clippy::disallowed_methods, reason = "times are printed here, never decided by")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A duration for people.
pub(crate) fn seconds(duration: Duration) -> String {
    let whole = duration.as_secs();
    if whole < 60 {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        format!("{} min {} s", whole / 60, whole % 60)
    }
}
