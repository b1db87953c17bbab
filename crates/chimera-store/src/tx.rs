//! What closures see of a transaction.

use crate::change::{Change, Statement};
use crate::commits::News;
use crate::session::{Dialect, Session};
use crate::{Row, StoreError, Value};
use chimera_core::UnixMillis;
use std::ops::Deref;

/// A transaction that can be read from.
pub struct ReadTx<'a> {
    session: &'a dyn Session,
}

/// A transaction that can be written to.
pub struct Tx<'a> {
    read: ReadTx<'a>,
    journal: Vec<Vec<Value>>,
    /// What its commit is about.
    news: News,
    alone: bool,
}

impl<'a> ReadTx<'a> {
    pub(crate) fn new(session: &'a dyn Session) -> Self {
        Self { session }
    }

    /// The rows that a statement gives; `$1` stands for the first parameter.
    ///
    /// # Errors
    /// The database's.
    pub fn query(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, StoreError> {
        self.session.query(sql, params)
    }

    /// The first row that a statement gives, if any.
    ///
    /// # Errors
    /// The database's.
    pub fn first(&self, sql: &str, params: &[Value]) -> Result<Option<Row>, StoreError> {
        Ok(self.query(sql, params)?.into_iter().next())
    }

    /// Where the databases differ.
    pub(crate) fn dialect(&self) -> &'static Dialect {
        self.session.dialect()
    }

    pub(crate) fn server_time(&self) -> Result<Option<UnixMillis>, StoreError> {
        let Some(sql) = self.session.dialect().server_time else { return Ok(None) };
        self.first(sql, &[])?.map(|row| row.int(0).map(UnixMillis)).transpose()
    }

    pub(crate) fn disconnect_others(&self) -> Result<(), StoreError> {
        self.session.dialect().disconnect.map_or(Ok(()), |sql| self.query(sql, &[]).map(drop))
    }
}

impl<'a> Tx<'a> {
    /// A transaction that is shared with other closures, or not.
    pub(crate) fn new(session: &'a dyn Session, alone: bool) -> Self {
        Self { read: ReadTx::new(session), journal: Vec::new(), news: News::JOURNAL, alone }
    }

    pub(crate) fn is_alone(&self) -> bool {
        self.alone
    }

    /// Runs a statement and gives the number of rows that it changed.
    ///
    /// # Errors
    /// The database's.
    pub fn execute(&mut self, sql: &str, params: &[Value]) -> Result<usize, StoreError> {
        self.read.session.execute(sql, params)
    }

    /// Runs a statement whose answer nobody needs, at the latest with the next one.
    pub(crate) fn later(&mut self, sql: &str, params: &[Value]) -> Result<(), StoreError> {
        self.read.session.later(sql, params)
    }

    /// Leaves the database of this connection no room to grow, as a full disk would, or gives it back; a server is not
    /// to be had that way. For trying out what happens then.
    ///
    /// # Errors
    /// The database's.
    pub fn fill(&mut self, full: bool) -> Result<(), StoreError> {
        let sql = self.read.session.dialect().room.map(|[none, all]| if full { none } else { all });
        sql.map_or(Ok(()), |sql| self.query(sql, &[]).map(drop))
    }

    /// Runs a statement of the dialect.
    pub(crate) fn batch(&self, sql: &str) -> Result<(), StoreError> {
        self.read.session.batch(sql)
    }

    /// Fails if the server takes no changes, as a standby does.
    pub(crate) fn is_writable(&self) -> Result<(), StoreError> {
        let Some(sql) = self.read.session.dialect().read_only else { return Ok(()) };
        match self.first(sql, &[])? {
            Some(row) if row.int(0)? == 0 => Ok(()),
            _ => Err(StoreError::Unreachable(
                "the database takes no changes: it is a standby, or read-only".to_owned(),
            )),
        }
    }

    /// The rows of a `SELECT`, kept from being changed by others until the commit; those that another
    /// transaction is changing are left out.
    pub(crate) fn take_free(&mut self, sql: &str, params: &[Value]) -> Result<Vec<Row>, StoreError> {
        self.query(&format!("{sql}{}", self.read.session.dialect().lock_free_rows), params)
    }

    /// The first row of a `SELECT`, kept from being changed by others until the commit.
    pub(crate) fn take_first(&mut self, sql: &str, params: &[Value]) -> Result<Option<Row>, StoreError> {
        self.first(&format!("{sql}{}", self.read.session.dialect().lock_rows), params)
    }

    /// Makes a change; false if it found no row.
    pub(crate) fn change(&mut self, change: Change) -> Result<bool, StoreError> {
        Ok(self.change_all(change.statement, vec![change])? == 1)
    }

    /// Makes changes that share a statement, each to another task; gives the number of those that found their row.
    pub(crate) fn change_all(
        &mut self,
        statement: &Statement,
        changes: Vec<Change>,
    ) -> Result<usize, StoreError> {
        let rows: Vec<Vec<Value>> = changes.iter().map(|change| change.values.clone()).collect();
        let made = statement.change(self.read.session, &rows)?;
        for change in changes {
            if let Some(seq) = made.get(change.id.as_str()) {
                self.news |= change.news;
                self.journal.push(change.journal(*seq));
            }
        }
        Ok(made.len())
    }

    /// The first row of a `SELECT`, kept from being changed by others until the commit; busy if another transaction is
    /// changing it.
    pub(crate) fn take_now(&mut self, sql: &str, params: &[Value]) -> Result<Option<Row>, StoreError> {
        self.first(&format!("{sql}{}", self.read.session.dialect().lock_rows_now), params)
    }

    /// Has those who pause something wait for the commit: to be called before pauses are looked for, and before any other
    /// lock. A shared transaction has begun with it.
    pub(crate) fn heed_pauses(&mut self) -> Result<(), StoreError> {
        if self.alone { heed_pauses(self.read.session) } else { Ok(()) }
    }

    /// Waits for the commits of all that looked for pauses and may not have found one that follows. It must be alone,
    /// and without any lock: those for whom it waits may wait for it otherwise.
    pub(crate) fn outwait_those_who_heed_pauses(&mut self) -> Result<(), StoreError> {
        self.must_be_alone()?;
        let session = self.read.session;
        session.dialect().order_pauses.map_or(Ok(()), |[_, pause]| session.later(pause, &[]))
    }

    /// Waits until no other transaction is between this and its commit, so that what was counted stays true.
    pub(crate) fn in_turn(&mut self) -> Result<(), StoreError> {
        self.must_be_alone()?;
        self.heed_pauses()?;
        let session = self.read.session;
        session.dialect().order_claims.map_or(Ok(()), |sql| session.later(sql, &[]))
    }

    /// Adds a row to the journal at the commit: its numbers then ascend in the order of the commits, whoever
    /// else commits at the same time.
    pub(crate) fn journal(&mut self, row: Vec<Value>) {
        self.journal.push(row);
    }

    pub(crate) fn news_mut(&mut self) -> &mut News {
        &mut self.news
    }

    /// What the closure added to the journal, and what its commit is about.
    pub(crate) fn into_parts(self) -> (Vec<Vec<Value>>, News) {
        (self.journal, self.news)
    }
}

/// As [`Tx::heed_pauses`].
pub(crate) fn heed_pauses(session: &dyn Session) -> Result<(), StoreError> {
    session.dialect().order_pauses.map_or(Ok(()), |[look, _]| session.later(look, &[]))
}

impl<'a> Deref for Tx<'a> {
    type Target = ReadTx<'a>;
    fn deref(&self) -> &ReadTx<'a> {
        &self.read
    }
}
