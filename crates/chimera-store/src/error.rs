//! What can go wrong, by what the caller does next.

use chimera_core::{IllegalEvent, Status, TaskId};

/// The store refused. Nothing of the closure's writes has happened.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// There is no such task.
    #[error("there is no task {id}")]
    NotFound {
        /// The id asked for.
        id: TaskId,
    },
    /// The idempotency key belongs to another request.
    #[error("the idempotency key was used for another request, which is task {task}: use a new key")]
    IdempotencyConflict {
        /// The task of the other request.
        task: TaskId,
    },
    /// It was to wait for tasks that cannot be waited for; never empty, and complete.
    #[error("{} cannot be waited for", tasks(.0.len()))]
    After(Vec<crate::after::Unlinked>),
    /// The worker's lease is gone: it must write nothing more.
    #[error("the lease of task {id} is gone")]
    LeaseLost {
        /// The task.
        id: TaskId,
    },
    /// The state machine does not allow it.
    #[error(transparent)]
    Illegal(#[from] IllegalEvent),
    /// The task has ended.
    #[error("task {id} is {status} already")]
    Ended {
        /// The task.
        id: TaskId,
        /// How it ended.
        status: Status,
    },
    /// The task is no dead letter.
    #[error("task {id} is {status}, no dead letter: only a failed task that was not given up is one")]
    NotDead {
        /// The task.
        id: TaskId,
        /// What it is.
        status: Status,
    },
    /// The cursor is not one of ours.
    #[error("the cursor is not valid: start again without one")]
    BadCursor,
    /// The database was made by a newer version.
    #[error("{place} has schema {found}, this version knows up to {known}: use a newer chimera-daemon")]
    Newer {
        /// The database.
        place: String,
        /// Its schema.
        found: i64,
        /// The newest one known here.
        known: i64,
    },
    /// A newer version may have written words that this one does not know.
    #[error(
        "{place} has the words of vocabulary {found}, this version knows {known}: use a newer chimera-daemon"
    )]
    NewerWords {
        /// The database.
        place: String,
        /// Its vocabulary.
        found: i64,
        /// The one known here.
        known: i64,
    },
    /// The database has to be migrated first.
    #[error("{place} has schema {found}, this version needs {known}: run `chimera-daemon migrate`")]
    Outdated {
        /// The database.
        place: String,
        /// Its schema.
        found: i64,
        /// The one needed.
        known: i64,
    },
    /// A migration that was applied is not the one of this version.
    #[error(
        "{place}: migration {version} differs from the one that was applied; restore the original binary"
    )]
    Checksum {
        /// The database.
        place: String,
        /// The migration.
        version: i64,
    },
    /// The queue was closed, because it lives in another database now.
    #[error(
        "this queue was moved to another database: start the daemon on that one, or open this one again with `chimera-daemon export --reopen`"
    )]
    Moved,
    /// An export cannot be written or read.
    #[error("{0}")]
    Transfer(String),
    /// The database is to be filled, but has tasks.
    #[error("the database has tasks already: import into an empty one")]
    NotEmpty,
    /// The closure must not share its transaction: it belongs into `write_alone` or `write_in_turn`.
    #[error("this change needs a transaction of its own")]
    NotAlone,
    /// Another process holds the database; the same again may work.
    #[error("the database is busy; try again")]
    Busy,
    /// The disk is full; make room and try again.
    #[error("the disk is full: make room for the database")]
    Full,
    /// The database cannot be opened or written.
    #[error("cannot open the database {place}: {detail}")]
    Open {
        /// The database.
        place: String,
        /// What the system said.
        detail: String,
    },
    /// The database is damaged or its files are gone. The store answers nothing more; the daemon ends.
    #[error("the database cannot be used any more: {0}")]
    Fatal(String),
    /// The server cannot be reached now; the same again may work. If the connection broke during a commit, that
    /// may have happened or not.
    #[error("the database cannot be reached: {0}")]
    Unreachable(String),
    /// Anything else of the database.
    #[error("the database failed: {0}")]
    Database(String),
    /// A stored value cannot be read.
    #[error("the database holds a value that cannot be read: {0}")]
    Corrupt(String),
    /// The closure panicked.
    #[error("a database operation broke inside the daemon")]
    Panicked,
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// Whether the same call may work later, without anybody having changed what is asked: the database was busy, full,
    /// or out of reach. Everything else fails again.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Busy | Self::Full | Self::Open { .. } | Self::Unreachable(_))
    }

    /// Whether it is the database that failed, not what was asked of it.
    pub(crate) fn is_of_the_database(&self) -> bool {
        self.is_passing() || matches!(self, Self::Database(_) | Self::Fatal(_) | Self::Moved)
    }
}

fn tasks(number: usize) -> String {
    if number == 1 { "one task".to_owned() } else { format!("{number} tasks") }
}

impl From<serde_json::Error> for StoreError {
    fn from(err: serde_json::Error) -> Self {
        Self::Corrupt(err.to_string())
    }
}
