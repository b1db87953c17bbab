//! What a bundle tells of a task, in the words of its files.
//!
//! Each field here is one file of the bundle. The writer fills it from the database, the verifier from the
//! archive; the report is made of it and of nothing else.

use chimera_agent::criteria;
use chimera_agent::delivery::start_path;
use chimera_agent::spec::Staging;
use chimera_core::{
    Artifacts, Digest, Entry, EntryKind, EvidenceKind, Outcome, Phase, Reason, Request, Status, Task,
    UnixMillis, Usage,
};
use serde::{Deserialize, Serialize};

/// Everything but the evidence files themselves.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Dossier {
    /// `task.json`
    pub(super) task: TaskSheet,
    /// `request.json`
    pub(super) request: Request,
    /// `criteria.json`
    pub(super) criteria: Criteria,
    /// `project.json`
    pub(super) project: ProjectSheet,
    /// `journal.jsonl`
    pub(super) journal: Vec<Entry>,
    /// `phases.json`
    pub(super) phases: Vec<Stretch>,
    /// `tools.json`
    pub(super) tools: Tools,
    /// `evidence.json`
    pub(super) exhibits: Vec<Exhibit>,
}

/// How the task ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TaskSheet {
    /// Its name.
    pub(super) task_id: String,
    /// Its end.
    pub(super) status: Status,
    /// Why it failed, if it did.
    pub(super) reason: Option<Reason>,
    /// The same in sentences.
    pub(super) error: Option<String>,
    /// The phase in which it failed.
    pub(super) failed_in: Option<Phase>,
    /// When it was accepted.
    pub(super) created_at: UnixMillis,
    /// When its first phase began.
    pub(super) started_at: Option<UnixMillis>,
    /// When it ended.
    pub(super) completed_at: Option<UnixMillis>,
    /// What the phases produced.
    pub(super) artifacts: Artifacts,
    /// What the agents say they used.
    pub(super) usage: Usage,
}

/// What the test asserts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Criteria {
    /// `request` if it brought them, `derived` if they were made from the feature sentence.
    pub(super) from: Source,
    /// In the order of the test.
    pub(super) sentences: Vec<String>,
}

/// Where the criteria come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Source {
    /// The request.
    Request,
    /// The feature sentence.
    Derived,
}

/// The application, as far as repeating the runs needs it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProjectSheet {
    /// Its name.
    pub(super) name: String,
    /// The branch of the change.
    pub(super) branch: String,
    /// How a commit of it is served; absent if it is not configured any more.
    pub(super) staging: Option<Staging>,
    /// Hosts beside the application that its pages load from.
    #[serde(default)]
    pub(super) allow_hosts: Vec<String>,
}

/// A stretch of time in which one attempt ran.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stretch {
    /// The number of the attempt.
    pub(super) attempt: u32,
    /// Its phase.
    pub(super) phase: Phase,
    /// When it began.
    pub(super) began: UnixMillis,
    /// How long it ran, in milliseconds.
    pub(super) duration_ms: u64,
    /// What came of it: `passed`, `rejected`, `failed`, `transient`, `unknown`, `unavailable`, `interrupted`, `rescued` or `cancelled`.
    pub(super) outcome: String,
    /// What the agents say they used.
    pub(super) usage: Usage,
}

/// The programs that worked, as they were found when the bundle was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tools {
    /// The version of the daemon that wrote the bundle.
    pub(super) daemon: String,
    /// Name and version of the others.
    pub(super) programs: Vec<Tool>,
}

/// A program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tool {
    /// What it is.
    pub(super) name: String,
    /// What it says of itself, or why it could not be asked.
    pub(super) version: String,
}

/// A piece of evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Exhibit {
    /// What it is.
    pub(super) kind: EvidenceKind,
    /// Its name for people.
    pub(super) name: String,
    /// The phase that left it.
    pub(super) phase: Phase,
    /// The attempt that left it.
    pub(super) attempt: u32,
    /// SHA-256 of its content.
    pub(super) sha256: Digest,
    /// Its size in bytes.
    pub(super) size: u64,
    /// Where it lies in the bundle; several of the same content lie there once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) path: Option<String>,
    /// Why it is not in the bundle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) left_out: Option<String>,
}

impl Exhibit {
    /// The run that it belongs to: `green-1` of `green-1-report.json`.
    pub(super) fn label(&self) -> &str {
        let stem = self.name.rsplit_once('.').map_or(self.name.as_str(), |(stem, _)| stem);
        ["-report", "-trace"].iter().find_map(|suffix| stem.strip_suffix(suffix)).unwrap_or(stem)
    }
}

impl TaskSheet {
    /// What is told of an ended task.
    pub(super) fn of(task: &Task) -> Self {
        let workflow = &task.workflow;
        Self {
            task_id: task.id.to_string(),
            status: task.status,
            reason: workflow.reason,
            error: workflow.error.clone(),
            failed_in: workflow.failed_in,
            created_at: task.created_at,
            started_at: task.started_at,
            completed_at: task.completed_at,
            artifacts: workflow.artifacts.clone(),
            usage: workflow.usage,
        }
    }
}

impl Criteria {
    /// The criteria of a request, or those that the built-in test author derives from it.
    pub(super) fn of(request: &Request) -> Self {
        if !request.acceptance.is_empty() {
            return Self { from: Source::Request, sentences: request.acceptance.clone() };
        }
        let derived = criteria::derive(&request.feature, &start_path(request));
        Self { from: Source::Derived, sentences: derived.iter().map(ToString::to_string).collect() }
    }
}

/// The attempts that a journal tells of, in their order.
pub(super) fn stretches(journal: &[Entry]) -> Vec<Stretch> {
    let (mut stretches, mut began) = (Vec::new(), None);
    for entry in journal {
        let (outcome, usage) = match &entry.kind {
            EntryKind::Claimed { .. } => {
                began = Some(entry.at);
                continue;
            }
            EntryKind::Settled { result, usage, .. } => (outcome(result), *usage),
            EntryKind::Rescued { .. } => ("rescued", Usage::default()),
            EntryKind::Cancelled => ("cancelled", Usage::default()),
            _ => continue,
        };
        let Some(since) = began.take() else { continue };
        let duration_ms = u64::try_from(entry.at.since(since).as_millis()).unwrap_or(u64::MAX);
        stretches.push(Stretch {
            attempt: entry.attempt,
            phase: entry.phase,
            began: since,
            duration_ms,
            outcome: outcome.to_owned(),
            usage,
        });
        let runs_on = matches!(&entry.kind, EntryKind::Settled { result, reason: None, retry_at: None, handed_back: false, .. }
            if !matches!(result, Outcome::Interrupted | Outcome::Unavailable { .. }) && !entry.to.is_end());
        began = runs_on.then_some(entry.at);
    }
    stretches
}

fn outcome(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Passed { .. } => "passed",
        Outcome::Rejected(_) => "rejected",
        Outcome::Failed(_) => "failed",
        Outcome::Transient { .. } => "transient",
        Outcome::Unknown(_) => "unknown",
        Outcome::Unavailable { .. } => "unavailable",
        Outcome::Interrupted => "interrupted",
    }
}
