//! What a heartbeat writes, by the tasks that its daemon runs.

use super::{Figure, quantile};
use crate::local::bench::empty::task;
use crate::local::bench::process;
use crate::seams::{Clock, Dice};
use anyhow::Result;
use chimera_core::gates::DaemonState;
use chimera_core::{Gates, UnixMillis};
use chimera_store::queue::{self, Claim};
use chimera_store::submit::submit;
use chimera_store::{Database, Options, Store, StoreError, Tx, heartbeat, raw};
use std::time::Duration;

/// Tasks that the daemon runs.
const RUNNING: [u32; 3] = [1, 100, 1000];
/// Heartbeats whose median counts: a server writes more at the first change of a page after a checkpoint.
const BEATS: usize = 11;
/// How long the leases last.
const LEASE: Duration = Duration::from_secs(30);
/// The daemon.
const OWNER: &str = "curves";

pub(super) async fn measure(database: &Database) -> Result<Vec<Figure>> {
    let store = Store::open(database, &Options { readers: 1, ..Options::default() })?;
    let (mut figures, mut running, dice) = (Vec::new(), 0, Dice::system());
    for number in RUNNING {
        let news: Vec<_> = (running..number).map(|_| task(&dice)).collect();
        let (now, limit) = (Clock::system().now(), number - running);
        let take = move |tx: &mut Tx<'_>| {
            news.iter().try_for_each(|new| submit(tx, new).map(drop))?;
            let gates = &Gates::default();
            queue::claim(tx, &Claim { owner: OWNER, now, limit, gates }).map(|tasks| tasks.len())
        };
        running += u32::try_from(store.write(take).await?)?;
        let mut bytes = Vec::with_capacity(BEATS);
        for _ in 0..BEATS {
            let (now, before) = (Clock::system().now(), written(&store).await?);
            store.write(move |tx| beat(tx, now)).await?;
            #[expect(clippy::cast_precision_loss, reason = "a number for people")]
            bytes.push((written(&store).await? - before) as f64);
        }
        let how = format!("written for a heartbeat of a daemon that runs {running} tasks; median of {BEATS}");
        figures.push(Figure::new(format!("heartbeat_{number}"), quantile(&mut bytes, 0.5), "bytes", how));
    }
    store.close().await;
    Ok(figures)
}

/// What the engine does at each heartbeat to keep its tasks.
fn beat(tx: &mut Tx<'_>, now: UnixMillis) -> Result<(), StoreError> {
    heartbeat::beat(tx, OWNER, &DaemonState::default(), now, LEASE).map(drop)
}

/// Bytes written so far: into the server's log, or by this process, which is the only one that has the file open.
async fn written(store: &Store) -> Result<u64> {
    match store.read(raw::log_bytes).await? {
        Some(bytes) => Ok(bytes),
        None => process::bytes_written(),
    }
}
