//! The Python environment: exact versions, complete or not at all.

use super::setup::{SetupError, Step};
use super::{Missing, Search, advice, find, interpreter, node_cache, step};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The packages and their versions. The hash of this file is the environment's version.
const REQUIREMENTS: &str = include_str!("requirements.txt");
/// Written last; what has no stamp, or another one, is made anew.
const STAMP: &str = "chimera-stamp";
/// Prints its version if it is new enough and can make environments.
const PROBE: &str =
    "import sys, venv, ensurepip; assert sys.version_info >= (3, 10); print(sys.version.split()[0])";

/// Imports everything and starts Playwright's driver, which fills the driver's cache.
const CHECK: &str = "import pytest, pytest_playwright.pytest_playwright
from playwright.sync_api import sync_playwright
with sync_playwright(): pass";

/// Whether the environment was completed with the requirements of this version.
pub(super) fn is_current(venv: &Path) -> bool {
    std::fs::read_to_string(venv.join(STAMP)).is_ok_and(|stamp| stamp == fingerprint())
}

/// Whether there is an environment, complete or not.
pub(super) fn exists(venv: &Path) -> bool {
    venv.join("pyvenv.cfg").exists()
}

/// Where its packages lie.
pub(super) fn packages_dir(venv: &Path) -> Option<PathBuf> {
    let versions = std::fs::read_dir(venv.join("lib")).ok()?;
    versions.flatten().map(|entry| entry.path().join("site-packages")).find(|dir| dir.is_dir())
}

fn fingerprint() -> String {
    use std::fmt::Write as _;
    Sha256::digest(REQUIREMENTS).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// A Python that can make environments, with its version.
///
/// # Errors
/// [`Missing`], naming the candidates that will not do.
pub(super) async fn base(search: &Search) -> Result<(PathBuf, String), Missing> {
    let candidates = find::pythons(search);
    let env = clean_env(search);
    for candidate in &candidates {
        let argv = vec![candidate.display().to_string(), "-c".to_owned(), PROBE.to_owned()];
        if let Some(version) = step::answer(argv, &env).await {
            return Ok((candidate.clone(), version));
        }
    }
    let tried: Vec<String> = candidates.iter().map(|path| path.display().to_string()).collect();
    let tried = if tried.is_empty() { "nothing of the kind in PATH".to_owned() } else { tried.join(", ") };
    Err(Missing {
        name: "Python",
        looked_for: format!("3.10 or newer with venv and ensurepip; found {tried}"),
        remedy: advice::python(),
    })
}

/// Makes the environment and installs the packages, unless that is done already.
pub(super) async fn install(
    search: &Search,
    base: &Path,
    progress: &mut (dyn FnMut(Step) + Send),
) -> Result<PathBuf, SetupError> {
    let venv = search.venv();
    let python = interpreter(&venv);
    if is_current(&venv) && find::is_program(&python) {
        return Ok(python);
    }
    if venv.exists() {
        progress(Step::Discarding(venv.clone()));
        std::fs::remove_dir_all(&venv).map_err(|source| SetupError::io(&venv, source))?;
    }
    let env = clean_env(search);
    let logs = search.tools_dir.join("logs");
    let text = |path: &Path| path.display().to_string();

    progress(Step::Environment(base.to_owned()));
    let argv = vec![text(base), "-m".to_owned(), "venv".to_owned(), text(&venv)];
    step::must("python environment", argv, &env, &logs).await?;

    progress(Step::Packages(packages()));
    let requirements = venv.join("requirements.txt");
    std::fs::write(&requirements, REQUIREMENTS).map_err(|source| SetupError::io(&requirements, source))?;
    let mut argv = vec![text(&python)];
    argv.extend(
        ["-m", "pip", "install", "--no-input", "--no-deps", "--only-binary=:all:", "--quiet", "-r"]
            .map(str::to_owned),
    );
    argv.push(text(&requirements));
    step::must("python packages", argv, &env, &logs).await?;

    let mut env = env;
    env.insert("NODE_COMPILE_CACHE".to_owned(), text(&node_cache(&venv)));
    let argv = vec![text(&python), "-c".to_owned(), CHECK.to_owned()];
    step::must("python check", argv, &env, &logs).await?;
    let stamp = venv.join(STAMP);
    std::fs::write(&stamp, fingerprint()).map_err(|source| SetupError::io(&stamp, source))?;
    Ok(python)
}

/// How many packages there are at most.
fn packages() -> usize {
    REQUIREMENTS.lines().filter(|line| line.contains("==")).count()
}

/// The caller's environment without what would redirect Python itself.
pub(super) fn clean_env(search: &Search) -> BTreeMap<String, String> {
    search
        .env
        .iter()
        .filter(|(name, _)| !name.starts_with("PYTHON") && !name.starts_with("VIRTUAL_ENV"))
        .map(|(name, value)| (name.clone(), value.clone()))
        .chain([("PIP_DISABLE_PIP_VERSION_CHECK".to_owned(), "1".to_owned())])
        .collect()
}
