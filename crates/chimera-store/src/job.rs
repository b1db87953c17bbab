//! What callers of the writer want, packed with the way to answer them.

use crate::change::Change;
use crate::patience::{Deadline, Patience};
use crate::{StoreError, Tx};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tokio::sync::oneshot;

/// What a caller wants: a closure, or a change that may do instead.
pub(crate) struct Job {
    pub(crate) deadline: Deadline,
    /// Made together with those of others. If it finds no row or fails, the closure is run.
    pub(crate) change: Option<Change>,
    pub(crate) run: Box<dyn FnOnce(Turn<'_, '_>) -> Ran + Send>,
    /// Shares its transaction with nobody.
    pub(crate) alone: bool,
    /// Wants nothing but a look for commits of others.
    pub(crate) looks: bool,
}

/// What came of a job's turn.
pub(crate) enum Turn<'a, 't> {
    /// Its change is made; there is nothing left to run.
    Made,
    /// The closure is to be run.
    Run(&'a mut Tx<'t>),
    /// There is no transaction.
    Refused(StoreError),
}

/// A job that had its turn: why its writes are not to be kept, if so, and the way to answer it once that is known.
pub(crate) struct Ran {
    pub(crate) failed: Option<StoreError>,
    pub(crate) answer: Answer,
}

pub(crate) type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// Packs a closure, and gives the place where its answer will be. The change, if there is one, may be made
/// instead; the answer is then what stands beside it.
pub(crate) fn job<T, F>(
    deadline: Deadline,
    change: Option<(Change, T)>,
    f: F,
) -> (Job, oneshot::Receiver<Result<T, StoreError>>)
where
    F: FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    T: Send + 'static,
{
    let (sender, receiver) = oneshot::channel();
    let (change, made) = change.unzip();
    let run = Box::new(move |turn: Turn<'_, '_>| {
        let result = match (turn, made) {
            (Turn::Made, Some(made)) => Ok(made),
            (Turn::Made, None) => Err(StoreError::Panicked),
            (Turn::Refused(err), _) => Err(err),
            (Turn::Run(tx), _) => {
                catch_unwind(AssertUnwindSafe(|| f(tx))).unwrap_or(Err(StoreError::Panicked))
            }
        };
        let failed = result.as_ref().err().cloned();
        // The caller may have gone; that is its business.
        let answer: Answer = Box::new(move |commit| {
            let _ = sender.send(result.and_then(|value| commit.map(|()| value)));
        });
        Ran { failed, answer }
    });
    (Job { deadline, change, run, alone: false, looks: false }, receiver)
}

impl Job {
    /// One that has the writer look for commits of others, unless it is about to do so anyway.
    pub(crate) fn look() -> Self {
        let (nothing, _) = job(Patience::Prompt.deadline(), None, |_| Ok(()));
        Self { looks: true, ..nothing }
    }

    /// Answers without a transaction.
    pub(crate) fn refuse(self, err: StoreError) {
        ((self.run)(Turn::Refused(err)).answer)(Ok(()));
    }
}
