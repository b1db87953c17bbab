//! The history of the schema: forward only, checksummed.

use crate::session::{Dialect, Session};
use crate::{StoreError, patience};
use chimera_core::VOCABULARY;
use sha2::{Digest as _, Sha256};

/// Every migration, in order; the first one has version 1. What is released here never changes.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_init.sql"),
    include_str!("migrations/0002_times.sql"),
    include_str!("migrations/0003_trash.sql"),
    include_str!("migrations/0004_homes.sql"),
    include_str!("migrations/0005_gates.sql"),
    include_str!("migrations/0006_pause_end.sql"),
    include_str!("migrations/0007_counts.sql"),
    include_str!("migrations/0008_trash_order.sql"),
    include_str!("migrations/0009_leases.sql"),
];

const CREATE: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (version BIGINT NOT NULL PRIMARY KEY, sha256 TEXT NOT NULL)";
const VERSION: &str = "SELECT COALESCE(MAX(version), 0) FROM schema_migrations";
const CHECKSUM: &str = "SELECT sha256 FROM schema_migrations WHERE version = $1";
const RECORD: &str = "INSERT INTO schema_migrations (version, sha256) VALUES ($1, $2)";
/// What the migrations call the type of a row number that the database gives.
const ROW_NUMBER: &str = "INTEGER PRIMARY KEY";
/// Where a migration has what each database says in its own words.
const COUNTING: &str = "-- How the database counts.";
const LANES: &str = "-- The lane of a waiting task.";

/// The migration that made the table of the vocabulary.
const WORDS_SINCE: i64 = 9;
/// The vocabulary that the database may have words of.
pub(crate) const WORDS: &str = "SELECT COALESCE(MAX(number), 0) FROM vocabulary";
const NEW_WORDS: &str = "UPDATE vocabulary SET number = $1 WHERE number < $1";

/// Refuses a database in whose JSON a newer version may have written words that this one does not know; otherwise says
/// which ones this version may write.
fn words(session: &dyn Session, place: &str) -> Result<(), StoreError> {
    known_words(session, place)?;
    session.execute(NEW_WORDS, &[VOCABULARY.into()]).map(drop)
}

/// Refuses words that this version does not know.
fn known_words(session: &dyn Session, place: &str) -> Result<(), StoreError> {
    must_be_known(session.query(WORDS, &[])?.first().map_or(Ok(0), |row| row.int(0))?, place)
}

/// Refuses the words of a vocabulary that this version does not know.
pub(crate) fn must_be_known(found: i64, place: &str) -> Result<(), StoreError> {
    let known = VOCABULARY;
    if found > known { Err(StoreError::NewerWords { place: place.to_owned(), found, known }) } else { Ok(()) }
}

/// The schema of this version.
pub(crate) fn newest() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// The version of the schema, which is looked at only; 0 if there is none yet.
pub(crate) fn version(session: &dyn Session, place: &str) -> Result<i64, StoreError> {
    let has_history = session.query(session.dialect().has_history, &[])?;
    if has_history.first().map_or(Ok(0), |row| row.int(0))? == 0 {
        return Ok(0);
    }
    let found = session.query(VERSION, &[])?.first().map_or(Ok(0), |row| row.int(0))?;
    if found > newest() {
        return Err(StoreError::Newer { place: place.to_owned(), found, known: newest() });
    }
    for (version, sql) in (1..=found).zip(MIGRATIONS) {
        let applied = session.query(CHECKSUM, &[version.into()])?;
        if applied.first().map(|row| row.text(0)).transpose()? != Some(checksum(sql).as_str()) {
            return Err(StoreError::Checksum { place: place.to_owned(), version });
        }
    }
    if found >= WORDS_SINCE {
        known_words(session, place)?;
    }
    Ok(found)
}

/// Brings the schema up to date, or says why not; `place` names the database in the complaint.
pub(crate) fn run(session: &dyn Session, place: &str, migrate: bool) -> Result<(), StoreError> {
    session.batch(session.dialect().begin_write)?;
    let done = patience::take_long(session).and_then(|()| bring_up(session, place, migrate));
    if done.is_err() && session.in_transaction() {
        session.batch("ROLLBACK")?;
    }
    done
}

fn bring_up(session: &dyn Session, place: &str, migrate: bool) -> Result<(), StoreError> {
    if let Some(sql) = session.dialect().order_migrations {
        session.batch(sql)?;
    }
    session.batch(CREATE)?;
    let found = session.query(VERSION, &[])?.first().map_or(Ok(0), |row| row.int(0))?;
    let known = newest();
    if found > known {
        return Err(StoreError::Newer { place: place.to_owned(), found, known });
    }
    if found < known && found > 0 && !migrate {
        return Err(StoreError::Outdated { place: place.to_owned(), found, known });
    }
    for (version, sql) in (1_i64..).zip(MIGRATIONS) {
        let sum = checksum(sql);
        let applied = session.query(CHECKSUM, &[version.into()])?;
        match applied.first().map(|row| row.text(0)).transpose()? {
            Some(applied) if applied == sum => {}
            Some(_) => return Err(StoreError::Checksum { place: place.to_owned(), version }),
            None => {
                session.batch(&in_dialect(sql, session.dialect()))?;
                session.execute(RECORD, &[version.into(), sum.into()])?;
            }
        }
    }
    words(session, place)?;
    if found < known {
        session.dialect().tuning.iter().try_for_each(|sql| session.batch(sql))?;
    }
    session.batch("COMMIT")
}

/// A migration in the words of a database.
fn in_dialect(sql: &str, dialect: &Dialect) -> String {
    let parts = [(ROW_NUMBER, dialect.row_number), (COUNTING, dialect.counting), (LANES, dialect.lanes)];
    parts.iter().fold(sql.to_owned(), |sql, (part, words)| sql.replace(part, words))
}

fn checksum(sql: &str) -> String {
    Sha256::digest(sql.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
