//! What carries statements to the server: several at once, without waiting for the answers in between, and for no
//! longer than a limit.

use super::connect::{Carrier, connect_to_any};
use super::server::PostgresServer;
use super::trouble::Trouble;
use crate::{StoreError, Value};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, Error, Row, SimpleQueryMessage, Statement};

/// Most statements on their way at once: bounds what both sides keep for them.
const AT_ONCE: usize = 32;
/// Prepared statements kept per connection; beyond it (filters of lists vary) all are prepared anew.
const STATEMENTS: usize = 256;
/// How long a connection that is let go of may take to say goodbye.
const GOODBYE: Duration = Duration::from_millis(200);
/// How often what the system has received is looked at before a connection counts as alive: once to be woken, once for
/// the connection to read it.
const LOOKS: usize = 3;

/// What the server calls the place where a commit waits for a standby, whatever its language.
const STANDBY_WAIT: &str = "SyncRepWaitForLSN";

/// A connection. It is served while something is asked; dropping it says goodbye to the server, if that listens.
pub(super) struct Wire {
    // Gone first: its end ends the connection.
    client: Client,
    line: Line,
    server: PostgresServer,
    /// Which of the server's hosts is at the other end.
    host: usize,
    prepared: RefCell<HashMap<String, Statement>>,
    /// Nothing is to be asked any more, whatever the connection says.
    left: Cell<bool>,
    /// A commit was answered that no standby has.
    unreplicated: Arc<AtomicBool>,
}

struct Line {
    // An option, as a runtime must not wait for what it runs when it goes.
    runtime: Option<Runtime>,
    connection: Option<JoinHandle<()>>,
}

/// What is asked of the server.
#[derive(Clone)]
pub(super) enum Call {
    /// Statements without parameters and answers.
    Batch(String),
    /// A statement that changes rows.
    Execute(String, Vec<Value>),
    /// A statement that gives rows.
    Query(String, Vec<Value>),
}

impl Call {
    pub(super) fn sql(&self) -> &str {
        match self {
            Self::Batch(sql) | Self::Execute(sql, _) | Self::Query(sql, _) => sql,
        }
    }
}

/// What the server says to a call.
#[derive(Default)]
pub(super) struct Answer {
    pub(super) rows: Vec<Row>,
    /// Rows that were changed, if that was asked for.
    pub(super) changed: u64,
}

impl Wire {
    pub(super) fn open(server: &PostgresServer) -> Result<Self, StoreError> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|err| StoreError::Open { place: server.to_string(), detail: err.to_string() })?;
        let mut line = Line { runtime: Some(runtime), connection: None };
        let (host, (client, connection)) = line.run(connect_to_any(server))?;
        let unreplicated = Arc::default();
        let carrying = carry(connection, Arc::clone(&unreplicated));
        line.connection = line.runtime.as_ref().map(|runtime| runtime.spawn(carrying));
        let (server, prepared, left) = (server.clone(), RefCell::default(), Cell::new(false));
        Ok(Self { client, line, server, host, prepared, left, unreplicated })
    }

    /// Makes a statement ready.
    pub(super) fn prepare(&self, sql: &str, limit: Duration) -> Result<(), Trouble> {
        if self.prepared.borrow().contains_key(sql) {
            return Ok(());
        }
        let statement = self.within(limit, self.client.prepare(sql))??;
        let mut prepared = self.prepared.borrow_mut();
        if prepared.len() >= STATEMENTS {
            prepared.clear();
        }
        prepared.insert(sql.to_owned(), statement);
        Ok(())
    }

    /// The number of the server's process that answers at the moment.
    pub(super) fn process(&self, limit: Duration) -> Result<Option<String>, Trouble> {
        let told = self.within(limit, self.client.simple_query("SELECT pg_backend_pid()"))??;
        let number = |message: &SimpleQueryMessage| match message {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        };
        Ok(told.iter().find_map(number))
    }

    fn statement(&self, sql: &str, limit: Duration) -> Result<Statement, Trouble> {
        loop {
            if let Some(statement) = self.prepared.borrow().get(sql) {
                return Ok(statement.clone());
            }
            self.prepare(sql, limit)?;
        }
    }

    /// Whether nothing can be asked any more. Sees what has become of the connection since the last call.
    pub(super) fn is_closed(&self) -> bool {
        if self.server.has_left(self.host) {
            self.leave();
        }
        if !self.left.get() && !self.client.is_closed() {
            self.line.run(async {
                for _ in 0..LOOKS {
                    tokio::task::yield_now().await;
                }
            });
        }
        self.left.get() || self.client.is_closed()
    }

    /// Lets go of it: the next call finds it closed.
    pub(super) fn leave(&self) {
        self.left.set(true);
    }

    /// Makes calls in their order, and gives the answer to the last one, and the number of rows that all of them changed.
    /// After one that fails, the others are made as well and do nothing: all of them belong to one transaction, and a
    /// commit is what ends it, one way or the other. An answer that does not come in time ends the connection.
    pub(super) fn call(&self, calls: &[Call], limit: Duration) -> Result<(Answer, u64), Trouble> {
        let mut ready = Vec::with_capacity(calls.len());
        for call in calls {
            ready.push(match call {
                Call::Batch(sql) => Ready::Batch(sql),
                Call::Execute(sql, params) => Ready::Execute(self.statement(sql, limit)?, params),
                Call::Query(sql, params) => Ready::Query(self.statement(sql, limit)?, params),
            });
        }
        let mut all = Vec::with_capacity(calls.len());
        for some in ready.chunks(AT_ONCE) {
            all.extend(self.within(limit, answers(&self.client, some))?);
        }
        let (mut last, mut changed) = (Answer::default(), 0);
        for answer in all {
            last = answer?;
            changed += last.changed;
        }
        if self.unreplicated.load(Ordering::Relaxed) {
            self.leave();
            return Err(Trouble::Unreplicated);
        }
        Ok((last, changed))
    }

    fn within<T>(&self, limit: Duration, asked: impl Future<Output = T>) -> Result<T, Trouble> {
        let answer = self.line.run(async { tokio::time::timeout(limit, asked).await });
        answer.map_err(|_| {
            self.leave();
            self.server.pass_over(self.host);
            Trouble::Silence(limit)
        })
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.left.get()
            && let Some(connection) = &self.line.connection
        {
            connection.abort();
        }
    }
}

impl Line {
    fn run<T>(&self, asked: impl Future<Output = T>) -> T {
        #[expect(clippy::expect_used, reason = "taken when it is dropped, and then nobody asks")]
        self.runtime.as_ref().expect("the runtime is there until the end").block_on(asked)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        if let Some(connection) = self.connection.take() {
            // An end without a goodbye is an end as well.
            let _ = runtime.block_on(async { tokio::time::timeout(GOODBYE, connection).await });
        }
        // A name that is still being looked up is not waited for.
        runtime.shutdown_background();
    }
}

/// Serves a connection until it ends; whoever asks next is told what ended it.
async fn carry(mut connection: Carrier, unreplicated: Arc<AtomicBool>) {
    while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
        // It comes before the answer to the commit.
        if let AsyncMessage::Notice(notice) = message
            && notice.routine() == Some(STANDBY_WAIT)
        {
            unreplicated.store(true, Ordering::Relaxed);
        }
    }
}

/// What is asked, with what the server made ready for it.
enum Ready<'a> {
    Batch(&'a str),
    Execute(Statement, &'a [Value]),
    Query(Statement, &'a [Value]),
}

/// Sends calls in their order, at once, and gives the answers to all of them.
async fn answers(client: &Client, calls: &[Ready<'_>]) -> Vec<Result<Answer, Error>> {
    // Sent when it is first polled, which happens in this order.
    let mut asked: Vec<_> = calls.iter().map(|call| Box::pin(ask(client, call))).collect();
    let mut answers: Vec<_> = calls.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (asked, answer) in asked.iter_mut().zip(&mut answers) {
            if answer.is_none()
                && let Poll::Ready(ready) = Pin::new(asked).poll(context)
            {
                *answer = Some(ready);
            }
        }
        if answers.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    answers.into_iter().flatten().collect()
}

async fn ask(client: &Client, call: &Ready<'_>) -> Result<Answer, Error> {
    match call {
        Ready::Batch(sql) => client.batch_execute(sql).await.map(|()| Answer::default()),
        Ready::Execute(statement, params) => {
            let changed = client.execute(statement, &given(params)).await?;
            Ok(Answer { changed, ..Answer::default() })
        }
        Ready::Query(statement, params) => {
            let rows = client.query(statement, &given(params)).await?;
            Ok(Answer { rows, ..Answer::default() })
        }
    }
}

fn given(params: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    params.iter().map(|value| value as _).collect()
}
