//! The tests of the daemon: its rooms with a real store, and the real binary.

mod engine;
mod script;
