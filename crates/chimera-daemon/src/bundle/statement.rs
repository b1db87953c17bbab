//! What is signed: an in-toto statement about the delivered commit, the diff and the manifest.
//!
//! Statement v1, predicate `test-result` v0.1. Annotations of the manifest name the task and the head of its
//! journal.

use super::dossier::Dossier;
use chimera_core::{Digest, Status};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const STATEMENT: &str = "https://in-toto.io/Statement/v1";
const TEST_RESULT: &str = "https://in-toto.io/attestation/test-result/v0.1";
/// The subject that stands for every file.
pub(super) const MANIFEST_SUBJECT: &str = "manifest.json";

/// The statement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    /// The delivered commit and the diff, as far as there are any, and the manifest.
    pub(super) subject: Vec<Resource>,
    predicate_type: String,
    /// What the test showed.
    pub(super) predicate: Predicate,
}

/// A thing, by name and hash.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Resource {
    /// What it is.
    pub(super) name: String,
    /// Hashes by algorithm.
    pub(super) digest: BTreeMap<String, Digest>,
    /// More about it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) annotations: BTreeMap<String, String>,
}

/// What the test showed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Predicate {
    /// `PASSED` if the task is completed, else `FAILED`.
    pub(super) result: String,
    /// The frozen test.
    pub(super) configuration: Vec<Resource>,
    /// The tests that failed before the change and passed after it.
    pub(super) passed_tests: Vec<String>,
    /// None, ever.
    pub(super) warned_tests: Vec<String>,
    /// The tests of a task that was not completed.
    pub(super) failed_tests: Vec<String>,
}

impl Statement {
    /// What there is to say about a task.
    pub(super) fn about(dossier: &Dossier, manifest: &Digest, journal_head: &Digest) -> Self {
        let (task, made) = (&dossier.task, &dossier.task.artifacts);
        let completed = task.status == Status::Completed;
        let commit =
            made.head_commit.as_ref().map(|commit| resource(&dossier.project.branch, "gitCommit", commit));
        let diff = made.diff.as_ref().map(|diff| resource("change.patch", "sha256", diff));
        let mut everything = resource(MANIFEST_SUBJECT, "sha256", manifest);
        everything.annotations.insert("task".to_owned(), task.task_id.clone());
        everything.annotations.insert("journalHead".to_owned(), journal_head.to_string());
        let subject = commit.into_iter().chain(diff).chain([everything]);
        let tests = made.red.as_ref().map(|red| red.test_ids().to_vec()).unwrap_or_default();
        let test = made.test_path.as_ref().zip(made.test_sha256.as_ref());
        let (passed_tests, failed_tests) = if completed { (tests, Vec::new()) } else { (Vec::new(), tests) };
        Self {
            kind: STATEMENT.to_owned(),
            subject: subject.collect(),
            predicate_type: TEST_RESULT.to_owned(),
            predicate: Predicate {
                result: if completed { "PASSED" } else { "FAILED" }.to_owned(),
                configuration: test
                    .map(|(path, sha256)| resource(path, "sha256", sha256))
                    .into_iter()
                    .collect(),
                passed_tests,
                warned_tests: Vec::new(),
                failed_tests,
            },
        }
    }

    /// The hash of the manifest, by which every file is covered.
    pub(super) fn manifest(&self) -> Option<&Digest> {
        let last = self.subject.last().filter(|subject| subject.name == MANIFEST_SUBJECT)?;
        last.digest.get("sha256")
    }
}

fn resource(name: &str, algorithm: &str, digest: &Digest) -> Resource {
    let digest = BTreeMap::from([(algorithm.to_owned(), digest.clone())]);
    Resource { name: name.to_owned(), digest, annotations: BTreeMap::new() }
}
