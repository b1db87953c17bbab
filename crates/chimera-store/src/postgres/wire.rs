//! What carries statements to the server: several at once, without waiting for the answers in between.

use super::{encryption, refused};
use crate::database::PostgresServer;
use crate::{StoreError, Value};
use postgres::types::ToSql;
use postgres::{Error, Row, Statement};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio_postgres::Client;

/// Most statements on their way at once: bounds what both sides keep for them.
const AT_ONCE: usize = 32;

/// A connection. It is served while something is asked; dropping it says goodbye to the server.
pub(super) struct Wire {
    // Gone first: its end ends the connection.
    client: Client,
    line: Line,
}

struct Line {
    runtime: Runtime,
    connection: Option<JoinHandle<()>>,
}

/// What is asked of the server.
#[derive(Clone)]
pub(super) enum Call {
    /// Statements without parameters and answers.
    Batch(String),
    /// A statement that changes rows.
    Execute(Statement, Vec<Value>),
    /// A statement that gives rows.
    Query(Statement, Vec<Value>),
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
        let tls = encryption(server)?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|err| StoreError::Open { place: server.to_string(), detail: err.to_string() })?;
        let connecting = runtime.block_on(server.config.connect(tls));
        let (client, connection) = connecting.map_err(|err| refused(server, &err))?;
        // Whoever asks next is told what ended it.
        let connection = runtime.spawn(async { drop(connection.await) });
        Ok(Self { client, line: Line { runtime, connection: Some(connection) } })
    }

    pub(super) fn prepare(&self, sql: &str) -> Result<Statement, Error> {
        self.line.runtime.block_on(self.client.prepare(sql))
    }

    /// Whether nothing can be asked any more. Sees what has become of the connection since the last call.
    pub(super) fn is_closed(&self) -> bool {
        self.line.runtime.block_on(tokio::task::yield_now());
        self.client.is_closed()
    }

    /// Makes calls in their order, and gives the answer to the last one, and the number of rows that all of them changed.
    /// After one that fails, the others are made as well and do nothing: all of them belong to one transaction, and a
    /// commit is what ends it, one way or the other.
    pub(super) fn call(&self, calls: &[Call]) -> Result<(Answer, u64), Error> {
        let mut all = Vec::with_capacity(calls.len());
        for some in calls.chunks(AT_ONCE) {
            all.extend(self.line.runtime.block_on(answers(&self.client, some)));
        }
        let (mut last, mut changed) = (Answer::default(), 0);
        for answer in all {
            last = answer?;
            changed += last.changed;
        }
        Ok((last, changed))
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            // An end without a goodbye is an end as well.
            let _ = self.runtime.block_on(connection);
        }
    }
}

/// Sends calls in their order, at once, and gives the answers to all of them.
async fn answers(client: &Client, calls: &[Call]) -> Vec<Result<Answer, Error>> {
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

async fn ask(client: &Client, call: &Call) -> Result<Answer, Error> {
    match call {
        Call::Batch(sql) => client.batch_execute(sql).await.map(|()| Answer::default()),
        Call::Execute(statement, params) => {
            let changed = client.execute(statement, &given(params)).await?;
            Ok(Answer { changed, ..Answer::default() })
        }
        Call::Query(statement, params) => {
            let rows = client.query(statement, &given(params)).await?;
            Ok(Answer { rows, ..Answer::default() })
        }
    }
}

fn given(params: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    params.iter().map(|value| value as _).collect()
}
