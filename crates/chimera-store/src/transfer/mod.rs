//! A whole queue as lines of JSON, to move it between databases.
//!
//! The first line is the [`Header`]. Then each table: a line with its name and columns, and a line per row. The last
//! line has the number of rows of each table and the SHA-256 of all lines before it, so that a file that was cut
//! off or damaged is known as such before anything is written. Map: `out` writes, `back` reads, `tables` asks a
//! database what it has.

mod back;
mod out;
mod tables;

pub use back::{Checked, check, read_in};
pub use out::write_out;

use crate::StoreError;
use chimera_core::UnixMillis;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The format that is written and read.
const FORMAT: i64 = 1;
/// Rows read or written by one statement.
const PAGE: usize = 100;

/// What a file says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The schema of the database that it came from.
    pub schema: i64,
    /// The version of the daemon that wrote it.
    pub daemon: String,
    /// When.
    pub at: UnixMillis,
    /// Whether the queue was closed before: nobody works on its tasks any more.
    pub moved: bool,
}

/// Rows by table.
pub type Counts = BTreeMap<String, u64>;

impl Header {
    /// That of a file written now, from a database of this version.
    pub fn new(daemon: &str, at: UnixMillis, moved: bool) -> Self {
        Self { schema: crate::migrate::newest(), daemon: daemon.to_owned(), at, moved }
    }

    fn line(&self) -> Value {
        json!({"chimera_queue": FORMAT, "schema": self.schema, "daemon": self.daemon, "at": self.at, "moved": self.moved})
    }

    fn read(line: &Value) -> Result<Self, StoreError> {
        let format = line["chimera_queue"].as_i64();
        let format = format.ok_or_else(|| transfer("this is no export of a Chimera queue"))?;
        if format != FORMAT {
            return Err(transfer(format!("the file has format {format}, this version reads {FORMAT}")));
        }
        let number = |name: &str| {
            line[name].as_i64().ok_or_else(|| transfer(format!("the first line has no `{name}`")))
        };
        Ok(Self {
            schema: number("schema")?,
            daemon: line["daemon"].as_str().unwrap_or_default().to_owned(),
            at: UnixMillis(number("at")?),
            moved: line["moved"] == true,
        })
    }
}

fn end_line(counts: &Counts, sha256: &str) -> Value {
    let counts: Map<String, Value> =
        counts.iter().map(|(name, rows)| (name.clone(), (*rows).into())).collect();
    json!({"end": counts, "sha256": sha256})
}

fn transfer(detail: impl Into<String>) -> StoreError {
    StoreError::Transfer(detail.into())
}

fn hex(hash: &[u8]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}
