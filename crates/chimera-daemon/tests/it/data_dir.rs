//! Data directories in a bad mood: an ordinary user is told which path it is and what to do.

use crate::real::Site;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};

/// A user without rights of their own.
const ORDINARY: u32 = 65_534;

/// A directory that every user can reach, with a copy of the binary that every user can start.
struct Place {
    site: Site,
}

impl Place {
    fn new() -> Self {
        let site = Site::new("");
        mode(site.path(), 0o755);
        let binary = site.path().join("daemon");
        std::fs::copy(env!("CARGO_BIN_EXE_chimera-daemon"), &binary).expect("copied");
        mode(&binary, 0o755);
        Self { site }
    }

    fn at(&self, name: impl AsRef<Path>) -> std::path::PathBuf {
        self.site.path().join(name)
    }

    /// A directory that only its owner, the one who runs the tests, can write in, with rights for everybody else.
    fn dir(&self, name: &str, rights: u32) {
        std::fs::create_dir_all(self.at(name)).expect("a directory");
        mode(&self.at(name), rights);
    }

    /// The binary as an ordinary user starts it.
    fn command(&self) -> Command {
        // One that serves instead of ending fails the test, and does not hang it.
        let mut command = Command::new("timeout");
        command.arg("60").arg(self.at("daemon"));
        command.env_clear().env("PATH", "/usr/bin:/bin").current_dir(self.site.path());
        if rustix::process::geteuid().is_root() {
            command.uid(ORDINARY).gid(ORDINARY);
        }
        command
    }

    /// What a daemon on this data directory says before it ends; it must not go on to serve.
    fn refused(&self, data_dir: &OsStr) -> String {
        let output = self.command().args(["start-all", "--port", "0", "--data-dir"]).arg(data_dir).output();
        complaint(&output.expect("it runs"))
    }
}

fn complaint(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(matches!(output.status.code(), Some(1 | 2)), "{text}");
    text.lines().rev().find(|line| line.starts_with("error: ")).unwrap_or_else(|| panic!("{text}")).to_owned()
}

fn mode(path: &Path, rights: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(rights)).expect("ours");
}

/// Hands a path to the ordinary user.
fn give(path: &Path) {
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(path, Some(ORDINARY), Some(ORDINARY)).expect("given");
    }
}

#[test]
fn a_data_directory_that_cannot_be_used_is_told_with_the_way_out() {
    let place = Place::new();
    std::fs::write(place.at("file"), "").expect("written");
    std::os::unix::fs::symlink("nowhere", place.at("dangling")).expect("linked");
    place.dir("readonly", 0o555);
    place.dir("holds", 0o755);
    place.dir("holds/evidence", 0o555);
    give(&place.at("holds"));
    place.dir("odd", 0o755);
    std::fs::write(place.at("odd/logs"), "").expect("written");
    give(&place.at("odd"));
    for (dir, named) in [
        ("file", "/file is not a directory"),
        ("file/data", "/file/data: let this user write in "),
        ("dangling", "/dangling is not a directory"),
        ("readonly", "cannot write in "),
        ("readonly/data", "/readonly, or give another"),
        ("holds", "/holds/evidence"),
        ("odd", "/odd/logs is not a directory"),
    ] {
        let said = place.refused(OsStr::new(dir));
        assert!(said.contains(named) && said.contains("--data-dir"), "{dir}: {said}");
    }
    assert!(!place.at("holds/tasks.db").exists(), "nothing was begun");
}

#[test]
fn a_data_directory_whose_name_programs_cannot_be_handed_is_told_and_not_made() {
    let place = Place::new();
    mode(place.site.path(), 0o777);
    let broken = OsString::from_vec(b"not-\xff-text".to_vec());
    for (dir, named) in [
        (OsString::from("a\nb"), r#"a\nb" has a line end"#),
        (broken.clone(), r#"not-\xFF-text" is not UTF-8"#),
    ] {
        let said = place.refused(&dir);
        assert!(said.contains(named) && said.contains("--data-dir"), "{said}");
        assert!(!place.at(&dir).exists(), "{dir:?}");
        let output = place.command().arg("doctor").arg("--data-dir").arg(&dir).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("a line end") || said.contains("is not UTF-8"), "{said}");
    }
    let output = place.command().args(["start-all", "--port", "0"]).env("CHIMERA_DATA_DIR", &broken).output();
    let output = output.expect("it runs");
    let said = complaint(&output);
    assert!(output.status.code() == Some(2) && said.contains("CHIMERA_DATA_DIR"), "{said}");
    assert!(!place.at("chimera-data").exists(), "the default instead of what was meant");
}

#[test]
fn a_database_that_cannot_be_written_is_told_with_the_way_out() {
    let place = Place::new();
    place.dir("data", 0o755);
    std::fs::write(place.at("data/tasks.db"), "").expect("written");
    mode(&place.at("data/tasks.db"), 0o444);
    give(&place.at("data"));
    let said = place.refused(OsStr::new("data"));
    assert!(said.contains("data/tasks.db"), "{said}");
    place.dir("readonly", 0o555);
    place.dir("other", 0o755);
    give(&place.at("other"));
    let mut elsewhere = place.command();
    elsewhere
        .args(["start-all", "--port", "0", "--data-dir", "other"])
        .env("CHIMERA_DB_PATH", "readonly/tasks.db");
    let output = elsewhere.output();
    let said = complaint(&output.expect("it runs"));
    assert!(said.contains("readonly/tasks.db") && said.contains("database.url"), "{said}");
}
