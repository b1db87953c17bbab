//! What a bundle proves.
//!
//! The bytes are accounted for by `open`; here their meaning is. Nothing that the bundle concludes is believed: the
//! journal goes through the state machine again, the reports through the judge's rules, and both must lead to what
//! is on record. Map: `words` tells people what came of it.

mod words;

use super::chain;
use super::dossier::{Dossier, Exhibit, stretches};
use super::open::{self, Opened};
pub use super::open::{Refused, Trusted};
use super::pack::REPORT;
use super::report;
use super::statement::Statement;
use chimera_core::{
    Artifacts, EvidenceKind, GreenRuns, Reason, RedRuns, Replayed, Shown, Status, TestReport, rejudge, replay,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::Read;

/// What an intact bundle says.
#[derive(Debug, Clone, Serialize)]
pub struct Verdict {
    /// The task.
    pub task_id: String,
    /// What was asked for.
    pub feature: String,
    /// How the task ended.
    pub status: Status,
    /// Why it failed, if it did.
    pub reason: Option<Reason>,
    /// Whether the bundle proves a delivery.
    pub proven: bool,
    /// The key that has signed it.
    pub key_id: String,
    /// Whether that is the key that was asked for; false if none was.
    pub key_trusted: bool,
    /// The branch of the change.
    pub branch: String,
    /// The commit of the change, if there is one.
    pub head_commit: Option<String>,
    /// What holds, one sentence each.
    pub shown: Vec<String>,
    /// What nobody can tell from this bundle.
    pub not_shown: Vec<String>,
}

/// An intact bundle, understood.
pub struct Checked {
    /// What it says.
    pub verdict: Verdict,
    pub(super) dossier: Dossier,
    /// The frozen test, if it is in the bundle.
    pub(super) test: Option<Vec<u8>>,
}

/// Checks a bundle: form, signature, hashes, journal, reports.
///
/// # Errors
/// [`Refused`] if it is not what its signer has signed, or contradicts itself.
pub fn verify(archive: impl Read, trusted: Option<&Trusted>) -> Result<Checked, Refused> {
    let mut opened = open::open(archive, trusted)?;
    let exhibits = std::mem::take(&mut opened.exhibits);
    let chain = std::str::from_utf8(sheet(&opened, "journal.jsonl")?)
        .map_err(|err| err.to_string())
        .and_then(chain::follow)
        .map_err(|why| Refused::because(format!("journal.jsonl: {why}")))?;
    let dossier = Dossier {
        task: read(&opened, "task.json")?,
        request: read(&opened, "request.json")?,
        criteria: read(&opened, "criteria.json")?,
        project: read(&opened, "project.json")?,
        phases: read(&opened, "phases.json")?,
        tools: read(&opened, "tools.json")?,
        journal: chain.entries,
        exhibits,
    };
    if opened.statement != Statement::about(&dossier, &opened.manifest_sha256, &chain.head) {
        return Err(Refused::because("the signed statement is about something else than the files"));
    }
    let replayed = replay(&dossier.journal).map_err(|broken| Refused::because(broken.to_string()))?;
    agrees(&dossier, &replayed)?;
    let proof = Proof::of(&opened, &dossier, &replayed)?;
    let mut verdict =
        words::verdict(&dossier, &proof, &opened.key.id(), trusted.is_some(), opened.files.len() + 2);
    let page = report::render(&dossier, &opened.held, &opened.key.id(), &chain.head);
    words::about_the_page(&mut verdict, sheet(&opened, REPORT)? == page.as_bytes(), &dossier.tools.daemon);
    let test = proof.test;
    Ok(Checked { verdict, dossier, test })
}

/// The task is told as its journal tells it.
fn agrees(dossier: &Dossier, replayed: &Replayed) -> Result<(), Refused> {
    let (task, state) = (&dossier.task, &replayed.state);
    let workflow = &state.workflow;
    let no = |what: &str| Err(Refused::because(format!("task.json tells another {what} than the journal")));
    if task.status != state.status {
        return no("status");
    }
    if !task.status.is_end() {
        return Err(Refused::because("the task has not ended"));
    }
    if (task.reason, task.failed_in, &task.error) != (workflow.reason, workflow.failed_in, &workflow.error) {
        return no("reason");
    }
    if task.artifacts != workflow.artifacts {
        return no("result");
    }
    if dossier.phases != stretches(&dossier.journal) {
        return Err(Refused::because("phases.json tells other times than the journal"));
    }
    Ok(())
}

/// What there is of a proof.
struct Proof {
    /// Why there is none, if there is none.
    missing: Option<String>,
    /// The frozen test, if it is there.
    test: Option<Vec<u8>>,
    /// The red run.
    red: Option<TestReport>,
}

impl Proof {
    fn of(opened: &Opened, dossier: &Dossier, replayed: &Replayed) -> Result<Self, Refused> {
        let have = &dossier.task.artifacts;
        let test = dossier.exhibits.iter().find(|exhibit| {
            exhibit.kind == EvidenceKind::Test && Some(&exhibit.sha256) == have.test_sha256.as_ref()
        });
        let test = test.and_then(|exhibit| content(opened, exhibit)).map(<[u8]>::to_vec);
        let mut proof = Self { missing: None, test, red: None };
        if dossier.task.status != Status::Completed {
            proof.missing = Some("the task did not complete".to_owned());
        } else if let Err(missing) = proof.look(opened, dossier, replayed)? {
            proof.missing = Some(missing);
        }
        Ok(proof)
    }

    /// Judges the reports of a completed task again. What is not in the bundle proves nothing; what is there and
    /// says something else than the record is refused.
    fn look(
        &mut self,
        opened: &Opened,
        dossier: &Dossier,
        replayed: &Replayed,
    ) -> Result<Result<(), String>, Refused> {
        let have = &dossier.task.artifacts;
        if self.test.is_none() {
            return Ok(Err("the frozen test is not in the bundle".to_owned()));
        }
        if !dossier.exhibits.iter().any(|exhibit| is_diff(exhibit, have)) {
            return Ok(Err("the diff is not in the bundle".to_owned()));
        }
        let runs = have.green.as_ref().map_or(0, chimera_core::GreenProof::runs);
        let Some(red) = report(opened, dossier, replayed.red_attempt, "red")? else {
            return Ok(Err("the report of the red run is not in the bundle".to_owned()));
        };
        let mut green = Vec::new();
        for number in 1..=runs {
            match report(opened, dossier, replayed.green_attempt, &format!("green-{number}"))? {
                Some(report) => green.push(report),
                None => return Ok(Err(format!("the report of green run {number} is not in the bundle"))),
            }
        }
        let mut controls = Vec::new();
        for (attempt, label) in [
            (replayed.red_attempt, "control-blank"),
            (replayed.red_attempt, "control-error"),
            (replayed.green_attempt, "control-base"),
        ] {
            match report(opened, dossier, attempt, label)? {
                Some(report) => controls.push(report),
                None => return Ok(Err(format!("the report of the run `{label}` is not in the bundle"))),
            }
        }
        let [blank, error, base_again] = &controls[..] else {
            return Ok(Err("controls are missing".to_owned()));
        };
        let shown = Shown {
            red: RedRuns { base: &red, blank, error },
            green: GreenRuns { passes: &green, base_again },
        };
        rejudge(have, &shown).map_err(|why| Refused::because(why.to_string()))?;
        self.red = Some(red);
        Ok(Ok(()))
    }
}

fn is_diff(exhibit: &Exhibit, have: &Artifacts) -> bool {
    exhibit.kind == EvidenceKind::Diff
        && exhibit.path.is_some()
        && Some(&exhibit.sha256) == have.diff.as_ref()
}

fn content<'a>(opened: &'a Opened, exhibit: &Exhibit) -> Option<&'a [u8]> {
    opened.held.get(exhibit.path.as_ref()?).map(Vec::as_slice)
}

/// The one report of a run.
fn report(
    opened: &Opened,
    dossier: &Dossier,
    attempt: Option<u32>,
    label: &str,
) -> Result<Option<TestReport>, Refused> {
    let mut named = dossier.exhibits.iter().filter(|exhibit| {
        exhibit.kind == EvidenceKind::Report && Some(exhibit.attempt) == attempt && exhibit.label() == label
    });
    let found = named.next().map(|exhibit| read_report(opened, exhibit)).transpose()?.flatten();
    match named.next() {
        None => Ok(found),
        Some(_) => Err(Refused::because(format!("there are two reports of the run `{label}`"))),
    }
}

fn read_report(opened: &Opened, exhibit: &Exhibit) -> Result<Option<TestReport>, Refused> {
    let Some(bytes) = content(opened, exhibit) else { return Ok(None) };
    let parsed = serde_json::from_slice(bytes);
    parsed.map(Some).map_err(|err| Refused::because(format!("`{}`: {err}", exhibit.name.escape_debug())))
}

fn sheet<'a>(opened: &'a Opened, name: &str) -> Result<&'a [u8], Refused> {
    opened.held.get(name).map(Vec::as_slice).ok_or_else(|| Refused::because(format!("{name} is missing")))
}

fn read<T: DeserializeOwned>(opened: &Opened, name: &str) -> Result<T, Refused> {
    serde_json::from_slice(sheet(opened, name)?).map_err(|err| Refused::because(format!("{name}: {err}")))
}
