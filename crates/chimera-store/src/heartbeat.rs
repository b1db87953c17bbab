//! The heartbeat of a daemon: one transaction that extends its lease and tells it what it has to know, in two round trips.

use crate::lease::{self, HELD, Held};
use crate::migrate::{self, WORDS};
use crate::read::Reading;
use crate::{Row, StoreError, Tx, hold};
use chimera_core::UnixMillis;
use chimera_core::gates::DaemonState;
use std::time::Duration;

const SET_VOCABULARY: &str = "UPDATE vocabulary SET number = $1";
/// Whether there is anything that [`forget`] forgets.
const FORGETTABLE: &str = "SELECT CAST(CASE WHEN EXISTS (SELECT 1 FROM pauses WHERE ends_at <= $1) \
    OR EXISTS (SELECT 1 FROM breakers WHERE failed_at < $2 AND opened_at IS NULL) \
    OR EXISTS (SELECT 1 FROM daemons WHERE expires_at < $3) THEN 1 ELSE 0 END AS BIGINT)";

/// What every process of the daemon has to know of the database now and then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// The time of its server; nothing if it is on this machine anyway.
    pub server_time: Option<UnixMillis>,
    vocabulary: i64,
}

impl Facts {
    /// Fails if a newer version has brought words into the database that this one does not know: it must not go on.
    ///
    /// # Errors
    /// [`StoreError::NewerWords`].
    pub fn understood(&self) -> Result<(), StoreError> {
        migrate::must_be_known(self.vocabulary, "the database")
    }

    fn of(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { vocabulary: row.int(1)?, server_time: row.maybe_int(2)?.map(UnixMillis) })
    }
}

/// What the database says at a heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    /// The tasks that the daemon holds.
    pub held: Vec<Held>,
    /// The rest.
    pub facts: Facts,
}

/// Extends the lease of a daemon, for `lease` from now on.
///
/// # Errors
/// The database's.
pub fn beat(
    tx: &mut Tx<'_>,
    owner: &str,
    state: &DaemonState,
    now: UnixMillis,
    lease: Duration,
) -> Result<Beat, StoreError> {
    lease::extend(tx, owner, state, now, lease)?;
    let rows = tx.query(&format!("{HELD} UNION ALL {}", facts_of(tx)), &[owner.into()])?;
    // No task is called like that.
    let (facts, held): (Vec<&Row>, Vec<&Row>) =
        rows.iter().partition(|row| row.text(0).is_ok_and(str::is_empty));
    let facts = facts.first().map(|row| Facts::of(row)).transpose()?;
    let facts = facts.ok_or_else(|| StoreError::Corrupt("the heartbeat is not answered".to_owned()))?;
    Ok(Beat { held: held.into_iter().map(Held::of).collect::<Result<_, _>>()?, facts })
}

/// What a process has to know that has no heartbeat.
///
/// # Errors
/// The database's.
pub fn facts(tx: &Reading<'_>) -> Result<Facts, StoreError> {
    let row = tx.first(&facts_of(tx), &[])?;
    row.as_ref()
        .map(Facts::of)
        .transpose()?
        .ok_or_else(|| StoreError::Corrupt("nothing is answered".to_owned()))
}

/// Says which words may be in the database, as a newer version does. For trying out what this one does then.
///
/// # Errors
/// The database's.
pub fn set_vocabulary(tx: &mut Tx<'_>, number: i64) -> Result<(), StoreError> {
    tx.execute(SET_VOCABULARY, &[number.into()]).map(drop)
}

/// A row like those of [`HELD`].
fn facts_of(tx: &Reading<'_>) -> String {
    let time = tx.dialect().server_time.map_or("CAST(NULL AS BIGINT)".to_owned(), |sql| format!("({sql})"));
    format!("SELECT '', ({WORDS}), {time}")
}

/// Whether [`forget`] has anything to do.
///
/// # Errors
/// The database's.
pub fn is_anything_forgettable(
    tx: &Reading<'_>,
    now: UnixMillis,
    gone_before: UnixMillis,
) -> Result<bool, StoreError> {
    let params = [now.0.into(), hold::forgotten_before(now).0.into(), gone_before.0.into()];
    tx.first(FORGETTABLE, &params)?.map_or(Ok(false), |row| Ok(row.int(0)? != 0))
}

/// Forgets what counts no more: pauses that have ended, failures of another time, daemons whose lease ran out before
/// `gone_before`.
///
/// # Errors
/// The database's.
pub fn forget(tx: &mut Tx<'_>, now: UnixMillis, gone_before: UnixMillis) -> Result<(), StoreError> {
    hold::forget(tx, now)?;
    lease::forget(tx, gone_before)
}
