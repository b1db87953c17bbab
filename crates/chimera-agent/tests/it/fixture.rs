//! What several rooms' tests need.

use chimera_agent::spec::Project;
use chimera_core::{Digest, TaskId};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// The environment that processes of the tests get.
pub(crate) fn environment() -> BTreeMap<String, String> {
    std::env::vars().filter(|(name, _)| matches!(name.as_str(), "PATH" | "HOME" | "LANG")).collect()
}

/// A task's id.
pub(crate) fn id(bits: u64) -> TaskId {
    TaskId::from_bits(bits)
}

/// Writes files below a directory.
pub(crate) fn write(dir: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let file = dir.join(name);
        std::fs::create_dir_all(file.parent().expect("a parent")).expect("a directory");
        std::fs::write(file, text).expect("a file");
    }
}

/// Runs git in a directory, as a user would, and gives what it printed.
pub(crate) fn git(dir: &Path, args: &[&str]) -> String {
    let out = Command::new("git")
        .args(["-c", "user.name=A User", "-c", "user.email=user@example.com"])
        .args(args)
        .current_dir(dir)
        .output()
        .expect("git starts");
    assert!(out.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).trim().to_owned()
}

/// A repository with these files as its only commit.
pub(crate) fn repository(dir: &Path, files: &[(&str, &str)]) {
    std::fs::create_dir_all(dir).expect("a directory");
    write(dir, files);
    git(dir, &["init", "--quiet", "--initial-branch=main"]);
    git(dir, &["add", "--all"]);
    git(dir, &["commit", "--quiet", "--message=Begin"]);
}

/// A project of static files.
pub(crate) fn project(repo: &Path) -> Project {
    Project::plain("shop", &repo.to_string_lossy(), 100)
}

/// The same digit all over.
pub(crate) fn digest(digit: char) -> Digest {
    Digest::parse(&digit.to_string().repeat(40)).expect("40 digits")
}
