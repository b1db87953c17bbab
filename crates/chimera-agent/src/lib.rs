//! Everything Chimera does to the outside: agents, processes, git, browsers, staging.
//!
//! This crate cannot reach the database, by construction: it takes an [`runner::Attempt`], works, and gives
//! back a [`runner::Report`]. Map: [`runner`] is the seam to the engine; [`delivery`] carries out the five
//! phases with the rooms below it: [`command`] and the built-ins ([`author`], [`coder`], [`guardian`]) are
//! the agents, [`criteria`] their language, [`judge`] decides red and green, [`staging`] serves commits,
//! [`workspace`] keeps git, [`process`] supervises every subprocess, [`vault`] keeps evidence,
//! [`toolchain`] finds and installs the browser and Python, [`scratch`] makes temporary directories, [`remove`] removes
//! what others have left, `blocking` keeps long work of the file system from holding up the rest.

pub mod author;
mod blocking;
pub mod coder;
pub mod command;
pub mod criteria;
pub mod delivery;
pub mod guardian;
pub mod judge;
pub mod process;
pub mod remove;
pub mod runner;
pub mod scratch;
pub mod spec;
pub mod staging;
pub mod toolchain;
pub mod vault;
pub mod workspace;
