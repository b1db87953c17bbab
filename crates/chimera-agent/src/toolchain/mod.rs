//! Finds, checks and installs what the judge needs: Chromium, git, Python with Playwright, Playwright Test.
//!
//! Browser and git come from the system; the Python packages come in exact versions into an environment of
//! our own below the tools directory. [`locate`] says where everything is or what is missing, [`inspect`] says
//! it with versions for people, [`setup`] installs. Map: `find` looks at the disk, `advice` knows how to get a
//! missing thing on this system, `browser` which browser will do, `python` makes the environment, `node` adds Playwright Test, `video` a recorder, `system` calls the package manager, `step`
//! runs one command of the set-up.

mod advice;
mod browser;
mod find;
mod inspect;
mod node;
mod python;
mod setup;
mod step;
mod system;
mod video;

pub use browser::{Browser, MINIMUM_MAJOR, OLD_AFTER};
pub use inspect::{Check, Status, inspect};
pub use node::PlaywrightTest;
pub use setup::{SetupError, Step, setup};

use chimera_core::UnixMillis;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The programs that the judge, the workspaces and staging run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toolchain {
    /// The interpreter of our own environment with pytest-playwright.
    pub python: PathBuf,
    /// A whole Chromium or Google Chrome.
    pub chromium: PathBuf,
    /// git.
    pub git: PathBuf,
    /// Playwright Test, where it is installed: projects with `e2e = "playwright-test"` need it.
    pub playwright_test: Option<PlaywrightTest>,
    /// The directory in which Playwright finds what records videos, where that is installed: without it, runs are
    /// made without video.
    pub video: Option<PathBuf>,
}

/// Where to look for tools.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// The directory that holds our Python environment; absolute.
    pub tools_dir: PathBuf,
    /// Paths that the user has set.
    pub overrides: Overrides,
    /// The environment of whoever asks: `PATH` to look in, and during [`setup`] everything for the package
    /// managers (proxies, indexes, certificates).
    pub env: BTreeMap<String, String>,
    /// Whether Playwright Test is needed: [`setup`] fails without it, [`inspect`] names its lack.
    pub playwright_test: bool,
    /// Tells the time, by which the age of the browser is known; without it, nobody asks for its age.
    pub clock: Option<fn() -> UnixMillis>,
}

/// Paths that take precedence over any search.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// A Python 3.10 or newer that can make virtual environments.
    pub python: Option<PathBuf>,
    /// A Chromium or Google Chrome.
    pub chromium: Option<PathBuf>,
    /// git.
    pub git: Option<PathBuf>,
}

/// Something that is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} is missing (looked for {looked_for}): {remedy}")]
pub struct Missing {
    /// What: `Chromium`, `git`, `Python`, `Python environment`, `npm`, `Playwright Test`.
    pub name: &'static str,
    /// What was looked for, and where.
    pub looked_for: String,
    /// One sentence: how to get it on this system.
    pub remedy: String,
}

/// Finds the tools. Looks at the disk only and starts nothing.
///
/// # Errors
/// Everything that is missing, each with the way to get it.
pub fn locate(search: &Search) -> Result<Toolchain, Vec<Missing>> {
    match (find::environment(search), find::chromium(search), find::git(search)) {
        (Ok(python), Ok(chromium), Ok(git)) => Ok(Toolchain {
            python,
            chromium,
            git,
            playwright_test: node::installed(search),
            video: video::installed(search),
        }),
        (python, chromium, git) => Err([python, chromium, git].into_iter().filter_map(Result::err).collect()),
    }
}

impl Toolchain {
    /// Where Playwright's compiled driver is kept, which saves a tenth of a second of each run.
    pub(crate) fn node_cache(&self) -> PathBuf {
        node_cache(self.python.ancestors().nth(2).unwrap_or(&self.python))
    }
}

fn node_cache(venv: &Path) -> PathBuf {
    venv.join("node-cache")
}

impl Search {
    fn now(&self) -> Option<UnixMillis> {
        self.clock.map(|read| read())
    }

    /// The directory of the Python environment.
    fn venv(&self) -> PathBuf {
        self.tools_dir.join("venv")
    }

    /// The directories in `PATH`.
    fn path_dirs(&self) -> impl Iterator<Item = PathBuf> + '_ {
        self.env
            .get("PATH")
            .into_iter()
            .flat_map(|path| std::env::split_paths(path).collect::<Vec<_>>())
            .filter(|dir| dir.is_absolute())
    }
}

/// The interpreter in a virtual environment.
fn interpreter(venv: &Path) -> PathBuf {
    venv.join("bin").join("python")
}
