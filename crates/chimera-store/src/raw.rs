//! The raw limit: what the database does in a bare loop of the statements of a workflow, without threads, channels
//! or decisions. `chimera-daemon bench` shows it beside its figures.

use crate::session::Session;
use crate::store::connector;
use crate::{Database, Options, StoreError, Value};
use std::time::{Duration, Instant};

/// Settles of a workflow of five phases.
const SETTLES: usize = 5;
const INSERT: &str = "INSERT INTO tasks (task_id, feature_description, target_url, priority, project, request, status, phase, \
    workflow_state, attempt, rank, ready_at, parked, seq, created_at) \
    VALUES ($1, 'An empty feature', 'http://127.0.0.1/', 5, 'raw', $2, 'queued', 'E2E_TEST_GENERATION', $3, 0, $4, 0, 0, 1, 0)";
const TAKE: &str = "UPDATE tasks SET status = 'running', parked = NULL, lease_owner = 'raw', lease_epoch = lease_epoch + 1, \
    lease_expires_at = 0, workflow_state = $1, attempt = 1, seq = 2 WHERE task_id = $2 AND status = 'queued'";
const SETTLE: &str = "UPDATE tasks SET workflow_state = $1, seq = seq + 1, attempt = attempt + 1 \
    WHERE task_id = $2 AND lease_epoch = 1 AND status = 'running'";
const END: &str = "UPDATE tasks SET status = 'completed', phase = 'COMPLETE', workflow_state = $1, seq = seq + 1, \
    lease_owner = NULL, lease_expires_at = NULL, completed_at = 1 \
    WHERE task_id = $2 AND lease_epoch = 1 AND status = 'running'";
const JOURNAL: &str =
    "INSERT INTO journal (task_id, seq, at, event, entry) VALUES ($1, $2, 0, 'settled', $3)";

/// Rows as large as those of a real workflow.
struct Texts {
    request: String,
    workflow: String,
    entry: String,
}

/// Runs workflows through a bare loop, `together` at a time, each step of theirs in one commit, and gives the time
/// taken. The database must have been opened before, so that it has its tables; its rows stay.
///
/// # Errors
/// The database's.
#[expect(clippy::disallowed_methods, reason = "the loop runs without a runtime whose clock it could use")]
pub fn workflows(database: &Database, number: usize, together: usize) -> Result<Duration, StoreError> {
    std::thread::scope(|scope| {
        let run = || {
            let session = connector(database, &Options::default())()?;
            let texts = Texts { request: "r".repeat(100), workflow: "w".repeat(900), entry: "e".repeat(300) };
            let from = Instant::now();
            let ids: Vec<String> = (0..number).map(|n| format!("raw-{n:012}")).collect();
            for (group, ids) in ids.chunks(together.max(1)).enumerate() {
                workflow(&*session, &texts, ids, group)?;
            }
            Ok(from.elapsed())
        };
        scope.spawn(run).join().unwrap_or(Err(StoreError::Panicked))
    })
}

fn workflow(session: &dyn Session, texts: &Texts, ids: &[String], group: usize) -> Result<(), StoreError> {
    let rank = i64::try_from(group).unwrap_or(i64::MAX);
    let texts_of = |id: &String| [texts.workflow.as_str().into(), id.as_str().into()];
    step(session, texts, ids, 1, |id| {
        let params: [Value; 4] =
            [id.as_str().into(), texts.request.as_str().into(), texts.workflow.as_str().into(), rank.into()];
        session.execute(INSERT, &params)
    })?;
    step(session, texts, ids, 2, |id| session.execute(TAKE, &texts_of(id)))?;
    for settle in 1..=SETTLES {
        let sql = if settle == SETTLES { END } else { SETTLE };
        step(session, texts, ids, settle + 2, |id| session.execute(sql, &texts_of(id)))?;
    }
    Ok(())
}

/// One statement for each task, its journal row, and a commit.
fn step(
    session: &dyn Session,
    texts: &Texts,
    ids: &[String],
    seq: usize,
    statement: impl Fn(&String) -> Result<usize, StoreError>,
) -> Result<(), StoreError> {
    session.batch(session.dialect().begin_write)?;
    for id in ids {
        statement(id)?;
        let seq = i64::try_from(seq).unwrap_or(i64::MAX);
        session.execute(JOURNAL, &[id.as_str().into(), seq.into(), texts.entry.as_str().into()])?;
    }
    session.batch("COMMIT")
}
