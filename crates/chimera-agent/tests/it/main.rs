//! The tests of the rooms, with real processes, git and browsers.

mod author;
mod criteria;
mod delivery;
mod judge;
mod process;
mod toolchain;
