//! Judging the reports of a delivery again.
//!
//! A proof on record is a claim; the reports beside it must lead to the same proof once more.

use crate::{Artifacts, GreenProof, RedProof, TestReport};

/// The reports that a proven delivery has to show.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// The run on the base.
    pub red: &'a TestReport,
    /// The consecutive runs on the change.
    pub green: &'a [TestReport],
    /// Runs that had to fail, such as one on an empty page, under their names.
    pub controls: &'a [(String, TestReport)],
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
    match RedProof::judge(shown.red, red.test_sha256().clone(), red.revision().clone(), red.at()) {
        Ok(again) if again == *red => {}
        Ok(again) => {
            return no(format!("red ran {:?}, but {:?} are on record", again.test_ids(), red.test_ids()));
        }
        Err(why) => return no(format!("the red run proves no red: {why}")),
    }
    let (test, revision) = (green.test_sha256().clone(), green.revision().clone());
    match GreenProof::judge(red, shown.green, green.runs(), test, revision, green.at()) {
        Ok(again) if again == *green => {}
        Ok(again) => return no(format!("{} green runs, but {} are on record", again.runs(), green.runs())),
        Err(why) => return no(format!("the green runs prove no green: {why}")),
    }
    for (name, report) in shown.controls {
        if let Err(why) = RedProof::judge(report, red.test_sha256().clone(), red.revision().clone(), red.at())
        {
            return no(format!("the control `{name}` is not red: {why}"));
        }
    }
    Ok(())
}
