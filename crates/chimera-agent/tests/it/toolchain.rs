//! Finding and installing tools.

use chimera_agent::toolchain::{
    MINIMUM_MAJOR, Overrides, Search, Status, Step, Toolchain, inspect, locate, setup,
};
use chimera_core::UnixMillis;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The tools that all tests share, installed once.
pub(crate) async fn tools() -> Toolchain {
    let search = Search { tools_dir: shared_dir(), playwright_test: true, ..search(Path::new("/")) };
    setup(&search, false, &mut |_| {}).await.unwrap_or_else(|err| panic!("the tests need the tools: {err}"))
}

fn shared_dir() -> PathBuf {
    match std::env::var_os("CHIMERA_TOOLS_DIR") {
        Some(dir) => PathBuf::from(dir),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools"),
    }
}

fn search(tools_dir: &Path) -> Search {
    let env = std::env::vars().collect();
    Search { tools_dir: tools_dir.to_owned(), env, overrides: overrides(), ..Search::default() }
}

/// `CHIMERA_CHROMIUM` runs every test with another browser than the system's, as it does for the daemon.
pub(crate) fn overrides() -> Overrides {
    Overrides { chromium: std::env::var_os("CHIMERA_CHROMIUM").map(PathBuf::from), ..Overrides::default() }
}

fn script(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("made executable");
    path
}

#[tokio::test]
async fn an_empty_machine_is_told_everything_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut search = search(dir.path());
    search.env.insert("PATH".to_owned(), dir.path().display().to_string());
    search.overrides.chromium = Some(dir.path().join("chromium"));
    let missing = locate(&search).unwrap_err();
    let names: Vec<&str> = missing.iter().map(|missing| missing.name).collect();
    assert_eq!(names, ["Python environment", "Chromium", "git"]);
    assert!(missing.iter().all(|missing| !missing.remedy.is_empty()));
    assert!(missing[1].to_string().contains("as configured"), "{}", missing[1]);

    let err = setup(&search, false, &mut |_| {}).await.unwrap_err().to_string();
    for name in ["Chromium", "git", "Python"] {
        assert!(err.contains(&format!("{name} is missing")), "{err}");
    }
    let checks = inspect(&search).await;
    assert!(checks.iter().all(|check| check.status != Status::Ok && !check.remedy.is_empty()), "{checks:?}");
}

#[tokio::test]
async fn playwright_test_is_named_where_it_is_needed_and_missing() {
    let dir = tempfile::tempdir().unwrap();
    let mut search = Search { playwright_test: true, ..search(dir.path()) };
    search.env.insert("PATH".to_owned(), dir.path().display().to_string());
    let checks = inspect(&search).await;
    let check = checks.iter().find(|check| check.name == "Playwright Test").unwrap();
    assert_eq!(check.status, Status::Missing);
    assert!(check.remedy.contains("chimera-daemon setup --playwright-test"), "{check:?}");
    search.playwright_test = false;
    assert!(inspect(&search).await.iter().all(|check| check.name != "Playwright Test"));
}

#[tokio::test]
async fn a_python_that_makes_no_environments_is_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let (broken, working) = (dir.path().join("broken"), dir.path().join("working"));
    std::fs::create_dir(&broken).unwrap();
    std::fs::create_dir(&working).unwrap();
    script(&broken, "python3", "exit 1");
    symlink("/usr/bin/python3", working.join("python3")).unwrap();
    let mut search = search(dir.path());
    search.env.insert("PATH".to_owned(), format!("{}:{}", broken.display(), working.display()));
    let checks = inspect(&search).await;
    let python = checks.iter().find(|check| check.name == "Python").unwrap();
    assert_eq!(python.status, Status::Ok);
    assert!(python.detail.contains("working"), "{}", python.detail);
}

#[tokio::test]
async fn the_doctor_shows_versions() {
    let tools = tools().await;
    let search = Search { tools_dir: shared_dir(), ..search(Path::new("/")) };
    assert_eq!(locate(&search), Ok(tools));
    let checks = inspect(&search).await;
    assert!(checks.iter().all(|check| check.status == Status::Ok && check.remedy.is_empty()), "{checks:?}");
    assert!(checks[0].detail.starts_with("Chromium "), "{checks:?}");
    assert!(checks[1].detail.starts_with("git version "), "{checks:?}");
    assert!(checks[3].detail.contains("pytest-playwright 0."), "{checks:?}");
    assert_eq!(checks[4].name, "Playwright Test");
    assert!(checks[4].detail.contains(" on Node.js v"), "{checks:?}");
    assert!(checks[5].detail.starts_with("ffmpeg version "), "{checks:?}");
}

#[tokio::test]
async fn the_doctor_refuses_a_browser_that_is_too_old_and_warns_of_one_that_was_not_updated_for_long() {
    let dir = tempfile::tempdir().unwrap();
    let mut search = search(dir.path());
    search.clock = Some(|| UnixMillis(2_000_000_000_000));
    let mut asked = async |version: &str, built: u64| {
        let path = script(dir.path(), "chromium", &format!("echo 'Chromium {version}'"));
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(built)).unwrap();
        drop(file);
        search.overrides.chromium = Some(path);
        inspect(&search).await.swap_remove(0)
    };
    let current = asked(&format!("{MINIMUM_MAJOR}.0.1.2"), 2_000_000_000).await;
    assert_eq!((current.status, current.remedy.as_str()), (Status::Ok, ""), "{current:?}");
    let old = asked(&format!("{MINIMUM_MAJOR}.0.1.2"), 2_000_000_000 - 90 * 86_400).await;
    assert_eq!(old.status, Status::Old);
    assert!(old.detail.contains("built 90 days ago") && !old.remedy.is_empty(), "{old:?}");
    let too_old = asked(&format!("{}.0.1.2", MINIMUM_MAJOR - 1), 2_000_000_000).await;
    assert_eq!(too_old.status, Status::Outdated);
    assert!(too_old.detail.contains(&format!("{MINIMUM_MAJOR} or newer")), "{too_old:?}");
    let of_no_date = asked(&format!("{MINIMUM_MAJOR}.0.1.2"), 1).await;
    assert_eq!(of_no_date.status, Status::Ok, "a file without a date tells no age: {of_no_date:?}");
}

#[tokio::test]
async fn setup_goes_on_with_an_old_browser_and_refuses_one_that_is_too_old_or_a_headless_shell() {
    let tools = tools().await;
    let dir = tempfile::tempdir().unwrap();
    let mut search = search(&shared_dir());
    search.clock = Some(|| UnixMillis(4_000_000_000_000));
    let mut asked = async |name: &str, major: u32| {
        search.overrides.chromium = Some(script(dir.path(), name, &format!("echo Chromium {major}.0.1")));
        let mut steps = Vec::new();
        (setup(&search, false, &mut |step| steps.push(step)).await, steps)
    };
    let (old, steps) = asked("chromium", MINIMUM_MAJOR).await;
    assert_eq!(old.unwrap().python, tools.python);
    assert!(matches!(&steps[..], [Step::OldBrowser(what)] if what.contains("days ago")), "{steps:?}");
    let (too_old, _) = asked("chromium", MINIMUM_MAJOR - 1).await;
    assert!(too_old.unwrap_err().to_string().contains("too old"));
    let (shell, _) = asked("chromium-headless-shell", MINIMUM_MAJOR).await;
    let shell = shell.unwrap_err().to_string();
    assert!(shell.contains("only its headless shell"), "{shell}");
}

#[tokio::test]
async fn a_machine_without_a_recorder_is_told_that_runs_have_no_video() {
    let dir = tempfile::tempdir().unwrap();
    let check = inspect(&search(dir.path())).await.pop().unwrap();
    assert_eq!((check.name, check.status), ("ffmpeg", Status::Optional));
    assert!(check.detail.contains("no videos") && check.remedy.contains("chimera-daemon setup"), "{check:?}");
}

#[tokio::test]
async fn two_setups_at_once_make_an_unfinished_environment_anew_once() {
    let dir = tempfile::tempdir().unwrap();
    let search = search(dir.path());
    std::fs::create_dir(dir.path().join("venv")).unwrap();
    std::fs::write(dir.path().join("venv/pyvenv.cfg"), "half").unwrap();
    let checks = inspect(&search).await;
    let environment = checks.iter().find(|check| check.name == "Python environment").unwrap();
    assert_eq!(environment.status, Status::Outdated);

    let (mut first, mut second) = (Vec::new(), Vec::new());
    let (mut note_first, mut note_second) = (|step| first.push(step), |step| second.push(step));
    let (left, right) =
        tokio::join!(setup(&search, false, &mut note_first), setup(&search, false, &mut note_second));
    let tools = left.unwrap();
    assert_eq!(right.unwrap(), tools);
    let (worker, waiter) = if first.len() > second.len() { (first, second) } else { (second, first) };
    assert!(
        matches!(
            worker[..],
            [Step::Discarding(_), Step::Environment(_), Step::Packages(_), Step::PlaywrightTest, Step::Video]
        ),
        "{worker:?}"
    );
    assert_eq!(waiter, [Step::Waiting]);

    let again = setup(&search, false, &mut |step| panic!("{step} was not needed")).await.unwrap();
    assert_eq!(again, tools);
    assert_eq!(locate(&search), Ok(tools));
}

#[tokio::test]
async fn a_failing_install_shows_what_the_installer_said() {
    let dir = tempfile::tempdir().unwrap();
    let mut search = search(dir.path());
    search.env.insert("PIP_INDEX_URL".to_owned(), "http://127.0.0.1:1/nothing-here".to_owned());
    for name in ["PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"] {
        search.env.remove(name);
    }
    search.env.insert("PIP_RETRIES".to_owned(), "0".to_owned());
    search.env.insert("PIP_NO_CACHE_DIR".to_owned(), "1".to_owned());
    let err = setup(&search, false, &mut |_| {}).await.unwrap_err().to_string();
    assert!(err.starts_with("python packages failed: it exited with code 1"), "{err}");
    assert!(err.contains("No matching distribution"), "{err}");
    assert!(locate(&search).is_err());
}
