//! Playwright Test: exact versions by a lock file, complete or not at all.
//!
//! npm of the system fetches it; what runs it is the Node.js that came with the Python packages, so that one set
//! of tools is one version of Node.js everywhere. No browser is fetched.

use super::setup::{SetupError, Step};
use super::{Missing, Search, advice, find, python, step};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The package and everything below it, with the hashes of their archives. Both files are the version.
const FILES: [(&str, &str); 2] = [
    ("package.json", include_str!("package.json")),
    ("package-lock.json", include_str!("package-lock.json")),
];
/// Written last; what has no stamp, or another one, is made anew.
const STAMP: &str = "chimera-stamp";
/// Loads everything once, which fills the cache of compiled code.
const CHECK: &str = "const runner = require.resolve('@playwright/test/cli'); const { dirname } = require('node:path'); \
                     require('playwright/lib/program'); require('playwright/lib/runner'); require('playwright/lib/transform/babelBundle'); \
                     require('@playwright/test'); if (!dirname(runner)) process.exit(1)";

/// Playwright Test, and what runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaywrightTest {
    /// Node.js.
    pub node: PathBuf,
    /// The directory that holds `node_modules`.
    pub dir: PathBuf,
}

impl PlaywrightTest {
    /// Where compiled code is kept, which saves a part of each start.
    pub(crate) fn cache(&self) -> PathBuf {
        self.dir.join("cache")
    }

    /// The parser that the runner itself reads tests with.
    pub(crate) fn parser(&self) -> PathBuf {
        self.dir.join("node_modules/playwright/lib/transform/babelBundle.js")
    }
}

/// The installation, if it is complete and of this version of the daemon.
pub(super) fn installed(search: &Search) -> Option<PlaywrightTest> {
    let dir = dir(search);
    let current = std::fs::read_to_string(dir.join(STAMP)).is_ok_and(|stamp| stamp == fingerprint());
    let node = driver(search).filter(|_| current)?;
    Some(PlaywrightTest { node, dir })
}

/// What to say if there is none.
pub(super) fn missing(search: &Search) -> Missing {
    let setup = "run `chimera-daemon setup --playwright-test`";
    let remedy = match find::npm(search) {
        Some(_) => setup.to_owned(),
        None => format!("{}, then {setup}", advice::npm()),
    };
    Missing { name: "Playwright Test", looked_for: dir(search).display().to_string(), remedy }
}

/// Whether there is one, complete or not.
pub(super) fn exists(search: &Search) -> bool {
    dir(search).exists()
}

fn dir(search: &Search) -> PathBuf {
    search.tools_dir.join("node")
}

/// The Node.js of the Python environment.
fn driver(search: &Search) -> Option<PathBuf> {
    let node = python::packages_dir(&search.venv())?.join("playwright/driver/node");
    find::is_program(&node).then_some(node)
}

/// Installs it, unless that is done already.
pub(super) async fn install(
    search: &Search,
    npm: &Path,
    progress: &mut (dyn FnMut(Step) + Send),
) -> Result<Option<PlaywrightTest>, SetupError> {
    if let Some(installed) = installed(search) {
        return Ok(Some(installed));
    }
    let dir = dir(search);
    if dir.exists() {
        progress(Step::Discarding(dir.clone()));
        std::fs::remove_dir_all(&dir).map_err(|source| SetupError::io(&dir, source))?;
    }
    std::fs::create_dir_all(&dir).map_err(|source| SetupError::io(&dir, source))?;
    for (name, content) in FILES {
        let path = dir.join(name);
        std::fs::write(&path, content).map_err(|source| SetupError::io(&path, source))?;
    }
    progress(Step::PlaywrightTest);
    let env = clean_env(search);
    let logs = search.tools_dir.join("logs");
    let mut argv = vec![npm.display().to_string()];
    argv.extend(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix"].map(str::to_owned));
    argv.push(dir.display().to_string());
    step::must("playwright test", argv, &env, &logs).await?;

    let Some(node) = driver(search) else { return Ok(None) };
    let installed = PlaywrightTest { node, dir };
    let mut env = env;
    env.insert("NODE_COMPILE_CACHE".to_owned(), installed.cache().display().to_string());
    env.insert("NODE_PATH".to_owned(), installed.dir.join("node_modules").display().to_string());
    let argv = vec![installed.node.display().to_string(), "-e".to_owned(), CHECK.to_owned()];
    step::must("playwright test check", argv, &env, &logs).await?;
    let stamp = installed.dir.join(STAMP);
    std::fs::write(&stamp, fingerprint()).map_err(|source| SetupError::io(&stamp, source))?;
    Ok(Some(installed))
}

/// The version of what is installed, as its own package says.
pub(super) fn version(installed: &PlaywrightTest) -> Option<String> {
    let package = installed.dir.join("node_modules/@playwright/test/package.json");
    let package: serde_json::Value = serde_json::from_slice(&std::fs::read(package).ok()?).ok()?;
    Some(package.get("version")?.as_str()?.to_owned())
}

fn fingerprint() -> String {
    use std::fmt::Write as _;
    let hash = FILES.iter().fold(Sha256::new(), |hash, (_, content)| hash.chain_update(content));
    hash.finalize().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The caller's environment without what would redirect Node.js itself.
fn clean_env(search: &Search) -> BTreeMap<String, String> {
    search
        .env
        .iter()
        .filter(|(name, _)| !name.starts_with("NODE_") || name.as_str() == "NODE_EXTRA_CA_CERTS")
        .map(|(name, value)| (name.clone(), value.clone()))
        .chain([("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD".to_owned(), "1".to_owned())])
        .collect()
}
