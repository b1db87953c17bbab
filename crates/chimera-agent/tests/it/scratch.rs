//! Temporary directories: short paths, and nothing left of what was killed.

use chimera_agent::scratch::Scratch;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The names in a directory.
fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("a directory").flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn temporary_directories_lie_in_the_data_directory_and_go_with_their_owner() {
    let data = tempfile::tempdir().unwrap();
    let scratch = Scratch::of(data.path());
    let (first, second) = (scratch.dir().unwrap(), scratch.clone().dir().unwrap());
    assert_ne!(first.path(), second.path());
    for dir in [&first, &second] {
        assert!(dir.path().starts_with(data.path().join("private")), "{}", dir.path().display());
        assert!(dir.path().join("tmp").as_os_str().len() <= 60, "a browser's socket has to fit");
    }
    let kept = first.path().to_owned();
    drop(first);
    assert!(!kept.exists());
    drop(scratch);
    assert!(second.path().is_dir(), "it is in use");
    drop(second);
    assert_eq!(names(&data.path().join("private")), [""; 0]);
}

#[test]
fn where_the_path_of_the_data_directory_is_too_long_the_systems_place_is_taken() {
    let data = tempfile::tempdir().unwrap();
    let deep = data.path().join("a-data-directory-with-quite-a-long-name/of-several-parts");
    let dir = Scratch::of(&deep).dir().unwrap();
    assert!(!dir.path().starts_with(&deep));
    assert!(dir.path().join("tmp").as_os_str().len() <= 60);
}

#[test]
fn where_a_tidy_up_took_the_root_away_the_next_directory_gets_another_one() {
    let data = tempfile::tempdir().unwrap();
    let scratch = Scratch::of(data.path());
    let first = scratch.dir().unwrap();
    fs::remove_dir_all(first.path().parent().unwrap()).unwrap();
    assert!(scratch.dir().unwrap().path().is_dir());
}

#[test]
fn what_a_killed_process_left_is_removed_and_nothing_else() {
    let data = tempfile::tempdir().unwrap();
    let private = data.path().join("private");
    let left = private.join("t-gone/room/locked");
    fs::create_dir_all(&left).unwrap();
    fs::write(left.join("file"), "x").unwrap();
    fs::set_permissions(&left, Permissions::from_mode(0o500)).unwrap();
    fs::write(private.join("t-gone/.chimera-scratch"), "").unwrap();
    fs::create_dir_all(private.join("t-foreign")).unwrap();
    fs::create_dir_all(private.join("chimera-000000000001")).unwrap();
    std::os::unix::fs::symlink("t-gone", private.join("t-link")).unwrap();
    let alive = Scratch::of(data.path()).dir().unwrap();
    let root = alive.path().parent().unwrap().file_name().unwrap().to_string_lossy().into_owned();
    Scratch::clean(data.path());
    let mut expected = vec!["chimera-000000000001".to_owned(), root, "t-foreign".into(), "t-link".into()];
    expected.sort();
    assert_eq!(names(&private), expected);
}
