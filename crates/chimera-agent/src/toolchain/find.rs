//! Looks at the disk.

use super::{Missing, Search, advice, interpreter, python};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Where browsers live, real programs before the wrapper scripts that distributions put into `PATH`.
const CHROMIUM_PATHS: [&str; 7] = [
    "/usr/lib/chromium/chromium",
    "/usr/lib64/chromium-browser/chromium-browser",
    "/opt/google/chrome/chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/opt/homebrew/bin/chromium",
    "/usr/local/bin/chromium",
];

/// Names of browsers in `PATH`.
const CHROMIUM_NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// The names of the headless shell: Debian's, Fedora's, and that of the browser's makers.
const SHELLS: [&str; 3] = ["chromium-headless-shell", "headless_shell", "chrome-headless-shell"];

/// Names of interpreters in `PATH`: the plain one first, which people expect to be used.
const PYTHON_NAMES: [&str; 7] =
    ["python3", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10", "python"];

/// The whole browser; never its headless shell ([`super::browser`]).
pub(super) fn chromium(search: &Search) -> Result<PathBuf, Missing> {
    let known = CHROMIUM_PATHS.iter().map(PathBuf::from).chain(in_path(search, &CHROMIUM_NAMES));
    let whole = known.filter(|path| !is_shell(path));
    let found = match &search.overrides.chromium {
        Some(path) if is_shell(path) => {
            Err(Some(format!("a whole browser, and {} is only its headless shell", path.display())))
        }
        overridden => program(overridden.as_deref(), whole),
    };
    found.map_err(|wrong| Missing {
        name: "Chromium",
        looked_for: wrong
            .unwrap_or_else(|| format!("{} and {} in PATH", CHROMIUM_PATHS[0], CHROMIUM_NAMES.join(", "))),
        remedy: advice::chromium(),
    })
}

pub(super) fn git(search: &Search) -> Result<PathBuf, Missing> {
    program(search.overrides.git.as_deref(), in_path(search, &["git"])).map_err(|wrong| Missing {
        name: "git",
        looked_for: wrong.unwrap_or_else(|| "git in PATH".to_owned()),
        remedy: advice::git(),
    })
}

/// The interpreter of our environment, if it is complete and of this version of the daemon.
pub(super) fn environment(search: &Search) -> Result<PathBuf, Missing> {
    let venv = search.venv();
    let interpreter = interpreter(&venv);
    if python::is_current(&venv) && is_program(&interpreter) {
        return Ok(interpreter);
    }
    Err(Missing {
        name: "Python environment",
        looked_for: venv.display().to_string(),
        remedy: "run `chimera-daemon setup`".to_owned(),
    })
}

/// Node's package manager.
pub(super) fn npm(search: &Search) -> Option<PathBuf> {
    in_path(search, &["npm"]).find(|path| is_program(path))
}

/// Debian's package manager.
pub(super) fn apt(search: &Search) -> Option<PathBuf> {
    in_path(search, &["apt-get"]).find(|path| is_program(path))
}

/// The system's ffmpeg.
pub(super) fn ffmpeg(search: &Search) -> Option<PathBuf> {
    in_path(search, &["ffmpeg"]).find(|path| is_program(path))
}

/// Interpreters that might make our environment, best first.
pub(super) fn pythons(search: &Search) -> Vec<PathBuf> {
    match &search.overrides.python {
        Some(python) => vec![python.clone()],
        None => {
            let mut found: Vec<PathBuf> = in_path(search, &PYTHON_NAMES).filter(|p| is_program(p)).collect();
            found.dedup();
            found
        }
    }
}

/// The first program there is. An override is the only candidate; the error then names it.
fn program(
    overridden: Option<&Path>,
    mut candidates: impl Iterator<Item = PathBuf>,
) -> Result<PathBuf, Option<String>> {
    match overridden {
        Some(path) if is_program(path) => Ok(path.to_owned()),
        Some(path) => Err(Some(format!("{}, as configured", path.display()))),
        None => candidates.find(|path| is_program(path)).ok_or(None),
    }
}

/// Name by name, directory by directory.
fn in_path<'a>(search: &'a Search, names: &'a [&'a str]) -> impl Iterator<Item = PathBuf> + 'a {
    names.iter().flat_map(|name| search.path_dirs().map(move |dir| dir.join(name)))
}

pub(super) fn is_program(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Whether a program is the headless shell, by its own name or by what it links to.
fn is_shell(path: &Path) -> bool {
    let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    [path, &real].into_iter().filter_map(|path| path.file_name()?.to_str()).any(|name| SHELLS.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::is_shell;
    use std::path::Path;

    #[test]
    fn the_headless_shell_is_known_by_its_name_and_through_links() {
        assert!(is_shell(Path::new("/usr/lib/chromium/chromium-headless-shell")));
        assert!(!is_shell(Path::new("/usr/lib/chromium/chromium")));
        let dir = tempfile::tempdir().expect("a directory");
        let (shell, link) = (dir.path().join("headless_shell"), dir.path().join("chromium"));
        std::fs::write(&shell, "").expect("written");
        std::os::unix::fs::symlink(&shell, &link).expect("linked");
        assert!(is_shell(&link));
    }
}
