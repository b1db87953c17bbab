//! Group commit: many closures, one transaction, and each answers for itself.

use crate::fixture::{House, conformance, id, new_task};
use chimera_store::submit::submit;
use chimera_store::{Database, StoreError, read};
use std::sync::mpsc;

conformance! {
    a_closure_that_fails_undoes_its_own_writes_only,
    a_reader_that_breaks_leaves_the_readers_working,
    a_commit_of_another_process_is_noticed_without_polling,
    what_ends_a_transaction_is_told_to_everybody_in_it,
    a_closed_store_has_written_everything_and_refuses_more,
}

async fn a_closure_that_fails_undoes_its_own_writes_only(house: House) {
    // The first closure holds the writer until all three wait: they share its commit.
    let (go, gate) = mpsc::channel::<()>();
    let first = house.store.write(move |tx| {
        let _ = gate.recv();
        submit(tx, &new_task(1)).map(drop)
    });
    let failing = house.store.write(|tx| {
        submit(tx, &new_task(2))?;
        Err::<(), _>(StoreError::NotFound { id: id(2) })
    });
    let panicking = house.store.write(|tx| -> Result<(), StoreError> {
        submit(tx, &new_task(3))?;
        panic!("a bug in a closure")
    });
    let last = house.store.write(|tx| submit(tx, &new_task(4)).map(drop));
    let open = async { go.send(()).expect("the writer waits") };
    let (first, failing, panicking, last, ()) = tokio::join!(first, failing, panicking, last, open);
    assert!(matches!((first, last), (Ok(()), Ok(()))));
    assert!(matches!(failing, Err(StoreError::NotFound { .. })));
    assert!(matches!(panicking, Err(StoreError::Panicked)));
    let counts = house.store.read(read::counts).await.expect("readable");
    assert_eq!(counts.queued, 2);
    house.submit(new_task(5)).await;
}

async fn a_reader_that_breaks_leaves_the_readers_working(house: House) {
    for _ in 0..5 {
        let broken = house.store.read(|_| -> Result<(), StoreError> { panic!("a bug in a closure") }).await;
        assert!(matches!(broken, Err(StoreError::Panicked)));
    }
    let write = house.store.read(|tx| tx.query("DELETE FROM tasks", &[])).await;
    let refused = write.expect_err("readers cannot write");
    assert!(matches!(&refused, StoreError::Unreachable(_)) && refused.is_passing(), "{refused:?}");
    assert_eq!(house.store.read(read::counts).await.expect("readable").queued, 0);
}

async fn a_commit_of_another_process_is_noticed_without_polling(house: House) {
    let second = house.second();
    let mut changes = second.changes();
    changes.borrow_and_update();
    house.submit(new_task(1)).await;
    changes.changed().await.expect("the store is open");
    let seen = second.read(|tx| read::task(tx, &id(1))).await.expect("readable");
    assert!(seen.is_some());
}

/// A full disk, or a connection that breaks, in the second of two: both are told that, and that they may try again.
async fn what_ends_a_transaction_is_told_to_everybody_in_it(house: House) {
    let file = matches!(house.database, Database::Sqlite(_));
    let (go, gate) = mpsc::channel::<()>();
    let first = house.store.write(move |tx| {
        let _ = gate.recv();
        submit(tx, &new_task(1)).map(drop)
    });
    let fatal = house.store.write(move |tx| {
        if !file {
            return tx.query("SELECT 1 FROM pg_terminate_backend(pg_backend_pid())", &[]).map(drop);
        }
        tx.fill(true)?;
        (10..5000).try_for_each(|number| submit(tx, &new_task(number)).map(drop))
    });
    let open = async { go.send(()).expect("the writer waits") };
    let (first, fatal, ()) = tokio::join!(first, fatal, open);
    // SQLite undoes the transaction, or only the statement for which there was no room.
    let kept = u64::from(file && first.is_ok());
    assert!(fatal.is_err());
    for err in [first.err(), fatal.err()].into_iter().flatten() {
        let cause =
            matches!(err, StoreError::Full) == file && matches!(err, StoreError::Unreachable(_)) != file;
        assert!(cause && err.is_passing(), "{err:?}");
    }
    if file {
        house.store.write(|tx| tx.fill(false)).await.expect("there is room again");
    }
    house.submit(new_task(3)).await;
    assert_eq!(house.store.read(read::counts).await.expect("readable").queued, 1 + kept);
}

async fn a_closed_store_has_written_everything_and_refuses_more(house: House) {
    let store = house.second();
    let clone = store.clone();
    let pending = tokio::spawn(async move { clone.write(|tx| submit(tx, &new_task(1))).await });
    pending.await.expect("no panic").expect("accepted");
    store.close().await;
    assert_eq!(house.task(1).await.id, id(1));
}
