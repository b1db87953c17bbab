//! Writing a queue into a file.

use super::{Counts, Header, PAGE, end_line, hex, tables, transfer};
use crate::read::Reading;
use crate::{Row, StoreError, Value};
use sha2::{Digest as _, Sha256};
use std::io::Write;

/// Writes everything that a snapshot of the database has; `tell` hears how many rows there are so far.
///
/// # Errors
/// The database's; [`StoreError::Transfer`] if the file cannot be written.
pub fn write_out(
    tx: &Reading<'_>,
    header: &Header,
    out: &mut dyn Write,
    tell: &mut dyn FnMut(u64),
) -> Result<Counts, StoreError> {
    let mut out = Lines { out, hash: Sha256::new() };
    out.line(&header.line())?;
    let (mut counts, mut all) = (Counts::new(), 0);
    for table in tables::all(tx)? {
        out.line(&serde_json::json!({"table": table.name, "columns": table.columns}))?;
        let (mut rows, mut last) = (0, None::<Row>);
        loop {
            let page = table.page(tx, last.as_ref(), PAGE)?;
            for row in &page {
                out.line(&row.0.iter().map(shown).collect::<Vec<_>>().into())?;
            }
            rows += page.len() as u64;
            all += page.len() as u64;
            tell(all);
            let more = page.len() >= PAGE;
            last = page.into_iter().next_back();
            if !more {
                break;
            }
        }
        counts.insert(table.name, rows);
    }
    let sha256 = hex(&out.hash.clone().finalize());
    out.line(&end_line(&counts, &sha256))?;
    out.out.flush().map_err(|err| unwritable(&err))?;
    Ok(counts)
}

struct Lines<'a> {
    out: &'a mut dyn Write,
    hash: Sha256,
}

impl Lines<'_> {
    fn line(&mut self, value: &serde_json::Value) -> Result<(), StoreError> {
        let mut text = serde_json::to_vec(value)?;
        text.push(b'\n');
        self.hash.update(&text);
        self.out.write_all(&text).map_err(|err| unwritable(&err))
    }
}

fn unwritable(err: &std::io::Error) -> StoreError {
    transfer(format!("the file cannot be written: {err}"))
}

fn shown(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Int(value) => (*value).into(),
        Value::Text(text) => text.as_str().into(),
    }
}
