//! Files of SQLite that go while they are in use: from then on nothing is accepted, and what was accepted is kept where
//! that is possible.

use crate::fixture::{House, id, new_task};
use chimera_store::submit::submit;
use chimera_store::{Options, Store, StoreError, read};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long inotify may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A database with one task, in a directory of its own.
async fn with_a_task() -> (House, PathBuf) {
    let house = House::sqlite(&Options::default());
    house.submit(new_task(1)).await;
    let file = house.file();
    (house, file)
}

fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The next submission, which must be refused for good.
async fn refused(store: &Store) -> String {
    let next = store.write(|tx| submit(tx, &new_task(2)).map(drop)).await;
    let Err(StoreError::Fatal(why)) = next else { panic!("it is accepted: {next:?}") };
    assert!(
        matches!(store.read(read::counts).await, Err(StoreError::Fatal(_))),
        "nothing is answered any more"
    );
    why
}

/// The tasks that the next process finds: of the store that is open, it knows nothing.
async fn found(file: &Path) -> Vec<u64> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let copy = dir.path().join("tasks.db");
    std::fs::copy(file, &copy).expect("copied");
    if beside(file, "-wal").exists() {
        std::fs::copy(beside(file, "-wal"), beside(&copy, "-wal")).expect("copied");
    }
    let store = Store::open(&copy.as_path().into(), &Options::default()).expect("the database is sound");
    let mut found = Vec::new();
    for number in 1..3 {
        if store.read(move |tx| read::task(tx, &id(number))).await.expect("readable").is_some() {
            found.push(number);
        }
    }
    store.close().await;
    found
}

#[tokio::test]
async fn after_the_database_is_deleted_nothing_is_accepted() {
    let (house, file) = with_a_task().await;
    std::fs::remove_file(&file).expect("removed");
    let why = refused(&house.store).await;
    assert!(why.contains(&format!("{} was deleted", file.display())), "{why}");
    assert!(why.contains("backup"), "{why}");
}

#[tokio::test]
async fn after_everything_is_deleted_nothing_is_accepted() {
    let (house, file) = with_a_task().await;
    for suffix in ["", "-wal", "-shm"] {
        std::fs::remove_file(beside(&file, suffix)).expect("removed");
    }
    refused(&house.store).await;
}

#[tokio::test]
async fn a_deleted_log_of_changes_is_written_back_from_what_is_open() {
    let (house, file) = with_a_task().await;
    std::fs::remove_file(beside(&file, "-wal")).expect("removed");
    let why = refused(&house.store).await;
    assert!(why.contains("-wal was deleted") && why.contains("start again"), "{why}");
    assert_eq!(found(&file).await.first(), Some(&1), "what was accepted is there");
    house.store.close().await;
    assert_eq!(found(&file).await.first(), Some(&1), "and stays there");
}

#[tokio::test]
async fn a_log_of_changes_in_the_place_of_ours_is_left_alone() {
    let (house, file) = with_a_task().await;
    std::fs::remove_file(beside(&file, "-wal")).expect("removed");
    std::fs::write(beside(&file, "-wal"), "another's").expect("written");
    let why = refused(&house.store).await;
    assert!(why.contains("another file was put in the place of"), "{why}");
    house.store.close().await;
    assert_eq!(std::fs::read(beside(&file, "-wal")).expect("it is there"), b"another's");
}

#[tokio::test]
async fn deleted_locks_end_the_work_and_lose_nothing() {
    let (house, file) = with_a_task().await;
    std::fs::remove_file(beside(&file, "-shm")).expect("removed");
    let why = refused(&house.store).await;
    assert!(why.contains("-shm was deleted"), "{why}");
    house.store.close().await;
    assert_eq!(found(&file).await.first(), Some(&1));
}

#[tokio::test]
async fn a_database_replaced_by_its_copy_keeps_what_was_accepted() {
    let (house, file) = with_a_task().await;
    std::fs::copy(&file, beside(&file, ".new")).expect("copied");
    std::fs::rename(beside(&file, ".new"), &file).expect("replaced");
    let why = refused(&house.store).await;
    assert!(why.contains("another file was put in the place of"), "{why}");
    house.store.close().await;
    assert_eq!(found(&file).await.first(), Some(&1), "the log of changes is still beside it");
}

#[tokio::test]
async fn a_moved_directory_keeps_what_was_accepted_and_is_told() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let (old, new) = (place.path().join("old"), place.path().join("new"));
    std::fs::create_dir(&old).expect("made");
    let store = Store::open(&old.join("tasks.db").as_path().into(), &Options::default()).expect("opened");
    store.write(|tx| submit(tx, &new_task(1)).map(drop)).await.expect("accepted");
    std::fs::rename(&old, &new).expect("moved");
    let why = refused(&store).await;
    assert!(why.contains(&format!("was moved to {}", new.join("tasks.db").display())), "{why}");
    store.close().await;
    assert_eq!(found(&new.join("tasks.db")).await.first(), Some(&1));
}

#[tokio::test]
async fn without_a_submission_the_loss_is_noticed_too() {
    for suffix in ["", "-wal", "-shm"] {
        let (house, file) = with_a_task().await;
        let failure = house.store.failure();
        std::fs::rename(beside(&file, suffix), beside(&file, ".gone")).expect("moved");
        let told = tokio::time::timeout(PATIENCE, failure).await.expect("it is noticed");
        assert!(told.to_string().contains("was moved to"), "{told}");
        assert!(matches!(house.store.sound(), Err(StoreError::Fatal(_))));
    }
}

#[tokio::test]
async fn a_database_behind_a_link_is_watched_where_it_lies() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let (real, link) = (place.path().join("real.db"), place.path().join("tasks.db"));
    std::fs::write(&real, "").expect("written");
    std::os::unix::fs::symlink(&real, &link).expect("linked");
    let store = Store::open(&link.as_path().into(), &Options::default()).expect("opened");
    store.write(|tx| submit(tx, &new_task(1)).map(drop)).await.expect("accepted");
    std::fs::remove_file(beside(&real, "-wal")).expect("removed");
    refused(&store).await;
    store.close().await;
    assert_eq!(found(&real).await.first(), Some(&1));
}
