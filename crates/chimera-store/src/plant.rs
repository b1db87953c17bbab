//! Planted bugs, for seeing a detector detect. Nothing sets one but `chimera-daemon torture --plant`.

use crate::change::of_one_row;
use crate::session::{Dialect, Session};
use crate::{Row, StoreError, Value};
use std::cell::Cell;
use std::time::Duration;

/// A bug that the store behaves as if it had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plant {
    /// A result is recorded whoever holds the lease.
    NoFence,
    /// Leases are taken over before they have run out.
    RescueAlive,
    /// Heartbeats extend nothing.
    DeafHeartbeat,
    /// Now and then a change is not written into the journal.
    LostJournal,
    /// Now and then a commit is answered, but not made.
    LostCommit,
    /// A task that somebody works on is claimed again.
    DoubleClaim,
    /// Now and then the answer to a commit is lost, and a result may be recorded twice.
    RepeatedResult,
    /// A result counts although somebody was told that the task will be cancelled, and nobody looks for such wishes.
    ForgottenCancel,
    /// Claims and steps do not see what is paused.
    ForgottenPause,
    /// Now and then a change of status is counted twice.
    Miscount,
    /// A task that ends, waits or is handed back keeps the state that it had before.
    StaleState,
    /// A key against sending twice is not looked up.
    ForgottenKey,
    /// Something that fails is tried again without a pause, and said each time. The torture's daemon does so, not the store.
    Restless,
    /// What is committed is not synced (SQLite).
    Unsynced,
}

impl Plant {
    /// Every planted bug.
    pub const ALL: [Self; 14] = [
        Self::NoFence,
        Self::DoubleClaim,
        Self::RescueAlive,
        Self::DeafHeartbeat,
        Self::LostJournal,
        Self::LostCommit,
        Self::RepeatedResult,
        Self::ForgottenCancel,
        Self::ForgottenPause,
        Self::Miscount,
        Self::StaleState,
        Self::ForgottenKey,
        Self::Restless,
        Self::Unsynced,
    ];

    /// Its name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoFence => "no-fence",
            Self::DoubleClaim => "double-claim",
            Self::RescueAlive => "rescue-alive",
            Self::DeafHeartbeat => "deaf-heartbeat",
            Self::LostJournal => "lost-journal",
            Self::LostCommit => "lost-commit",
            Self::RepeatedResult => "repeated-result",
            Self::ForgottenCancel => "forgotten-cancel",
            Self::ForgottenPause => "forgotten-pause",
            Self::Miscount => "miscount",
            Self::StaleState => "stale-state",
            Self::ForgottenKey => "forgotten-key",
            Self::Restless => "restless",
            Self::Unsynced => "unsynced",
        }
    }

    /// The bug of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|plant| plant.as_str() == name)
    }

    /// The texts that it replaces in statements; in those of one row, too.
    fn texts(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::NoFence => &[
                (
                    "lease_epoch = given.column4 AND tasks.attempt = given.column5 AND status = 'running'",
                    "status <> 'queued'",
                ),
                (
                    "lease_epoch = given.column8 AND tasks.attempt = given.column9 AND status = 'running'",
                    "status <> 'queued'",
                ),
            ],
            Self::DoubleClaim => &[
                ("project, status, workflow_state", "project, 'queued', workflow_state"),
                ("WHERE parked = 0 ORDER", "WHERE parked = 0 OR status = 'running' ORDER"),
                ("WHERE parked = 0 AND NOT", "WHERE (parked = 0 OR status = 'running') AND NOT"),
                ("AND status = 'queued'", "AND status <> 'completed'"),
            ],
            Self::RescueAlive => &[
                ("COALESCE(daemons.expires_at, 0) < $1", "$1 > CAST(0 AS BIGINT)"),
                ("WHEN expires_at >= $2", "WHEN $2 < CAST(0 AS BIGINT)"),
            ],
            Self::DeafHeartbeat => &[("expires_at = excluded.expires_at, state", "state")],
            Self::RepeatedResult => {
                &[("tasks.attempt = given.column5 AND", ""), ("tasks.attempt = given.column9 AND", "")]
            }
            Self::ForgottenCancel => &[
                (" AND tasks.cancel_requested = 0", ""),
                ("lease_owner = $1 AND cancel_requested = 1", "lease_owner = $1 AND cancel_requested = 2"),
                ("lease_epoch, cancel_requested FROM tasks", "lease_epoch, CAST(0 AS BIGINT) FROM tasks"),
            ],
            Self::ForgottenPause => &[
                (" AND NOT EXISTS (SELECT 1 FROM pauses)", ""),
                ("ends_at FROM pauses ORDER", "ends_at FROM pauses WHERE since < 0 ORDER"),
            ],
            Self::StaleState => &[(
                "workflow_state = given.column3, seq = seq + 1, ready_at",
                "workflow_state = COALESCE(tasks.workflow_state, given.column3), seq = seq + 1, ready_at",
            )],
            Self::ForgottenKey => &[
                ("FROM idempotency WHERE key = $1", "FROM idempotency WHERE key = $1 AND key <> key"),
                (
                    "INTO idempotency (key, body_sha256, task_id) VALUES ($1, $2, $3)",
                    "INTO idempotency (key, body_sha256, task_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                ),
                (
                    "INTO idempotency (key, body_sha256, task_id, batch) VALUES ($1, $2, $3, $4)",
                    "INTO idempotency (key, body_sha256, task_id, batch) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
                ),
            ],
            Self::LostJournal | Self::LostCommit | Self::Miscount | Self::Restless | Self::Unsynced => &[],
        }
    }
}

const MISCOUNT: &str =
    "INSERT INTO task_counts (queued, running, completed, failed, cancelled) VALUES (-1, 1, 0, 0, 0)";
const UNSYNCED: &str = "PRAGMA synchronous = OFF";
/// One in so many commits or journal rows is affected.
const RARE: u32 = 11;

/// A connection with a bug.
pub(crate) struct Planted {
    session: Box<dyn Session>,
    plant: Plant,
    count: Cell<u32>,
}

impl Planted {
    pub(crate) fn new(session: Box<dyn Session>, plant: Plant) -> Self {
        if plant == Plant::Unsynced {
            // A server has no such statement: it says so, and nothing is planted.
            let _ = session.batch(UNSYNCED);
        }
        Self { session, plant, count: Cell::new(0) }
    }

    fn sql(&self, sql: &str) -> String {
        // Only the claim sees running tasks as queued ones.
        let claims = ["WHERE parked = 0 ORDER", "WHERE parked = 0 AND NOT", "SET status = 'running'"];
        let claims = claims.iter().any(|text| sql.contains(text));
        if self.plant == Plant::DoubleClaim && !claims {
            return sql.to_owned();
        }
        self.plant.texts().iter().fold(sql.to_owned(), |sql, (from, to)| {
            let of_many = sql.replace(from, to);
            if of_many == sql { sql.replace(&of_one_row(from), &of_one_row(to)) } else { of_many }
        })
    }

    fn now_and_then(&self) -> bool {
        self.count.set(self.count.get() + 1);
        self.count.get().is_multiple_of(RARE)
    }
}

impl Session for Planted {
    fn query(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, StoreError> {
        self.session.query(&self.sql(sql), params)
    }

    fn execute(&self, sql: &str, params: &[Value]) -> Result<usize, StoreError> {
        if self.plant == Plant::LostJournal && sql.starts_with("INSERT INTO journal") && self.now_and_then() {
            return Ok(0);
        }
        self.session.execute(&self.sql(sql), params)
    }

    fn batch(&self, sql: &str) -> Result<(), StoreError> {
        let commit = sql == "COMMIT";
        if self.plant == Plant::LostCommit && commit && self.now_and_then() {
            return self.session.batch("ROLLBACK");
        }
        if self.plant == Plant::Miscount && commit && self.now_and_then() {
            self.session.execute(MISCOUNT, &[])?;
        }
        self.session.batch(sql)?;
        if self.plant == Plant::RepeatedResult && commit && self.now_and_then() {
            return Err(StoreError::Unreachable("planted".to_owned()));
        }
        Ok(())
    }

    fn allow(&self, limit: Duration) -> Result<(), StoreError> {
        self.session.allow(limit)
    }

    fn failed(&self) -> Option<StoreError> {
        self.session.failed()
    }

    fn in_transaction(&self) -> bool {
        self.session.in_transaction()
    }

    fn written(&self) -> u64 {
        self.session.written()
    }

    fn version_of_others(&self) -> Option<i64> {
        self.session.version_of_others()
    }

    fn usable(&self) -> bool {
        self.session.usable()
    }

    fn dialect(&self) -> &'static Dialect {
        self.session.dialect()
    }
}
