//! Readers: short snapshots on connections of their own.

use crate::patience::Deadline;
use crate::session::{Connect, Session};
use crate::{ReadTx, StoreError, thread};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// A closure on its way.
pub(crate) type Job = Box<dyn FnOnce(Result<&dyn Session, StoreError>) + Send>;

/// Packs a closure, and gives the place where its answer will be.
pub(crate) fn job<T, F>(deadline: Deadline, f: F) -> (Job, oneshot::Receiver<Result<T, StoreError>>)
where
    F: FnOnce(&ReadTx<'_>) -> Result<T, StoreError> + Send + 'static,
    T: Send + 'static,
{
    let (sender, receiver) = oneshot::channel();
    let job: Job = Box::new(move |session| {
        if !deadline.is_over() {
            let _ = sender.send(session.and_then(|session| snapshot(session, deadline, f)));
        }
    });
    (job, receiver)
}

fn snapshot<T>(
    session: &dyn Session,
    deadline: Deadline,
    f: impl FnOnce(&ReadTx<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    session.later(session.dialect().begin_read, &[])?;
    deadline.allow(session)?;
    let result =
        catch_unwind(AssertUnwindSafe(|| f(&ReadTx::new(session)))).unwrap_or(Err(StoreError::Panicked));
    if session.in_transaction() {
        session.batch("ROLLBACK")?;
    }
    result
}

/// Starts the reader threads; they end when the queue is closed and empty.
pub(crate) fn start(
    connect: &Arc<Connect>,
    readers: usize,
    queue: mpsc::Receiver<Job>,
) -> Result<(), StoreError> {
    let queue = Arc::new(Mutex::new(queue));
    for _ in 0..readers {
        let (mut session, connect, queue) = (connect()?, connect.clone(), queue.clone());
        thread::start("store-reader", move || {
            while let Some(job) = next(&queue) {
                if !session.usable() {
                    match connect() {
                        Ok(new) => session = new,
                        Err(err) => {
                            job(Err(err));
                            continue;
                        }
                    }
                }
                job(Ok(&*session));
            }
        })?;
    }
    Ok(())
}

fn next(queue: &Mutex<mpsc::Receiver<Job>>) -> Option<Job> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv()
}
