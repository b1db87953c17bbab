//! Judging the reports of a delivery again.
//!
//! A proof on record is a claim; the reports beside it must lead to the same proof once more.

use crate::{Artifacts, GreenProof, GreenRuns, RedProof, RedRuns};

/// The reports that a proven delivery has to show.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// The runs before the change.
    pub red: RedRuns<'a>,
    /// The runs after the change.
    pub green: GreenRuns<'a>,
}

/// The reports do not lead to the proofs on record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Disagreement(String);

/// Judges the reports again, and compares with what is on record.
///
/// # Errors
/// [`Disagreement`] if a proof is missing, or the reports lead to none or to another.
pub fn rejudge(record: &Artifacts, shown: &Shown<'_>) -> Result<(), Disagreement> {
    let no = |why: String| Err(Disagreement(why));
    let (Some(red), Some(green)) = (&record.red, &record.green) else {
        return no("there is no red and green run on record".to_owned());
    };
    let at_origin = |again: RedProof| match red.origin() {
        Some(origin) => again.at_origin(origin),
        None => again,
    };
    let again = RedProof::judge(&shown.red, red.test_sha256().clone(), red.revision().clone(), red.at());
    match again.map(at_origin) {
        Ok(again) if again == *red => {}
        Ok(again) => {
            return no(format!("red ran {:?}, but {:?} are on record", again.test_ids(), red.test_ids()));
        }
        Err(why) => return no(format!("the runs before the change prove no red: {why}")),
    }
    let (test, revision) = (green.test_sha256().clone(), green.revision().clone());
    match GreenProof::judge(red, &shown.green, green.runs(), test, revision, green.at()) {
        Ok(again) if again == *green => {}
        Ok(again) => return no(format!("{} green runs, but {} are on record", again.runs(), green.runs())),
        Err(why) => return no(format!("the runs after it prove no green: {why}")),
    }
    Ok(())
}
