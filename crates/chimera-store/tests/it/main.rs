//! The store, tried from outside on real files.

mod claim;
mod fixture;
mod lease;
mod lists;
mod opening;
mod postgres;
mod scratch;
mod steer;
mod submit;
mod walk;
mod write;
