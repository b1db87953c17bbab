//! The pure core, seen from outside.

mod arrows;
mod docs;
mod fixture;
mod gates;
mod illegal;
mod json;
mod limits;
mod names;
mod proof;
mod queue;
mod replayed;
mod requeue;
mod times;
mod walks;
