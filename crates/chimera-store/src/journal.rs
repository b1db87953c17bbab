//! Appending to the journal and the evidence index.

use crate::{StoreError, Tx};
use chimera_core::{Entry, Evidence, TaskId};

const APPEND: &str = "INSERT INTO journal (task_id, seq, at, event, entry) VALUES ($1, $2, $3, $4, $5)";
const LAST_POSITION: &str = "SELECT COALESCE(MAX(position), 0) FROM evidence WHERE task_id = $1";
const INDEX: &str = "INSERT INTO evidence (task_id, position, sha256, entry) VALUES ($1, $2, $3, $4)";

/// Appends an entry; the sequence number makes a second one of the same number impossible.
pub(crate) fn append(tx: &mut Tx<'_>, id: &TaskId, seq: i64, entry: &Entry) -> Result<(), StoreError> {
    let text = serde_json::to_string(entry)?;
    let params = [id.as_str().into(), seq.into(), entry.at.0.into(), entry.kind.as_str().into(), text.into()];
    tx.execute(APPEND, &params)?;
    Ok(())
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
