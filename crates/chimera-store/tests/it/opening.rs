//! Databases that cannot be used say why.

use crate::fixture::{House, NOW, conformance, id, new_task};
use chimera_store::submit::submit;
use chimera_store::{Database, Options, Store, StoreError, Value, read};
use std::path::Path;

conformance! {
    a_database_of_a_newer_version_is_left_alone,
    words_of_a_newer_version_are_refused,
    a_migration_that_is_not_the_one_applied_is_refused,
    a_look_tells_the_schema_and_changes_nothing,
}

fn refusal(path: &Path) -> StoreError {
    Store::open(&path.into(), &Options::default()).err().expect("it is refused")
}

async fn execute(store: &Store, sql: &'static str, value: Value) {
    store.write(move |tx| tx.execute(sql, &[value]).map(drop)).await.expect("executed");
}

async fn a_database_of_a_newer_version_is_left_alone(house: House) {
    let sql = "INSERT INTO schema_migrations (version, sha256) VALUES (99, $1)";
    execute(&house.store, sql, "future".into()).await;
    let err = house.refusal();
    assert!(matches!(err, StoreError::Newer { found: 99, .. }));
    assert!(err.to_string().contains("use a newer chimera-daemon"), "{err}");
}

async fn words_of_a_newer_version_are_refused(house: House) {
    execute(&house.store, "UPDATE vocabulary SET number = 99 WHERE number <> 0 OR $1 = ''", "".into()).await;
    let err = house.refusal();
    assert!(matches!(err, StoreError::NewerWords { found: 99, .. }), "{err:?}");
    let database = house.database.clone();
    let looked = tokio::task::spawn_blocking(move || chimera_store::look(&database)).await.expect("no panic");
    assert!(
        matches!(looked, Err(StoreError::NewerWords { .. })),
        "as one who only looks is told: {looked:?}"
    );
    assert!(err.to_string().contains("use a newer chimera-daemon"), "{err}");
}

async fn a_migration_that_is_not_the_one_applied_is_refused(house: House) {
    execute(&house.store, "UPDATE schema_migrations SET sha256 = $1 WHERE version = 1", "other".into()).await;
    assert!(matches!(house.refusal(), StoreError::Checksum { version: 1, .. }));
}

async fn a_look_tells_the_schema_and_changes_nothing(house: House) {
    let looked = chimera_store::look(&house.database).expect("readable").expect("it is there");
    assert!(looked.writable && looked.schema > 0 && looked.schema == looked.newest, "{looked:?}");
    assert_eq!(looked.server_time.is_some(), matches!(house.database, Database::Postgres(_)));
    let sql = "INSERT INTO schema_migrations (version, sha256) VALUES (99, $1)";
    execute(&house.store, sql, "future".into()).await;
    let err = chimera_store::look(&house.database).expect_err("it is of a newer version");
    assert!(matches!(err, StoreError::Newer { found: 99, .. }), "{err:?}");
}

#[test]
fn a_look_creates_no_database() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("tasks.db");
    assert_eq!(chimera_store::look(&file.as_path().into()).expect("nothing is wrong"), None);
    std::fs::write(&file, "").expect("written");
    let empty = chimera_store::look(&file.as_path().into()).expect("readable").expect("it is there");
    assert_eq!((empty.schema, std::fs::metadata(&file).expect("a file").len()), (0, 0));
}

#[test]
fn what_is_no_database_is_named() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("notes.txt");
    std::fs::write(&file, "not a database, but long enough to be taken for one ".repeat(100))
        .expect("written");
    assert!(matches!(refusal(&file), StoreError::Fatal(_)));
    let missing = dir.path().join("missing/tasks.db");
    let err = refusal(&missing);
    assert!(
        matches!(&err, StoreError::Open { place, .. } if *place == missing.display().to_string()),
        "{err:?}"
    );
    assert!(matches!(refusal(dir.path()), StoreError::Open { .. }), "a directory");
}

/// With no room left, a submission is refused as such; what was accepted stays, and with room it goes on.
#[tokio::test]
async fn a_full_disk_refuses_and_loses_nothing() {
    let house = House::sqlite(&Options { max_pages: Some(80), ..Options::default() });
    let mut accepted = 0;
    let refused = loop {
        let mut new = new_task(accepted);
        new.request.feature = "x".repeat(10_000);
        match house.store.write(move |tx| submit(tx, &new)).await {
            Ok(_) => accepted += 1,
            Err(err) => break err,
        }
    };
    assert!(matches!(refused, StoreError::Full), "{refused:?}");
    assert!(accepted > 3, "there was room for some");
    let counts = |store: Store| async move { store.read(read::counts).await.expect("readable").queued };
    assert_eq!(counts(house.store.clone()).await, accepted);

    let roomier = house.second();
    roomier.write(move |tx| submit(tx, &new_task(accepted))).await.expect("there is room again");
    assert_eq!(counts(roomier).await, accepted + 1);
    assert_eq!(house.task(0).await.created_at, NOW);
    assert_eq!(house.task(accepted).await.id, id(accepted));
}
