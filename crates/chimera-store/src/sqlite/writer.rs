//! The one writer: many closures, one commit.

use super::Tx;
use crate::StoreError;
use rusqlite::Connection;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tokio::sync::{mpsc, oneshot, watch};

/// Most closures that share a commit: bounds how long the first one waits for the last.
const GROUP: usize = 256;

/// A closure on its way; given an error instead of a transaction, it is answered without being run.
pub(super) type Job = Box<dyn FnOnce(Result<&mut Tx<'_>, StoreError>) -> Ran + Send>;

/// A closure that was run: whether its writes are to be kept, and the way to answer it once that is known.
pub(super) struct Ran {
    keep: bool,
    answer: Box<dyn FnOnce(Result<(), StoreError>) + Send>,
}

/// Packs a closure, and gives the place where its answer will be.
pub(super) fn job<T, F>(f: F) -> (Job, oneshot::Receiver<Result<T, StoreError>>)
where
    F: FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    T: Send + 'static,
{
    let (sender, receiver) = oneshot::channel();
    let job: Job = Box::new(move |tx| {
        let result =
            tx.and_then(|tx| catch_unwind(AssertUnwindSafe(|| f(tx))).unwrap_or(Err(StoreError::Panicked)));
        let keep = result.is_ok();
        // The caller may have gone; that is its business.
        let answer = Box::new(move |commit: Result<(), StoreError>| {
            let _ = sender.send(result.and_then(|value| commit.map(|()| value)));
        });
        Ran { keep, answer }
    });
    (job, receiver)
}

/// Starts the writer thread; it ends when the queue is closed and empty.
pub(super) fn start(
    connection: Connection,
    mut queue: mpsc::Receiver<Job>,
    changes: watch::Sender<u64>,
    ended: oneshot::Sender<()>,
) {
    std::thread::spawn(move || {
        while let Some(first) = queue.blocking_recv() {
            group(&connection, first, &mut queue, &changes);
        }
        drop(connection);
        let _ = ended.send(());
    });
}

fn group(connection: &Connection, first: Job, queue: &mut mpsc::Receiver<Job>, changes: &watch::Sender<u64>) {
    let before = connection.total_changes();
    if let Err(err) = connection.execute_batch("BEGIN IMMEDIATE") {
        return (first(Err(err.into())).answer)(Ok(()));
    }
    let mut ran = vec![run(connection, first)];
    while ran.len() < GROUP && !connection.is_autocommit() {
        let Ok(job) = queue.try_recv() else { break };
        ran.push(run(connection, job));
    }
    let committed = commit(connection);
    if committed.is_ok() && connection.total_changes() != before {
        changes.send_modify(|version| *version += 1);
    }
    for ran in ran {
        (ran.answer)(committed.clone());
    }
}

/// Runs one closure in a savepoint of its own.
fn run(connection: &Connection, job: Job) -> Ran {
    if let Err(err) = connection.execute_batch("SAVEPOINT closure") {
        return job(Err(err.into()));
    }
    let ran = job(Ok(&mut Tx::new(connection)));
    // Some errors (full disk, IO) make SQLite roll back the whole transaction; `commit` finds out.
    if !connection.is_autocommit() {
        let end = if ran.keep { "RELEASE closure" } else { "ROLLBACK TO closure; RELEASE closure" };
        if let Err(err) = connection.execute_batch(end) {
            tracing::error!(error = %err, "cannot end a savepoint; rolling the group back");
            let _ = connection.execute_batch("ROLLBACK");
        }
    }
    ran
}

fn commit(connection: &Connection) -> Result<(), StoreError> {
    if connection.is_autocommit() {
        return Err(StoreError::Database("the transaction was rolled back; try again".to_owned()));
    }
    connection.execute_batch("COMMIT").map_err(|err| {
        let _ = connection.execute_batch("ROLLBACK");
        err.into()
    })
}
