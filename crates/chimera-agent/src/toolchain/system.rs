//! The system's package manager.

use super::advice::Platform;
use super::setup::{SetupError, Step};
use super::{Search, step};
use std::path::Path;

/// What a Debian system is asked for, in the words of its package manager; the first that installs will do.
pub(super) const CHROMIUM: &[&str] = &["chromium-headless-shell", "chromium"];
pub(super) const GIT: &[&str] = &["git"];
pub(super) const PYTHON: &[&str] = &["python3-venv"];
pub(super) const NPM: &[&str] = &["npm"];

const APT: &str = "/usr/bin/apt-get";

/// Whether packages can be installed here: Debian or a relative of it, and root.
pub(super) fn may_install() -> bool {
    matches!(Platform::current(), Platform::Debian | Platform::Ubuntu)
        && rustix::process::geteuid().is_root()
        && Path::new(APT).exists()
}

/// Installs the first of the alternatives that can be had.
pub(super) async fn install(
    search: &Search,
    alternatives: &[&'static str],
    progress: &mut (dyn FnMut(Step) + Send),
) -> Result<(), SetupError> {
    let logs = search.tools_dir.join("logs");
    let mut env = search.env.clone();
    env.insert("DEBIAN_FRONTEND".to_owned(), "noninteractive".to_owned());
    let apt = |args: &[&str]| {
        std::iter::once(APT).chain(args.iter().copied()).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut failure = None;
    for fresh in [false, true] {
        if fresh {
            // The lists of a fresh or an old machine do not know the package.
            progress(Step::PackageLists);
            step::must("apt-get update", apt(&["update", "-q"]), &env, &logs).await?;
        }
        for package in alternatives {
            progress(Step::SystemPackage(package));
            let argv = apt(&["install", "-y", "-q", "--no-install-recommends", package]);
            match step::must("apt-get install", argv, &env, &logs).await {
                Ok(()) => return Ok(()),
                Err(err) => failure = Some(err),
            }
        }
    }
    failure.map_or(Ok(()), Err)
}
