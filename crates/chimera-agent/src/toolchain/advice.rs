//! How to get a missing thing on this system, in one sentence each.

use std::path::Path;

/// Families of systems that differ in how software gets onto them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Platform {
    Debian,
    Ubuntu,
    Fedora,
    Mac,
    Other,
}

impl Platform {
    /// The system this runs on.
    pub(super) fn current() -> Self {
        if cfg!(target_os = "macos") {
            return Self::Mac;
        }
        Self::of(&std::fs::read_to_string("/etc/os-release").unwrap_or_default())
    }

    /// The family that an `os-release` file tells, by `ID` and then `ID_LIKE`.
    fn of(os_release: &str) -> Self {
        let value = |key: &str| {
            os_release
                .lines()
                .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
                .map(|value| value.trim_matches('"').to_owned())
                .unwrap_or_default()
        };
        let (id, like) = (value("ID"), value("ID_LIKE"));
        for name in std::iter::once(id.as_str()).chain(like.split_whitespace()) {
            match name {
                "debian" => return Self::Debian,
                "ubuntu" => return Self::Ubuntu,
                "fedora" | "rhel" => return Self::Fedora,
                _ => {}
            }
        }
        Self::Other
    }
}

pub(super) fn chromium() -> String {
    match Platform::current() {
        Platform::Debian => "run `sudo apt-get update && sudo apt-get install chromium`".to_owned(),
        Platform::Ubuntu => {
            "install Google Chrome's .deb package (Ubuntu's own chromium is a snap that tests cannot drive)"
                .to_owned()
        }
        Platform::Fedora => "run `sudo dnf install chromium`".to_owned(),
        Platform::Mac => "run `brew install --cask chromium`".to_owned(),
        Platform::Other => "install Chromium or Google Chrome with your package manager".to_owned(),
    }
}

/// How to bring the browser at `path` up to date.
pub(super) fn upgrade_chromium(path: &Path) -> String {
    match (Platform::current(), chromium_package(path)) {
        (Platform::Debian | Platform::Ubuntu, Some(package)) => {
            format!("run `sudo apt-get update && sudo apt-get install --only-upgrade {package}`")
        }
        (Platform::Fedora, _) => "run `sudo dnf upgrade chromium`".to_owned(),
        (Platform::Mac, _) => "run `brew upgrade --cask chromium`, or update Google Chrome".to_owned(),
        _ => "install the current Chromium or Google Chrome".to_owned(),
    }
}

/// The Debian package that a browser comes in.
pub(super) fn chromium_package(path: &Path) -> Option<&'static str> {
    if path.starts_with("/opt/google/chrome") || path.starts_with("/usr/bin/google-chrome") {
        return Some("google-chrome-stable");
    }
    ["/usr/lib/chromium/chromium", "/usr/bin/chromium"]
        .iter()
        .any(|place| path == Path::new(place))
        .then_some("chromium")
}

pub(super) fn git() -> String {
    match Platform::current() {
        Platform::Debian | Platform::Ubuntu => "run `sudo apt-get install git`".to_owned(),
        Platform::Fedora => "run `sudo dnf install git`".to_owned(),
        Platform::Mac => "run `brew install git`".to_owned(),
        Platform::Other => "install git with your package manager".to_owned(),
    }
}

pub(super) fn python() -> String {
    match Platform::current() {
        Platform::Debian | Platform::Ubuntu => "run `sudo apt-get install python3-venv`".to_owned(),
        Platform::Fedora => "run `sudo dnf install python3`".to_owned(),
        Platform::Mac => "run `brew install python`".to_owned(),
        Platform::Other => "install Python 3.10 or newer, with venv and pip".to_owned(),
    }
}

pub(super) fn npm() -> String {
    match Platform::current() {
        Platform::Debian | Platform::Ubuntu => "run `sudo apt-get install nodejs npm`".to_owned(),
        Platform::Fedora => "run `sudo dnf install nodejs-npm`".to_owned(),
        Platform::Mac => "run `brew install node`".to_owned(),
        Platform::Other => "install Node.js with npm".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::Platform;

    #[test]
    fn the_family_of_a_system_is_told_by_its_release_file() {
        for (release, family) in [
            ("NAME=x\nID=debian\n", Platform::Debian),
            ("ID=ubuntu\nID_LIKE=debian\n", Platform::Ubuntu),
            ("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", Platform::Ubuntu),
            ("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", Platform::Fedora),
            ("ID=arch\n", Platform::Other),
            ("", Platform::Other),
        ] {
            assert_eq!(Platform::of(release), family, "{release}");
        }
    }
}
