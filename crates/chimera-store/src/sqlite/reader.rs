//! Readers: short snapshots on connections of their own.

use super::{ReadTx, connection};
use crate::StoreError;
use rusqlite::Connection;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot};

pub(super) type Job = Box<dyn FnOnce(&Connection) + Send>;

pub(super) fn job<T, F>(f: F) -> (Job, oneshot::Receiver<Result<T, StoreError>>)
where
    F: FnOnce(&ReadTx<'_>) -> Result<T, StoreError> + Send + 'static,
    T: Send + 'static,
{
    let (sender, receiver) = oneshot::channel();
    let job: Job = Box::new(move |connection| {
        let _ = sender.send(snapshot(connection, f));
    });
    (job, receiver)
}

fn snapshot<T>(
    connection: &Connection,
    f: impl FnOnce(&ReadTx<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    connection.execute_batch("BEGIN")?;
    let result =
        catch_unwind(AssertUnwindSafe(|| f(&ReadTx::new(connection)))).unwrap_or(Err(StoreError::Panicked));
    connection.execute_batch("COMMIT")?;
    result
}

/// Starts the reader threads; they end when the queue is closed and empty.
pub(super) fn start(path: &Path, readers: usize, queue: mpsc::Receiver<Job>) -> Result<(), StoreError> {
    let queue = Arc::new(Mutex::new(queue));
    for _ in 0..readers {
        let (connection, queue) = (connection::for_reading(path)?, queue.clone());
        std::thread::spawn(move || {
            while let Some(job) = next(&queue) {
                job(&connection);
            }
        });
    }
    Ok(())
}

fn next(queue: &Mutex<mpsc::Receiver<Job>>) -> Option<Job> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv()
}
