//! The judge's browser: which one will do, how old it is, and how it is brought up to date.
//!
//! It is the whole Chromium (or Google Chrome) in its own headless mode. The headless shell, which distributions
//! package beside it, is another program: it names itself in every request, has no plugins and no client hints for
//! scripts, and takes no origin for secure that it is told to. An application could tell the judge from a person by
//! any of these, so it is not used.

use super::setup::{SetupError, Step};
use super::system::System;
use super::{Check, Missing, Search, Status, advice, find, step};
use chimera_core::UnixMillis;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The oldest major version that judges: the one of Debian 12 without its security updates. Older ones have holes
/// that are exploited, and none of them has run the judge's tests.
pub const MINIMUM_MAJOR: u32 = 150;
/// How long after its build a browser counts as old. Chromium is corrected about every week, and distributions
/// follow within days.
pub const OLD_AFTER: Duration = Duration::from_secs(60 * DAY);
/// A build date before 2020 is none: some systems give every file the same one.
const FIRST_BUILD: Duration = Duration::from_secs(1_577_836_800);
const DAY: u64 = 24 * 60 * 60;
/// What people are told it is.
const NAME: &str = "Chromium";
/// What Debian calls it.
const PACKAGE: &str = "chromium";
const DOES_NOT_START: &str = "it does not start, `--version` fails";

/// A browser that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Browser {
    /// The program.
    pub path: PathBuf,
    /// Name and version in its own words: `Chromium 156.0.8078.108`.
    pub version: String,
    /// The first number of the version.
    pub major: u32,
    /// When it was built, as far as its file tells: packages keep the time of the build. `None` if the file has no
    /// date that can be true.
    pub built: Option<UnixMillis>,
}

impl Browser {
    /// Asks the program for its version; `None` if it does not start or has none.
    async fn ask(path: &Path, search: &Search) -> Option<Self> {
        let said =
            step::answer(vec![path.display().to_string(), "--version".to_owned()], &search.env).await?;
        let version = said.lines().last()?.trim().to_owned();
        let major = major(&version)?;
        Some(Self { path: path.to_owned(), version, major, built: built(path) })
    }

    /// Whether it is too old to judge.
    pub fn is_too_old(&self) -> bool {
        self.major < MINIMUM_MAJOR
    }

    /// How old it is, if it is older than [`OLD_AFTER`].
    pub fn old(&self, now: UnixMillis) -> Option<Duration> {
        Some(now.since(self.built?)).filter(|age| *age > OLD_AFTER)
    }

    /// What is wrong with it, if anything is.
    pub fn complaint(&self, now: Option<UnixMillis>) -> Option<String> {
        if self.is_too_old() {
            return Some(format!("it is too old, version {MINIMUM_MAJOR} or newer is needed"));
        }
        let age = self.old(now?)?;
        Some(format!("it was built {} days ago", age.as_secs() / DAY))
    }
}

/// Installs it where it is missing, and brings one that is old up to date, as far as that may be done here.
///
/// # Errors
/// [`SetupError`], if there is no browser afterwards that will do.
pub(super) async fn install(
    search: &Search,
    system: &mut System<'_>,
    progress: &mut (dyn FnMut(Step) + Send),
) -> Result<PathBuf, SetupError> {
    if find::chromium(search).is_err() {
        system.install(&[PACKAGE], progress).await?;
    }
    let path = find::chromium(search).map_err(SetupError::missing)?;
    let Some(browser) = Browser::ask(&path, search).await else { return Err(unfit(&path, DOES_NOT_START)) };
    if browser.complaint(search.now()).is_none() {
        return Ok(path);
    }
    let upgraded = match advice::chromium_package(&path) {
        Some(package) => system.upgrade(package, progress).await,
        None => Ok(()),
    };
    let browser = Browser::ask(&path, search).await.unwrap_or(browser);
    let Some(complaint) = browser.complaint(search.now()) else { return Ok(path) };
    if browser.is_too_old() {
        upgraded?;
        return Err(unfit(&path, &complaint));
    }
    progress(Step::OldBrowser(format!(
        "{}: {complaint}; {}",
        browser.version,
        advice::upgrade_chromium(&path)
    )));
    Ok(path)
}

/// What `doctor` says about it.
pub(super) async fn inspect(search: &Search) -> Check {
    let path = match find::chromium(search) {
        Ok(path) => path,
        Err(absent) => return Check::missing(absent),
    };
    let remedy = advice::upgrade_chromium(&path);
    let Some(browser) = Browser::ask(&path, search).await else {
        return Check::broken(NAME, &path, "reinstall it; `--version` fails");
    };
    let found = Check::ok(NAME, &browser.version, &path);
    let Some(complaint) = browser.complaint(search.now()) else { return found };
    let status = if browser.is_too_old() { Status::Outdated } else { Status::Old };
    Check { status, detail: format!("{}: {complaint}", found.detail), remedy, ..found }
}

fn unfit(path: &Path, why: &str) -> SetupError {
    let looked_for = format!("{}: {why}", path.display());
    SetupError::missing(Missing { name: NAME, looked_for, remedy: advice::upgrade_chromium(path) })
}

/// The first number of `Google Chrome 156.0.8078.108 unknown`.
fn major(version: &str) -> Option<u32> {
    version.split_whitespace().find_map(|word| {
        let (first, rest) = word.split_once('.')?;
        rest.starts_with(|c: char| c.is_ascii_digit()).then(|| first.parse().ok()).flatten()
    })
}

fn built(path: &Path) -> Option<UnixMillis> {
    let modified = std::fs::metadata(path).and_then(|meta| meta.modified()).ok()?;
    let since = modified.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    (since > FIRST_BUILD).then_some(UnixMillis(0).plus(since))
}

#[cfg(test)]
mod tests {
    use super::{Browser, DAY, MINIMUM_MAJOR, major};
    use chimera_core::UnixMillis;
    use std::time::Duration;

    #[test]
    fn the_major_version_is_read_from_what_browsers_say() {
        for (said, expected) in [
            ("Chromium 156.0.8078.108 built on Debian GNU/Linux 12 (bookworm)", Some(156)),
            ("Google Chrome 157.0.8090.12 unknown", Some(157)),
            ("Chromium 99.0", Some(99)),
            ("Chromium", None),
            ("v. 2", None),
        ] {
            assert_eq!(major(said), expected, "{said}");
        }
    }

    #[test]
    fn a_browser_below_the_minimum_or_long_not_updated_is_complained_about() {
        let built = UnixMillis(0).plus(Duration::from_secs(20_000 * DAY));
        let browser = |major| Browser {
            path: "/usr/lib/chromium/chromium".into(),
            version: format!("Chromium {major}.0.1.2"),
            major,
            built: Some(built),
        };
        let after = |days| Some(built.plus(Duration::from_secs(days * DAY)));
        assert_eq!(browser(MINIMUM_MAJOR).complaint(after(60)), None);
        let complaint = browser(MINIMUM_MAJOR).complaint(after(61));
        assert_eq!(complaint.as_deref(), Some("it was built 61 days ago"));
        assert_eq!(browser(MINIMUM_MAJOR).complaint(None), None, "nobody asked for its age");
        let complaint = browser(MINIMUM_MAJOR - 1).complaint(after(1)).expect("a complaint");
        assert!(complaint.contains("too old"), "{complaint}");
        let undated = Browser { built: None, ..browser(MINIMUM_MAJOR) };
        assert_eq!(undated.complaint(after(1_000)), None);
    }
}
