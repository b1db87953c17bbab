//! Commands that work on this machine, without a running daemon: what is missing, how to get it, what it can do.

mod backup;
mod bench;
mod demo;
mod doctor;
mod init;
mod prune;
mod restored;
mod setup;
mod torture;
mod transfer;

pub use backup::{Copied, backup};
pub use bench::{Curves, Figure, Hand, Plan, bench, curves, run_hand};
pub use demo::{Stage, stage};
pub use doctor::{Check, Status, doctor, quick, variables};
pub use init::init;
pub(crate) use prune::places;
pub use prune::prune;
pub(crate) use restored::notice_restored;
pub use restored::restored;
pub use setup::setup;
pub use torture::{
    AfterCuts, Audit, Excuse, Findings, Incarnation, PowerCuts, Progress, Torture, Violation, cut_power,
    run_daemon, search, standstills, torture,
};
pub use transfer::{RowsSoFar, Source, drawn, export, import, quiet, reopen};

use crate::config::Config;
use crate::wiring;
use anyhow::Result;

/// Brings the database up to date, and says where it is.
///
/// # Errors
/// If it cannot be opened or belongs to a newer version.
pub async fn migrate(config: &Config) -> Result<String> {
    let store = wiring::open(config)?;
    store.close().await;
    Ok(format!("{} is up to date", config.database))
}
