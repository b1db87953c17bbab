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

/// The report in a bundle.
///
/// # Errors
/// If the bundle cannot be read, or has none.
pub fn report_in(bundle: impl std::io::Read) -> anyhow::Result<Vec<u8>> {
    let mut archive = archive::Reader::new(bundle);
    while let Some((name, size)) = archive.next()? {
        let mut content = Vec::new();
        archive.content(size, |part| {
            if name == pack::REPORT {
                content.extend_from_slice(part);
            }
        })?;
        if name == pack::REPORT {
            return Ok(content);
        }
    }
    anyhow::bail!("the bundle has no {}", pack::REPORT)
}
