//! Transactions of one's own.
//!
//! Closures of callers who know nothing of each other share a transaction of the writer. Where rows are locked (not in a
//! file), two such transactions would lock in two orders, and wait for each other. Therefore:
//!
//! - A shared transaction locks only rows that nobody else changes: new ones, those of tasks whose lease the daemon holds, and
//!   those that it finds free.
//! - Who locks rows of other people's tasks (cancels, retries, changes a priority, makes tasks wait for others or releases
//!   them) has a transaction of its own; of several rows it locks each in the order of ids, or only if it is free.
//! - The turn of the claims is the first lock of a transaction of its own.

use crate::job::{self, Job};
use crate::session::Session;
use crate::{Store, StoreError, Tx};

impl Store {
    /// As [`Store::write`], in a transaction that no other closure shares: for what locks rows of tasks that this daemon does
    /// not work on.
    ///
    /// # Errors
    /// As of [`Store::write`].
    pub async fn write_alone<T, F>(&self, f: F) -> Result<T, StoreError>
    where
        F: FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
        T: Send + 'static,
    {
        self.send(|deadline| {
            let (job, answer) = job::job(deadline, None, f);
            (job.alone(), answer)
        })
        .await
    }

    /// As [`Store::write`], but again and alone if the closure finds that it must be: for what mostly needs no turn.
    ///
    /// # Errors
    /// As of [`Store::write`].
    pub async fn write_in_turn<T, F>(&self, f: F) -> Result<T, StoreError>
    where
        F: FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Clone + Send + 'static,
        T: Send + 'static,
    {
        match self.write(f.clone()).await {
            Err(StoreError::NotAlone) => self.write_alone(f).await,
            answer => answer,
        }
    }
}

impl Job {
    /// The same in a transaction of its own.
    pub(crate) fn alone(mut self) -> Self {
        self.alone = true;
        self
    }

    /// Whether it needs a transaction of its own on this connection: where rows are not locked, nobody does.
    pub(crate) fn needs_its_own(&self, session: &dyn Session) -> bool {
        self.alone && session.dialect().order_claims.is_some()
    }
}

impl Tx<'_> {
    /// Asks for a transaction of one's own, where that matters: before the first lock that needs one.
    pub(crate) fn must_be_alone(&self) -> Result<(), StoreError> {
        if self.is_alone() || self.dialect().order_claims.is_none() {
            Ok(())
        } else {
            Err(StoreError::NotAlone)
        }
    }
}
