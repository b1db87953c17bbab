//! The store, tried from outside on real files.

mod after;
mod batch;
mod cancel;
mod claim;
mod counts;
mod dead;
mod files;
mod fixture;
mod gates;
mod home;
mod lease;
mod lists;
mod opening;
mod postgres;
mod prune;
mod scratch;
mod steer;
mod submit;
mod times;
mod together;
mod transfer;
mod walk;
mod write;
