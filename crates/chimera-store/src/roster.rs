//! The daemons that live: each says so with its heartbeats.

use crate::read::Reading;
use crate::{Row, StoreError, Tx};
use chimera_core::UnixMillis;
use chimera_core::gates::{Daemon, DaemonState};
use std::time::Duration;

const PRESENT: &str = "INSERT INTO daemons (owner, seen_at, expires_at, state) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (owner) DO UPDATE SET seen_at = excluded.seen_at, expires_at = excluded.expires_at, state = excluded.state";
const LEAVE: &str = "DELETE FROM daemons WHERE owner = $1 OR expires_at < $2";
const DAEMONS: &str = "SELECT owner, seen_at, state FROM daemons WHERE expires_at >= $1 ORDER BY owner";

/// Says that a daemon lives, and how; it counts as living for `lease` from now on.
///
/// # Errors
/// The database's.
pub fn present(
    tx: &mut Tx<'_>,
    owner: &str,
    state: &DaemonState,
    now: UnixMillis,
    lease: Duration,
) -> Result<(), StoreError> {
    let state = serde_json::to_string(state)?;
    tx.later(PRESENT, &[owner.into(), now.0.into(), now.plus(lease).0.into(), state.into()])
}

/// Says that a daemon is gone, and forgets those that were not heard of for longer than they promised.
///
/// # Errors
/// The database's.
pub fn leave(tx: &mut Tx<'_>, owner: &str, now: UnixMillis) -> Result<(), StoreError> {
    tx.execute(LEAVE, &[owner.into(), now.0.into()]).map(drop)
}

/// The daemons that live.
///
/// # Errors
/// The database's.
pub fn daemons(tx: &Reading<'_>, now: UnixMillis) -> Result<Vec<Daemon>, StoreError> {
    let daemon = |row: &Row| {
        let state = serde_json::from_str(row.text(2)?)?;
        Ok(Daemon { owner: row.text(0)?.to_owned(), seen_at: UnixMillis(row.int(1)?), state })
    };
    tx.query(DAEMONS, &[now.0.into()])?.iter().map(daemon).collect()
}
