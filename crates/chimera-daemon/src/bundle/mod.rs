//! Bundles: one archive that proves a delivery to anybody, offline.
//!
//! Writing: `gather` reads task, journal and evidence, `dossier` gives them their words, `report` makes the page
//! for people, [`pack`] puts all of it under one signature and writes the archive. Reading: `open` takes an
//! archive apart and believes nothing, [`verify`](mod@verify) follows journal and reports through the rules of
//! the core again and says what is shown and what is not, [`rerun`](mod@rerun) repeats red and green. Below both: `archive` is
//! a tar of which no byte is free, `manifest` lists the files, `chain` links the journal, `statement` is what is
//! signed, `dsse` the envelope around it, [`key`] the daemon's key, `limits` every limit.

mod archive;
mod chain;
mod dossier;
mod dsse;
mod gather;
pub mod key;
mod limits;
mod manifest;
mod open;
mod pack;
mod report;
pub mod rerun;
mod statement;
#[cfg(test)]
mod tests;
pub mod verify;

pub use gather::{GatherError, Room, gather};
pub use pack::Package;
