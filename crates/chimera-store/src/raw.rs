//! The raw limit: what the database does in a bare loop of a workflow's statements. `chimera-daemon bench` shows it
//! beside its figures.
//!
//! The loop is honest: it runs the very statements of the store (accept, take, settle, journal), with as many rows at
//! once and as many in a commit as there are workers, on rows as large as real ones, under the same settings. It does
//! not what is not writing: no looking for ready tasks, no threads, no channels, no decisions, no JSON; its rows are
//! made before the clock starts.

use crate::change::Statement;
use crate::database::connector;
use crate::read::Reading;
use crate::session::Session;
use crate::{Database, Options, StoreError, Value, journal, queue, settle, submit};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Lengths of the texts of a workflow of empty phases, step by step.
const WORKFLOW: [usize; 7] = [412, 412, 800, 950, 1000, 1080, 1183];
const ENTRY: [usize; 7] = [108, 194, 681, 432, 245, 275, 342];
const REQUEST: usize = 76;

/// Rows of one statement, and those of the journal that go with them, for one commit.
struct Step {
    statement: &'static Statement,
    rows: Vec<Vec<Value>>,
    journal: Vec<Vec<Value>>,
}

/// What the commits of some workflows took that were made together: to accept them, to take them, and then each phase.
pub type Times = [Duration; STEPS.len()];

/// Runs workflows through a bare loop, `together` at a time, each step of theirs in one commit, and gives the times
/// taken. The database must have been opened before, so that it has its tables; its rows stay.
///
/// # Errors
/// The database's.
#[expect(clippy::disallowed_methods, reason = "the loop runs without a runtime whose clock it could use")]
pub fn workflows(database: &Database, number: usize, together: usize) -> Result<Vec<Times>, StoreError> {
    /// Distinguishes the rows of several loops on one database.
    static LOOPS: AtomicU32 = AtomicU32::new(0);
    let number_of_loop = LOOPS.fetch_add(1, Ordering::Relaxed);
    std::thread::scope(|scope| {
        let run = || {
            let session = connector(database, &Options::default())()?;
            let ids: Vec<String> = (0..number).map(|n| format!("raw-{number_of_loop}-{n:010}")).collect();
            let groups: Vec<[Step; STEPS.len()]> = ids
                .chunks(together.max(1))
                .map(|ids| std::array::from_fn(|number| step(ids, number)))
                .collect();
            let time = |step: &Step| {
                let from = Instant::now();
                commit(&*session, step).map(|()| from.elapsed())
            };
            let mut times = Vec::with_capacity(groups.len());
            for group in &groups {
                let mut taken = Times::default();
                for (step, taken) in group.iter().zip(&mut taken) {
                    *taken = time(step)?;
                }
                times.push(taken);
            }
            Ok(times)
        };
        scope.spawn(run).join().unwrap_or(Err(StoreError::Panicked))
    })
}

/// Bytes that the server has written into its log so far; nothing where there is no server.
///
/// # Errors
/// The database's.
pub fn log_bytes(tx: &Reading<'_>) -> Result<Option<u64>, StoreError> {
    let Some(sql) = tx.dialect().log_bytes else { return Ok(None) };
    let bytes = tx.first(sql, &[])?.map(|row| row.int(0)).transpose()?;
    Ok(bytes.and_then(|bytes| u64::try_from(bytes).ok()))
}

/// The row of a task, given its id, the text of its workflow, and the attempt.
type Make = fn(&str, Value, i64) -> Vec<Value>;

/// The steps of a workflow of five phases.
static STEPS: [(&Statement, Make); 7] = [
    (&submit::INSERT, accept),
    (&queue::TAKE, take),
    (&settle::ADVANCE, advance),
    (&settle::ADVANCE, advance),
    (&settle::ADVANCE, advance),
    (&settle::ADVANCE, advance),
    (&settle::SETTLE_ONLY, end),
];

fn step(ids: &[String], number: usize) -> Step {
    let (statement, make) = STEPS[number];
    let seq = i64::try_from(number).unwrap_or_default() + 1;
    let rows = ids.iter().map(|id| make(id, "w".repeat(WORKFLOW[number]).into(), seq - 2)).collect();
    let entry = || "e".repeat(ENTRY[number]).into();
    let journal = |id: &String| vec![id.as_str().into(), seq.into(), 0.into(), "settled".into(), entry()];
    Step { statement, rows, journal: ids.iter().map(journal).collect() }
}

fn commit(session: &dyn Session, step: &Step) -> Result<(), StoreError> {
    session.later(session.dialect().begin_write, &[])?;
    if step.statement.change(session, &step.rows)?.len() != step.rows.len() {
        return Err(StoreError::Database("the bare loop does not find its rows".to_owned()));
    }
    journal::write(session, &step.journal)?;
    session.batch("COMMIT")
}

fn accept(id: &str, workflow: Value, _attempt: i64) -> Vec<Value> {
    let (request, feature, url) = ("r".repeat(REQUEST), "An empty feature", "http://127.0.0.1/");
    let texts = [feature.into(), url.into(), Value::Null, 5.into(), "raw".into(), request.into()];
    let state = ["queued".into(), "E2E_TEST_GENERATION".into(), workflow, 0.into()];
    let numbers = [0, 0, 0, 1, 0].map(Value::from);
    texts.into_iter().chain(state).chain(numbers).chain([Value::Null, id.into()]).collect()
}

fn take(id: &str, workflow: Value, _attempt: i64) -> Vec<Value> {
    vec!["raw".into(), 0.into(), workflow, 1.into(), id.into()]
}

fn advance(id: &str, workflow: Value, attempt: i64) -> Vec<Value> {
    vec!["CODE_IMPLEMENTATION".into(), workflow, (attempt + 1).into(), 1.into(), attempt.into(), id.into()]
}

fn end(id: &str, workflow: Value, attempt: i64) -> Vec<Value> {
    let to = ["completed".into(), "COMPLETE".into(), workflow, 0.into(), Value::Null, 1.into()];
    let fence = [attempt.into(), 1.into(), attempt.into(), id.into()];
    to.into_iter().chain(fence).collect()
}
