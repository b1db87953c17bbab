//! A connection with the shared SQL on it.

use super::DIALECT;
use super::server::PostgresServer;
use super::trouble::{POOLED, Trouble};
use super::value::row;
use super::wire::{Answer, Call, Wire};
use crate::session::{Dialect, Session};
use crate::{Row, StoreError, Value};
use std::cell::{Cell, Ref, RefCell};
use std::time::Duration;

/// How long the server works at one statement before it gives up, unless the caller allows more.
const STATEMENT: Duration = Duration::from_secs(9);
/// How much longer an answer is waited for: a server that is there says so itself by then.
const ON_THE_WAY: Duration = Duration::from_secs(1);

/// A daemon that freezes within a transaction holds its locks, the one of the journal among them: the server ends
/// it after a while. Whoever waits longer than that for a lock is told that the database is busy.
///
/// Every statement here has an index to walk. A plan made while the tables are small, which reads all of them, must
/// not stay in use when they are large. What is still read as a whole (a table of a few rows) has a forbidding cost on
/// paper, for which the server would compile the statement, at each call: that takes a hundred times as long as to run it.
///
/// What was accepted survives a crash of the server, and of its machine: that is promised, whatever the server, the
/// database or the role say otherwise; what is stricter stays. By a warning it says that a standby does not have
/// a commit. A session that idles is one that waits for work.
const SETTINGS: &str = "SET statement_timeout = '9s'; \
    SET idle_in_transaction_session_timeout = '5s'; SET lock_timeout = '8s'; SET idle_session_timeout = 0; SET jit = off; \
    SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; \
    SET client_min_messages = warning; \
    SELECT set_config('synchronous_commit', 'on', false) \
    WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply')";

/// A connection to PostgreSQL. What is run later travels with the next statement whose answer is waited for.
pub(super) struct PostgresSession {
    server: PostgresServer,
    wire: RefCell<Wire>,
    later: RefCell<Vec<Call>>,
    open: Cell<bool>,
    /// What failed in the open transaction, which takes nothing more until that is undone.
    failed: RefCell<Option<StoreError>>,
    /// How long an answer is waited for.
    limit: Cell<Duration>,
    written: Cell<u64>,
}

impl PostgresSession {
    pub(super) fn open(server: &PostgresServer) -> Result<Self, StoreError> {
        if server.unpooled.get().is_none() {
            expect_own_sessions(server)?;
        }
        Ok(Self {
            server: server.clone(),
            wire: RefCell::new(ready(server)?),
            later: RefCell::default(),
            open: Cell::new(false),
            failed: RefCell::default(),
            limit: Cell::new(STATEMENT + ON_THE_WAY),
            written: Cell::new(0),
        })
    }

    fn wire(&self) -> Ref<'_, Wire> {
        self.wire.borrow()
    }

    fn prepare(&self, sql: &str) -> Result<(), StoreError> {
        let again = self.is_untouched();
        let prepared = self.on_wire(again, |wire| wire.prepare(sql, self.limit.get()));
        prepared.map_err(|trouble| self.broken(&trouble))
    }

    /// Makes a call after those that wait.
    fn call(&self, call: Call) -> Result<Answer, StoreError> {
        // Nothing of the transaction has been sent, and nothing of it is made to last.
        let again = (self.is_untouched() || call.sql().starts_with("BEGIN")) && call.sql() != "COMMIT";
        let mut calls = self.later.take();
        calls.push(call);
        let answer = self.on_wire(again, |wire| wire.call(&calls, self.limit.get()));
        let (answer, changed) = answer.map_err(|trouble| self.broken(&trouble))?;
        self.count(changed);
        Ok(answer)
    }

    /// Runs something on the connection. If that turns out to have broken while it idled, and `again`, once more on a
    /// new one.
    fn on_wire<T>(&self, again: bool, run: impl Fn(&Wire) -> Result<T, Trouble>) -> Result<T, Refusal> {
        let first = run(&self.wire());
        match first {
            Err(trouble) if again && trouble.is_broken_line() => {
                let new = ready(&self.server).map_err(Refusal::Connecting)?;
                self.wire.replace(new);
                run(&self.wire()).map_err(Refusal::Answered)
            }
            answer => answer.map_err(Refusal::Answered),
        }
    }

    /// What a refusal means, to the transaction as well: a lost connection takes it along.
    fn broken(&self, refusal: &Refusal) -> StoreError {
        let err = match refusal {
            Refusal::Connecting(err) => err.clone(),
            Refusal::Answered(trouble) => {
                if trouble.is_read_only() {
                    self.wire().leave();
                }
                trouble.classify()
            }
        };
        let lost = matches!(refusal, Refusal::Connecting(_)) || self.wire().is_closed();
        if lost || matches!(refusal, Refusal::Answered(trouble) if trouble.is_lost()) {
            self.wire().leave();
            self.open.set(false);
            self.later.take();
        } else if self.open.get() {
            self.failed.borrow_mut().get_or_insert_with(|| err.clone());
        }
        err
    }

    fn count(&self, rows: u64) {
        self.written.set(self.written.get() + rows);
    }

    /// Whether nothing of the transaction has been sent so far.
    fn is_untouched(&self) -> bool {
        self.later.borrow().first().is_some_and(|call| call.sql().starts_with("BEGIN"))
    }

    fn begins(&self) {
        self.open.set(true);
        self.failed.take();
        self.limit.set(STATEMENT + ON_THE_WAY);
    }
}

enum Refusal {
    /// There is no new connection.
    Connecting(StoreError),
    Answered(Trouble),
}

/// Refuses a pooler in transaction mode: settings, prepared statements and LISTEN belong to a session. Such a pooler
/// answers two connections by one process of the server, or one connection by two as soon as the first is in use.
fn expect_own_sessions(server: &PostgresServer) -> Result<(), StoreError> {
    let limit = STATEMENT + ON_THE_WAY;
    let (one, other) = (Wire::open(server)?, Wire::open(server)?);
    let is_shared = || {
        let process = one.process(limit)?;
        other.call(&[Call::Batch("BEGIN".to_owned())], limit)?;
        Ok(process == other.process(limit)? || process != one.process(limit)?)
    };
    if is_shared().map_err(|trouble: Trouble| trouble.classify())? {
        return Err(StoreError::Open { place: server.to_string(), detail: POOLED.to_owned() });
    }
    let _ = server.unpooled.set(());
    Ok(())
}

/// A connection with its settings.
fn ready(server: &PostgresServer) -> Result<Wire, StoreError> {
    let wire = Wire::open(server)?;
    let set = wire.call(&[Call::Batch(SETTINGS.to_owned())], STATEMENT + ON_THE_WAY);
    set.map_err(|trouble| trouble.classify())?;
    Ok(wire)
}

impl Session for PostgresSession {
    fn query(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, StoreError> {
        self.prepare(sql)?;
        let rows = self.call(Call::Query(sql.to_owned(), params.to_vec()))?.rows;
        if !sql.starts_with("SELECT") {
            self.count(rows.len() as u64);
        }
        rows.iter().map(row).collect()
    }

    fn execute(&self, sql: &str, params: &[Value]) -> Result<usize, StoreError> {
        self.prepare(sql)?;
        let changed = self.call(Call::Execute(sql.to_owned(), params.to_vec()))?.changed;
        Ok(usize::try_from(changed).unwrap_or(usize::MAX))
    }

    fn batch(&self, sql: &str) -> Result<(), StoreError> {
        if sql.starts_with("ROLLBACK") {
            self.failed.take();
        }
        if sql == "COMMIT"
            && let Some(err) = self.failed.take()
        {
            // The server would answer a commit of this without an error, and undo it.
            self.batch("ROLLBACK")?;
            return Err(err);
        }
        if sql == "COMMIT" || sql == "ROLLBACK" {
            // Whatever the server answers: there is no transaction afterwards.
            self.open.set(false);
        }
        if sql == "ROLLBACK" {
            let nothing_to_undo = self.is_untouched();
            self.later.take();
            if nothing_to_undo {
                return Ok(());
            }
        }
        self.call(Call::Batch(sql.to_owned()))?;
        if sql.starts_with("BEGIN") {
            self.begins();
        }
        Ok(())
    }

    fn later(&self, sql: &str, params: &[Value]) -> Result<(), StoreError> {
        let call = if params.is_empty() {
            Call::Batch(sql.to_owned())
        } else {
            self.prepare(sql)?;
            Call::Execute(sql.to_owned(), params.to_vec())
        };
        if sql.starts_with("BEGIN") {
            self.begins();
        }
        self.later.borrow_mut().push(call);
        Ok(())
    }

    fn allow(&self, limit: Duration) -> Result<(), StoreError> {
        self.limit.set(limit + ON_THE_WAY);
        self.later(&format!("SET LOCAL statement_timeout = {}", limit.as_millis()), &[])
    }

    fn failed(&self) -> Option<StoreError> {
        self.failed.borrow().clone()
    }

    fn in_transaction(&self) -> bool {
        self.open.get()
    }

    fn written(&self) -> u64 {
        self.written.get()
    }

    fn usable(&self) -> bool {
        !self.wire().is_closed()
    }

    fn dialect(&self) -> &'static Dialect {
        &DIALECT
    }
}
