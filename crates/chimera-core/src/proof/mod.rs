//! What counts as red and what counts as green, decided from reports alone.
//!
//! A judge runs the frozen test and reads the reports; these functions say what they mean. A proof can be
//! made in no other way than from reports that hold up, negative controls included. All rules, with their
//! reasons, are in `docs/proof.md`.

mod green;
mod red;

pub use green::{GreenProof, GreenRuns, NotGreen};
pub use red::{FailedStep, NotRed, Reach, RedProof, RedRuns};
