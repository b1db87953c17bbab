//! What is said of clocks and directories.

use super::*;
use crate::local::doctor::Status;

#[test]
fn a_clock_that_lost_the_time_is_told() {
    assert_eq!(clock(UnixMillis(0)).status, Status::Missing);
    assert!(clock(UnixMillis(0)).detail.contains("1970-01-01"));
    assert_eq!(clock(UnixMillis(1_800_000_000_000)).status, Status::Ok);
    let (server, here) = (UnixMillis(1_800_000_060_000), UnixMillis(1_800_000_000_000));
    let told = skew(server, here, here).expect("a minute is told");
    assert!(told.detail.contains("60 s"), "{}", told.detail);
    assert_eq!(skew(here, here, here), None);
    assert_eq!(skew(here, server, server).map(|check| check.status), Some(Status::Warning));
}

#[test]
fn a_directory_that_is_a_file_or_not_there_is_told_and_nothing_is_made() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("file");
    std::fs::write(&file, "x").expect("written");
    assert_eq!(directory("x", &file.join("data"), "").status, Status::Missing);
    let new = dir.path().join("new/data");
    let check = directory("x", &new, "");
    assert!(check.ok && check.detail.ends_with("made at the first start"), "{check:?}");
    assert!(!new.exists() && !dir.path().join("new").exists());
}
