//! Installs what is missing.

use super::system::{self, System};
use super::{Missing, PlaywrightTest, Search, Toolchain, browser, find, node, python, video};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// What the set-up is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Waiting for another set-up in the same directory.
    Waiting,
    /// Asking the system's package manager what there is.
    PackageLists,
    /// Installing packages of the system, or bringing them up to date.
    SystemPackages(Vec<&'static str>),
    /// Going on with a browser that is old: what is wrong with it, and how to bring it up to date.
    OldBrowser(String),
    /// Throwing away an environment that is incomplete or of another version.
    Discarding(PathBuf),
    /// Making a Python environment with this interpreter.
    Environment(PathBuf),
    /// Installing so many Python packages.
    Packages(usize),
    /// Installing Playwright Test.
    PlaywrightTest,
    /// Doing without Playwright Test, which no project needs, and why.
    WithoutPlaywrightTest(String),
    /// Installing what records videos of runs.
    Video,
    /// Doing without videos, and why.
    WithoutVideo(String),
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Waiting => write!(f, "waiting for another set-up to end"),
            Self::PackageLists => write!(f, "updating the package lists"),
            Self::SystemPackages(names) => write!(f, "installing {}", names.join(", ")),
            Self::OldBrowser(what) => write!(f, "going on with an old browser, {what}"),
            Self::Discarding(path) => write!(f, "discarding the unfinished or old {}", path.display()),
            Self::Environment(base) => write!(f, "making a Python environment with {}", base.display()),
            Self::Packages(count) => write!(f, "installing {count} Python packages"),
            Self::PlaywrightTest => write!(f, "installing Playwright Test"),
            Self::WithoutPlaywrightTest(why) => write!(f, "doing without Playwright Test: {why}"),
            Self::Video => write!(f, "installing ffmpeg for videos of test runs"),
            Self::WithoutVideo(why) => write!(f, "doing without videos of test runs: {why}"),
        }
    }
}

/// The set-up could not be completed.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A person has to install something first.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Missing(Vec<Missing>),
    /// A command failed; it may work later, or say what is wrong.
    #[error("{what} failed: {problem} (see {})\n{tail}", log.display())]
    Command {
        /// What it was for.
        what: &'static str,
        /// How it ended.
        problem: String,
        /// The end of what it printed.
        tail: String,
        /// Everything that it printed.
        log: PathBuf,
    },
    /// The tools directory cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl SetupError {
    pub(super) fn missing(missing: Missing) -> Self {
        Self::Missing(vec![missing])
    }

    pub(super) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}

/// Installs what is missing and finds everything: nothing to do the second time.
///
/// Python packages go into an environment below [`Search::tools_dir`], Playwright Test beside it: if it is needed,
/// or if npm is there. Packages of the system (Chromium, git, Python's venv, npm) are installed only with `allow_system_packages`, on Debian and its relatives, as root.
/// Lists of packages are brought up to date before anything is installed from them, and a browser that is too old or was
/// not updated for long is brought up to date as well.
/// An installation that was killed midway is made anew; two at once wait for each other.
///
/// # Errors
/// [`SetupError`].
pub async fn setup(
    search: &Search,
    allow_system_packages: bool,
    progress: &mut (dyn FnMut(Step) + Send),
) -> Result<Toolchain, SetupError> {
    let logs = search.tools_dir.join("logs");
    fs::create_dir_all(&logs).map_err(|source| SetupError::io(&logs, source))?;
    let _lock = lock(search, progress).await?;
    let system = &mut System::new(search, allow_system_packages);

    let mut missing = Vec::new();
    let chromium = or_missing(browser::install(search, system, progress).await, &mut missing)?;
    let git = or_missing(find_git(search, system, progress).await, &mut missing)?;
    let python = or_missing(make_environment(search, system, progress).await, &mut missing)?;
    match (python, chromium, git) {
        (Some(python), Some(chromium), Some(git)) => {
            let playwright_test = add_playwright_test(search, system, progress).await?;
            let video = add_video(search, progress).await;
            Ok(Toolchain { python, chromium, git, playwright_test, video })
        }
        _ => Err(SetupError::Missing(missing)),
    }
}

/// Notes what is missing and goes on, so that a person is told everything at once.
fn or_missing<T>(found: Result<T, SetupError>, missing: &mut Vec<Missing>) -> Result<Option<T>, SetupError> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(SetupError::Missing(more)) => {
            missing.extend(more);
            Ok(None)
        }
        Err(err) => Err(err),
    }
}

async fn find_git(
    search: &Search,
    system: &mut System<'_>,
    progress: &mut (dyn FnMut(Step) + Send),
) -> Result<PathBuf, SetupError> {
    if find::git(search).is_err() {
        system.install(system::GIT, progress).await?;
    }
    find::git(search).map_err(SetupError::missing)
}

async fn make_environment(
    search: &Search,
    system: &mut System<'_>,
    progress: &mut (dyn FnMut(Step) + Send),
) -> Result<PathBuf, SetupError> {
    if let Ok(python) = find::environment(search) {
        return Ok(python);
    }
    if python::base(search).await.is_err() {
        system.install(system::PYTHON, progress).await?;
    }
    let (base, _) = python::base(search).await.map_err(SetupError::missing)?;
    python::install(search, &base, progress).await
}

/// Installs Playwright Test: always where a project needs it, otherwise where that is possible.
async fn add_playwright_test(
    search: &Search,
    system: &mut System<'_>,
    progress: &mut (dyn FnMut(Step) + Send),
) -> Result<Option<PlaywrightTest>, SetupError> {
    if let Some(installed) = node::installed(search) {
        return Ok(Some(installed));
    }
    if search.playwright_test && find::npm(search).is_none() {
        system.install(system::NPM, progress).await?;
    }
    let made = match find::npm(search) {
        Some(npm) => node::install(search, &npm, progress).await,
        None => Ok(None),
    };
    match made {
        Ok(None) if search.playwright_test => Err(SetupError::Missing(vec![node::missing(search)])),
        Err(err) if !search.playwright_test => {
            progress(Step::WithoutPlaywrightTest(err.to_string()));
            Ok(None)
        }
        made => made,
    }
}

/// Installs what records videos, where that is possible.
async fn add_video(search: &Search, progress: &mut (dyn FnMut(Step) + Send)) -> Option<PathBuf> {
    match video::install(search, progress).await {
        Ok(video) => video,
        Err(err) => {
            progress(Step::WithoutVideo(err.to_string()));
            None
        }
    }
}

/// Keeps other set-ups out until it is dropped; a killed set-up leaves no lock behind.
async fn lock(search: &Search, progress: &mut (dyn FnMut(Step) + Send)) -> Result<File, SetupError> {
    let path = search.tools_dir.join("setup.lock");
    let failed = |source| SetupError::io(&path, source);
    let file = File::create(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(fs::TryLockError::WouldBlock) => progress(Step::Waiting),
        Err(fs::TryLockError::Error(source)) => return Err(failed(source)),
    }
    let waited = tokio::task::spawn_blocking(move || file.lock().map(|()| file)).await;
    waited.map_err(|err| failed(std::io::Error::other(err)))?.map_err(failed)
}
