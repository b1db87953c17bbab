//! The tests of the rooms, with real processes, git and browsers.

mod answers;
mod author;
mod browser;
mod capture;
mod check;
mod check_messages;
mod check_typescript;
mod coder;
mod command;
mod criteria;
mod delivery;
mod failing;
mod fixture;
mod gate;
mod guardian;
mod judge;
mod litter;
mod playwright_test;
mod process;
mod prompts;
mod scratch;
mod staging;
mod toolchain;
mod vault;
mod waiting;
mod workspace;
