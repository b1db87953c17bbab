//! How long the store may take for what it is asked. A caller never waits without a limit: a disk or a server that hangs
//! answers nothing, and says nothing either.

use crate::StoreError;
use crate::session::Session;
use std::future::Future;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// How long a caller waits for an answer, the wait behind others included. Longer than the limit of any one statement.
const ANSWER: Duration = Duration::from_secs(30);
/// The same for what has to read or write the whole queue.
const LONG_ANSWER: Duration = Duration::from_secs(24 * 60 * 60);
/// How long one statement of such work may take.
const LONG_STATEMENT: Duration = Duration::from_secs(60 * 60);
/// How long a store that is closed waits for what is still being written.
const CLOSING: Duration = Duration::from_secs(10);

/// What a caller waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// What is short.
    Prompt,
    /// What has to read or write the whole queue.
    Long,
}

/// What travels with a question: how long its caller waits, and how long its statements may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    until: Instant,
    statement: Option<Duration>,
}

impl Patience {
    /// For a question asked now.
    pub(crate) fn deadline(self) -> Deadline {
        let (limit, statement) = match self {
            Self::Prompt => (ANSWER, None),
            Self::Long => (LONG_ANSWER, Some(LONG_STATEMENT)),
        };
        Deadline { until: Instant::now() + limit, statement }
    }
}

impl Deadline {
    /// Puts a job into a queue and waits for its answer. If that comes too late, the job was done or not.
    pub(crate) async fn ask<Job, T>(
        self,
        queue: &mpsc::Sender<Job>,
        job: Job,
        answer: oneshot::Receiver<Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let asked = async {
            queue.send(job).await.map_err(|_| StoreError::Closed)?;
            answer.await.map_err(|_| StoreError::Closed)?
        };
        tokio::time::timeout_at(self.until, asked).await.unwrap_or_else(|_| Err(silent()))
    }

    /// Whether the caller has gone.
    pub(crate) fn is_over(self) -> bool {
        self.until <= Instant::now()
    }

    /// Lets the statements of the open transaction take as long as they may.
    pub(crate) fn allow(self, session: &dyn Session) -> Result<(), StoreError> {
        self.statement.map_or(Ok(()), |limit| session.allow(limit))
    }
}

/// Waits until everything is written, but not for a disk or a server that hangs.
pub(crate) async fn until_closed(ended: impl Future) {
    if tokio::time::timeout(CLOSING, ended).await.is_err() {
        tracing::warn!("the database takes too long to end what is being written; it is left alone");
    }
}

/// For work that is done before anybody asks: the schema is brought up to date.
pub(crate) fn take_long(session: &dyn Session) -> Result<(), StoreError> {
    session.allow(LONG_STATEMENT)
}

/// What callers are told that have waited long enough.
fn silent() -> StoreError {
    StoreError::Unreachable(format!("no answer within {} s", ANSWER.as_secs()))
}
