//! The daemon: configuration, intake, engine, web and command line.
//!
//! Data flows one way: [`intake`] checks a request and queues it, [`engine`] claims it and has it carried
//! out, [`web`] and [`cli`] show what the store knows, [`bundle`] hands it out as
//! a proof that anybody can check, [`care`] removes what ended long ago, `staged` looks after staged changes.
//! [`wiring`] puts them together.

pub mod bundle;
pub mod care;
pub mod cli;
pub mod config;
mod data_dir;
pub mod engine;
mod first_process;
pub mod intake;
pub mod local;
mod machine;
pub mod seams;
mod staged;
mod surroundings;
pub mod web;
pub mod wiring;
