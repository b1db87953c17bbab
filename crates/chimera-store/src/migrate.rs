//! The history of the schema: forward only, checksummed.

use crate::StoreError;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use sha2::{Digest as _, Sha256};
use std::path::Path;

/// Every migration, in order; the first one has version 1. What is released here never changes.
const MIGRATIONS: &[&str] = &[include_str!("migrations/0001_init.sql")];

const CREATE: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (version BIGINT NOT NULL PRIMARY KEY, sha256 TEXT NOT NULL)";
const VERSION: &str = "SELECT COALESCE(MAX(version), 0) FROM schema_migrations";
const CHECKSUM: &str = "SELECT sha256 FROM schema_migrations WHERE version = $1";
const RECORD: &str = "INSERT INTO schema_migrations (version, sha256) VALUES ($1, $2)";

/// Brings the schema up to date, or says why not.
pub(crate) fn run(connection: &mut Connection, path: &Path, migrate: bool) -> Result<(), StoreError> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    tx.execute(CREATE, [])?;
    let found: i64 = tx.query_row(VERSION, [], |row| row.get(0))?;
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(StoreError::Newer { path: path.to_owned(), found, known });
    }
    if found < known && found > 0 && !migrate {
        return Err(StoreError::Outdated { path: path.to_owned(), found, known });
    }
    for (version, sql) in (1..).zip(MIGRATIONS) {
        let sum = checksum(sql);
        let applied: Option<String> = tx.query_row(CHECKSUM, [version], |row| row.get(0)).optional()?;
        match applied {
            Some(applied) if applied == sum => {}
            Some(_) => return Err(StoreError::Checksum { path: path.to_owned(), version }),
            None => {
                tx.execute_batch(sql)?;
                tx.execute(RECORD, rusqlite::params![version, sum])?;
            }
        }
    }
    Ok(tx.commit()?)
}

fn checksum(sql: &str) -> String {
    Sha256::digest(sql.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
