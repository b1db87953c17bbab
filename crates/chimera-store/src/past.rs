//! A past that nobody has lived: ended tasks with their journal, made by a few statements. For tests and measurements of
//! what must not grow with history.

use crate::{StoreError, Tx, Value};
use chimera_core::{Request, UnixMillis, Workflow};

/// Entries in the journal of a delivery of five phases.
const ENTRIES: i64 = 7;
/// Their length on average, in bytes.
const ENTRY: usize = 325;
/// The length of a workflow that has ended, in bytes.
const WORKFLOW: usize = 1183;

const TASKS: &str = "WITH RECURSIVE numbers (n) AS (SELECT CAST($1 AS BIGINT) UNION ALL \
    SELECT n + 1 FROM numbers WHERE n + 1 < CAST($1 AS BIGINT) + CAST($2 AS BIGINT)) \
    INSERT INTO tasks (task_id, feature_description, target_url, priority, project, request, status, phase, workflow_state, attempt, \
    rank, ready_at, seq, created_at, started_at, completed_at) SELECT 'chimera-' || CAST(100000000000 + n AS TEXT), \
    CAST($3 AS TEXT), 'http://127.0.0.1/', 5, 'past', CAST($4 AS TEXT), CASE WHEN n % 10 = 0 THEN 'failed' ELSE 'completed' END, \
    CASE WHEN n % 10 = 0 THEN 'FAILED' ELSE 'COMPLETE' END, CAST($5 AS TEXT), 5, CAST($6 AS BIGINT) + n, CAST($6 AS BIGINT) + n, \
    CAST($7 AS BIGINT), CAST($6 AS BIGINT) + n, CAST($6 AS BIGINT) + n, CAST($6 AS BIGINT) + n + 1 FROM numbers";
const JOURNAL: &str = "WITH RECURSIVE numbers (n) AS (SELECT CAST(1 AS BIGINT) UNION ALL \
    SELECT n + 1 FROM numbers WHERE n < CAST($1 AS BIGINT)) \
    INSERT INTO journal (task_id, seq, at, event, entry) SELECT tasks.task_id, numbers.n, tasks.created_at, 'settled', CAST($2 AS TEXT) \
    FROM tasks CROSS JOIN numbers WHERE tasks.task_id >= 'chimera-' || CAST(100000000000 + CAST($3 AS BIGINT) AS TEXT) \
    AND tasks.task_id < 'chimera-' || CAST(100000000000 + CAST($3 AS BIGINT) + CAST($4 AS BIGINT) AS TEXT)";

/// Adds ended tasks of the project `past`, numbered from `from` on: one in ten failed, the others were delivered, one each
/// millisecond from `at` on. With a `journal`, each has seven entries, which cannot be read as such.
///
/// # Errors
/// The database's.
pub fn add(tx: &mut Tx<'_>, from: u32, number: u32, at: UnixMillis, journal: bool) -> Result<(), StoreError> {
    let request = Request::new("A feature of the past", "http://127.0.0.1/");
    let workflow = serde_json::to_string(&Workflow::new())?;
    // Blanks at its end change nothing about what JSON says.
    let workflow = format!("{workflow:<WORKFLOW$}");
    let (from, number): (Value, Value) = (i64::from(from).into(), i64::from(number).into());
    let (feature, request) = (request.feature.as_str().into(), serde_json::to_string(&request)?.into());
    let tasks =
        [from.clone(), number.clone(), feature, request, workflow.into(), at.0.into(), ENTRIES.into()];
    tx.execute(TASKS, &tasks)?;
    if !journal {
        return Ok(());
    }
    tx.execute(JOURNAL, &[ENTRIES.into(), "e".repeat(ENTRY).into(), from, number]).map(drop)
}
