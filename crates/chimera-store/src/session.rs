//! What a backend has to be able to do: one connection, one transaction at a time.

use crate::{Row, StoreError, Value};
use std::time::Duration;

/// A connection to a database. Everything above it speaks the SQL that both databases share.
pub(crate) trait Session: Send {
    /// The rows that a statement gives; `$1` stands for the first parameter.
    fn query(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, StoreError>;

    /// Runs a statement and gives the number of rows that it changed.
    fn execute(&self, sql: &str, params: &[Value]) -> Result<usize, StoreError>;

    /// Runs statements without parameters and answers.
    fn batch(&self, sql: &str) -> Result<(), StoreError>;

    /// Runs a statement whose answer nobody needs, at the latest with the next one: where each answer is a round trip, this
    /// one is not waited for. If it fails, the next one says so.
    fn later(&self, sql: &str, params: &[Value]) -> Result<(), StoreError> {
        if params.is_empty() { self.batch(sql) } else { self.execute(sql, params).map(drop) }
    }

    /// Gives the statements of the open transaction that long, where there is a limit.
    fn allow(&self, _limit: Duration) -> Result<(), StoreError> {
        Ok(())
    }

    /// What failed in the open transaction, if that takes nothing more until it is undone.
    fn failed(&self) -> Option<StoreError> {
        None
    }

    /// Whether a transaction is open. Some errors end it by themselves.
    fn in_transaction(&self) -> bool;

    /// Rows changed since the connection was opened.
    fn written(&self) -> u64;

    /// A number that changes when somebody else has committed; nothing where commits of others are told in another way.
    fn version_of_others(&self) -> Option<i64> {
        None
    }

    /// Whether the connection can still be used; if not, a new one is to be opened.
    fn usable(&self) -> bool;

    /// Where the databases differ.
    fn dialect(&self) -> &'static Dialect;
}

/// Opens a connection.
pub(crate) type Connect = dyn Fn() -> Result<Box<dyn Session>, StoreError> + Send + Sync;

/// The differences between the databases, most of them text. There are no others.
#[derive(Debug)]
pub(crate) struct Dialect {
    /// Begins a transaction that writes.
    pub(crate) begin_write: &'static str,
    /// Begins a transaction that reads one snapshot.
    pub(crate) begin_read: &'static str,
    /// Whether a statement of one row costs little more than its row, and undoes itself if it fails. Otherwise it is a
    /// round trip, and its failure that of the transaction.
    pub(crate) statements_are_cheap: bool,
    /// Stands around a text to make its letters of ASCII small, and no others.
    pub(crate) ascii_small: [&'static str; 2],
    /// Ends a `SELECT` whose rows are about to be changed; rows that another transaction holds are left out.
    pub(crate) lock_free_rows: &'static str,
    /// Ends a `SELECT` whose row is about to be changed, waiting for whoever holds it.
    pub(crate) lock_rows: &'static str,
    /// The same, failing if another transaction has locked one.
    pub(crate) lock_rows_now: &'static str,
    /// Run before the journal is written, so that its numbers ascend in the order of the commits.
    pub(crate) order_commits: Option<&'static str>,
    /// Run before a claim that counts what other daemons run, so that they do not claim at once.
    pub(crate) order_claims: Option<&'static str>,
    /// Run before a claim or a step looks for pauses, and before somebody pauses: the latter waits until all that looked
    /// before have committed, and those who look after that see it.
    pub(crate) order_pauses: Option<[&'static str; 2]>,
    /// Run before migrations, so that two daemons do not migrate at once.
    pub(crate) order_migrations: Option<&'static str>,
    /// The server's time in milliseconds, where the server is another machine.
    pub(crate) server_time: Option<&'static str>,
    /// Bytes of the server's log so far, where there is a server.
    pub(crate) log_bytes: Option<&'static str>,
    /// 1 if the server takes no changes, as a standby does, else 0.
    pub(crate) read_only: Option<&'static str>,
    /// 1 if the schema's history is there, else 0.
    pub(crate) has_history: &'static str,
    /// Ends every other connection to the database, where it is a server.
    pub(crate) disconnect: Option<&'static str>,
    /// Leave the database no room to grow, and all of it again, where it is a file.
    pub(crate) room: Option<[&'static str; 2]>,
    /// Names of tables and columns that others cannot be told from, and the column's place in the primary key, or 0.
    pub(crate) tables: &'static str,
    /// Run before a queue is closed, so that nobody is in the middle of a change.
    pub(crate) lock_tasks: Option<&'static str>,
    /// Makes the database refuse every change of a task.
    pub(crate) close: &'static [&'static str],
    /// Whether it does.
    pub(crate) is_closed: &'static str,
    /// Undoes it.
    pub(crate) reopen: &'static [&'static str],
    /// Run after rows with numbers of their own were added, so that the next numbers come after them.
    pub(crate) go_on_numbering: Option<&'static str>,
    /// The type of a row number that the database gives.
    pub(crate) row_number: &'static str,
    /// Triggers that keep the counts of `task_counts`.
    pub(crate) counting: &'static str,
    /// Folds rows of `task_counts` that were committed, where every change appends one.
    pub(crate) fold: Option<&'static str>,
    /// The column `lane` of tasks: the phase of a task that waits, whatever daemon wrote it.
    pub(crate) lanes: &'static str,
    /// Run after the migrations; may be repeated.
    pub(crate) tuning: &'static [&'static str],
}
