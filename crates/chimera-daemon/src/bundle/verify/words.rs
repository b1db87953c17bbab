//! What a bundle shows and what it does not, in plain words.

use super::{Proof, Verdict};
use crate::bundle::dossier::Dossier;
use chimera_core::{Digest, Status, TestStatus};

/// Says it. `files` is the number of files in the archive.
pub(super) fn verdict(
    dossier: &Dossier,
    proof: &Proof,
    key_id: &str,
    trusted: bool,
    files: usize,
) -> Verdict {
    let task = &dossier.task;
    let mut shown = vec![
        format!("All {files} files are as key {key_id} has signed them, and there are no others."),
        format!(
            "The journal has {} entries, none is missing or changed, and each follows from those before it by the \
             rules of the state machine.",
            dossier.journal.len()
        ),
    ];
    match &proof.missing {
        None => shown.extend(delivery(dossier, proof)),
        Some(_) => shown.push(ending(dossier)),
    }
    Verdict {
        task_id: task.task_id.clone(),
        feature: dossier.request.feature.clone(),
        status: task.status,
        reason: task.reason,
        proven: proof.missing.is_none(),
        key_id: key_id.to_owned(),
        key_trusted: trusted,
        branch: dossier.project.branch.clone(),
        head_commit: task.artifacts.head_commit.as_ref().map(ToString::to_string),
        shown,
        not_shown: not_shown(dossier, proof, trusted),
    }
}

/// Whether the page tells what the other files tell.
pub(super) fn about_the_page(verdict: &mut Verdict, same: bool, written_by: &str) {
    if same {
        verdict.shown.push("report.html tells what the other files tell.".to_owned());
        return;
    }
    verdict.not_shown.push(format!(
        "That report.html tells what the other files tell: chimera-daemon {} writes another page from them than \
         chimera-daemon {written_by} did.",
        env!("CARGO_PKG_VERSION"),
    ));
}

/// What a proven delivery shows.
fn delivery(dossier: &Dossier, proof: &Proof) -> Vec<String> {
    let have = &dossier.task.artifacts;
    let short = |digest: Option<&Digest>| digest.map_or("?", Digest::short).to_owned();
    let (path, test) = (have.test_path.as_deref().unwrap_or("?"), short(have.test_sha256.as_ref()));
    let head = short(have.approved_commit.as_ref());
    let failed = proof.red.iter().flat_map(|report| &report.tests);
    let failed = failed.filter(|test| test.status == TestStatus::AssertionFailed).count();
    let runs = have.green.as_ref().map_or(0, chimera_core::GreenProof::runs);
    let red = have.red.as_ref();
    vec![
        format!(
            "Red: before the change, {failed} of {} tests in {path} (SHA-256 {test}) failed by their own assertions \
             on commit {}.",
            red.map_or(0, |red| red.test_ids().len()),
            short(red.map(chimera_core::RedProof::revision)),
        ),
        format!("Green: the same test, byte for byte, passed {runs} times in a row on commit {head}."),
        "Controls: it failed on a blank page and on an error page at the same address, and again without the change \
         after it had passed with it."
            .to_owned(),
        format!("Commit {head} is the one that every reviewer approved and that staging said it served."),
    ]
}

/// How a task ended that proves nothing.
fn ending(dossier: &Dossier) -> String {
    let task = &dossier.task;
    match (task.status, task.reason) {
        (Status::Failed, Some(reason)) => format!(
            "The task failed in {}: {reason}. {}",
            task.failed_in.map_or("?", chimera_core::Phase::as_str),
            task.error.as_deref().unwrap_or_default()
        ),
        (status, _) => format!("The task is {status}."),
    }
}

fn not_shown(dossier: &Dossier, proof: &Proof, trusted: bool) -> Vec<String> {
    let mut open = Vec::new();
    if let Some(missing) = &proof.missing {
        open.push(format!("A delivery: {missing}."));
    }
    if !trusted {
        open.push(
            "Whose key that is. Anybody can make a key and sign with it; ask whoever runs the daemon for the output of \
             `chimera-daemon key`, and give it with --key."
                .to_owned(),
        );
    }
    if proof.missing.is_none() {
        open.push(
            "That the runs took place as reported: that is the word of whoever holds the key. --rerun repeats them on \
             this machine."
                .to_owned(),
        );
        open.push("That the change does nothing else: read the diff.".to_owned());
    }
    let left_out = dossier.exhibits.iter().filter(|exhibit| exhibit.path.is_none()).count();
    if left_out > 0 {
        open.push(format!(
            "{left_out} pieces of evidence: they are not in the bundle; evidence.json says why."
        ));
    }
    open
}
