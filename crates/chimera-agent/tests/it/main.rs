//! The tests of the rooms, with real processes, git and browsers.

mod criteria;
mod process;
