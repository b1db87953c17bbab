//! The tests of the daemon: its rooms with a real store, and the real binary.

mod api;
mod batch;
mod bundle;
mod cancel;
mod cli;
mod connect;
mod crash;
mod crowd;
mod data_dir;
mod dead;
mod doctor;
mod engine;
mod fence;
mod frozen;
mod gates;
mod held;
mod http;
mod logs;
mod newer;
mod notebook;
mod playwright_test;
mod product;
mod reads;
mod real;
mod record;
mod restored;
#[path = "../../../chimera-store/tests/it/scratch.rs"]
mod scratch;
mod script;
#[path = "../../src/local/torture/server.rs"]
mod server;
mod shows;
mod silence;
mod sim;
mod solo;
mod stage;
mod staged;
mod surroundings;
mod tidy;
mod times;
mod tools;
mod transfer;
mod trouble;
mod two_daemons;
mod wake;
mod watch;
