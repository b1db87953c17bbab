//! The tests of the daemon: its rooms with a real store, and the real binary.

mod crash;
mod engine;
mod product;
mod real;
mod script;
mod trouble;
