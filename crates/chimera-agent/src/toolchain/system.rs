//! The system's package manager.

use super::advice::Platform;
use super::setup::{SetupError, Step};
use super::{Search, find, step};
use std::path::{Path, PathBuf};

/// What a Debian system is asked for, in the words of its package manager.
pub(super) const GIT: &[&str] = &["git", "ca-certificates"];
pub(super) const PYTHON: &[&str] = &["python3-venv"];
pub(super) const NPM: &[&str] = &["nodejs", "npm"];

/// The package manager during one set-up.
pub(super) struct System<'a> {
    search: &'a Search,
    /// The program, where it may be used.
    apt: Option<PathBuf>,
    /// Whether the lists of packages are of today.
    refreshed: bool,
}

impl<'a> System<'a> {
    /// One that installs: if the user allows it, on Debian or a relative of it, as root. Otherwise it does nothing.
    pub(super) fn new(search: &'a Search, allowed: bool) -> Self {
        let may_install = matches!(Platform::current(), Platform::Debian | Platform::Ubuntu)
            && rustix::process::geteuid().is_root();
        let apt = (allowed && may_install).then(|| find::apt(search)).flatten();
        Self { search, apt, refreshed: false }
    }

    /// Installs packages in their current versions.
    ///
    /// # Errors
    /// [`SetupError::Command`].
    pub(super) async fn install(
        &mut self,
        packages: &[&'static str],
        progress: &mut (dyn FnMut(Step) + Send),
    ) -> Result<(), SetupError> {
        self.get(&["--no-install-recommends"], packages, progress).await
    }

    /// Brings an installed package up to date.
    ///
    /// # Errors
    /// [`SetupError::Command`].
    pub(super) async fn upgrade(
        &mut self,
        package: &'static str,
        progress: &mut (dyn FnMut(Step) + Send),
    ) -> Result<(), SetupError> {
        self.get(&["--only-upgrade"], &[package], progress).await
    }

    async fn get(
        &mut self,
        options: &[&'static str],
        packages: &[&'static str],
        progress: &mut (dyn FnMut(Step) + Send),
    ) -> Result<(), SetupError> {
        let Some(apt) = self.apt.clone() else { return Ok(()) };
        // Lists that are months old have packages that are months old, or gone.
        if !self.refreshed {
            progress(Step::PackageLists);
            self.run(&apt, "apt-get update", &["update", "-q"]).await?;
            self.refreshed = true;
        }
        progress(Step::SystemPackages(packages.to_vec()));
        let args: Vec<&str> =
            ["install", "-y", "-q"].iter().chain(options).chain(packages).copied().collect();
        self.run(&apt, "apt-get install", &args).await
    }

    async fn run(&self, apt: &Path, what: &'static str, args: &[&str]) -> Result<(), SetupError> {
        let mut env = self.search.env.clone();
        env.insert("DEBIAN_FRONTEND".to_owned(), "noninteractive".to_owned());
        let argv = std::iter::once(apt.display().to_string())
            .chain(args.iter().map(|arg| (*arg).to_owned()))
            .collect();
        step::must(what, argv, &env, &self.search.tools_dir.join("logs")).await
    }
}

#[cfg(test)]
mod tests {
    use super::{Search, System};
    use std::os::unix::fs::PermissionsExt as _;

    #[tokio::test]
    async fn lists_are_brought_up_to_date_once_before_anything_is_installed() {
        let dir = tempfile::tempdir().expect("a directory");
        let (apt, said) = (dir.path().join("apt-get"), dir.path().join("said"));
        std::fs::write(&apt, format!("#!/bin/sh\necho \"$@\" >> {}\n", said.display())).expect("written");
        std::fs::set_permissions(&apt, std::fs::Permissions::from_mode(0o755)).expect("executable");
        std::fs::create_dir(dir.path().join("logs")).expect("made");
        let search = Search { tools_dir: dir.path().to_owned(), ..Search::default() };
        let mut system = System { search: &search, apt: Some(apt), refreshed: false };
        system.install(&["nodejs", "npm"], &mut |_| {}).await.expect("installed");
        system.upgrade("chromium", &mut |_| {}).await.expect("upgraded");
        assert_eq!(
            std::fs::read_to_string(said).expect("asked"),
            "update -q\ninstall -y -q --no-install-recommends nodejs npm\ninstall -y -q --only-upgrade chromium\n"
        );
    }

    #[tokio::test]
    async fn a_package_manager_that_fails_is_quoted() {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(dir.path().join("logs")).expect("made");
        let apt = dir.path().join("apt-get");
        std::fs::write(&apt, "#!/bin/sh\necho 'E: no network'\nexit 100\n").expect("written");
        std::fs::set_permissions(&apt, std::fs::Permissions::from_mode(0o755)).expect("executable");
        let search = Search { tools_dir: dir.path().to_owned(), ..Search::default() };
        let mut system = System { search: &search, apt: Some(apt), refreshed: false };
        let err = system.install(&["npm"], &mut |_| {}).await.expect_err("no lists").to_string();
        assert!(err.starts_with("apt-get update failed") && err.contains("no network"), "{err}");
    }
}
