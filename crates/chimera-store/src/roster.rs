//! The daemons that live: each says so with its heartbeats, which extend its lease (see `lease`).

use crate::read::Reading;
use crate::{Row, StoreError, Tx};
use chimera_core::UnixMillis;
use chimera_core::gates::{Daemon, DaemonState};

const LEAVE: &str = "DELETE FROM daemons WHERE owner = $1";
const SAY: &str = "UPDATE daemons SET state = $1 WHERE owner = $2";
const DAEMONS: &str = "SELECT owner, seen_at, state FROM daemons WHERE expires_at >= $1 ORDER BY owner";

/// Says that a daemon is gone, which gives up its lease.
///
/// # Errors
/// The database's.
pub fn leave(tx: &mut Tx<'_>, owner: &str) -> Result<(), StoreError> {
    tx.execute(LEAVE, &[owner.into()]).map(drop)
}

/// Says how a daemon is, without a heartbeat.
pub(crate) fn say(tx: &mut Tx<'_>, owner: &str, state: &DaemonState) -> Result<(), StoreError> {
    tx.later(SAY, &[serde_json::to_string(state)?.into(), owner.into()])
}

/// The daemons that live.
///
/// # Errors
/// The database's.
pub fn daemons(tx: &Reading<'_>, now: UnixMillis) -> Result<Vec<Daemon>, StoreError> {
    let daemon = |row: &Row| {
        // A newer one may say more than can be read here; that it lives is what counts.
        let state = serde_json::from_str(row.text(2)?).unwrap_or_default();
        Ok(Daemon { owner: row.text(0)?.to_owned(), seen_at: UnixMillis(row.int(1)?), state })
    };
    tx.query(DAEMONS, &[now.0.into()])?.iter().map(daemon).collect()
}
