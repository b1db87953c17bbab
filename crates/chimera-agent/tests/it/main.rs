//! The tests of the rooms, with real processes, git and browsers.

mod author;
mod criteria;
mod judge;
mod process;
mod toolchain;
