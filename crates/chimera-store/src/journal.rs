//! Appending to the journal and the evidence index.

use crate::change::Statement;
use crate::session::Session;
use crate::{StoreError, Tx, Value};
use chimera_core::{Entry, Evidence, TaskId};

static APPEND: Statement = Statement::append(
    "journal (task_id, seq, at, event, entry)",
    &["TEXT", "BIGINT", "BIGINT", "TEXT", "TEXT"],
);
const LAST_POSITION: &str = "SELECT COALESCE(MAX(position), 0) FROM evidence WHERE task_id = $1";
const INDEX: &str = "INSERT INTO evidence (task_id, position, sha256, entry) VALUES ($1, $2, $3, $4)";

/// Appends an entry at the commit; the sequence number makes a second one of the same number impossible.
pub(crate) fn append(tx: &mut Tx<'_>, id: &TaskId, seq: i64, entry: &Entry) -> Result<(), StoreError> {
    let text = serde_json::to_string(entry)?;
    let kind = entry.kind.as_str();
    tx.journal(vec![id.as_str().into(), seq.into(), entry.at.0.into(), kind.into(), text.into()]);
    Ok(())
}

/// Writes what was appended during a transaction, at the latest with its commit.
pub(crate) fn write(session: &dyn Session, rows: &[Vec<Value>]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    if let Some(sql) = session.dialect().order_commits {
        session.later(sql, &[])?;
    }
    APPEND.execute_later(session, rows)
}

/// Adds files to the evidence index.
pub(crate) fn index(tx: &mut Tx<'_>, id: &TaskId, evidence: &[Evidence]) -> Result<(), StoreError> {
    if evidence.is_empty() {
        return Ok(());
    }
    let last = match tx.first(LAST_POSITION, &[id.as_str().into()])? {
        Some(row) => row.int(0)?,
        None => 0,
    };
    for (position, entry) in (last + 1..).zip(evidence) {
        let text = serde_json::to_string(entry)?;
        let params = [id.as_str().into(), position.into(), entry.sha256.as_str().into(), text.into()];
        tx.execute(INDEX, &params)?;
    }
    Ok(())
}
