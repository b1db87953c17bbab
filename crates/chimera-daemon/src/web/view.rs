//! The shapes that the interface answers with.

use super::time::rfc3339;
use super::waiting::{Around, WaitingFor, waiting_for};
use chimera_core::{Phase, Reason, Status, Task, TaskId, UnixMillis, Usage};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The answer to a submission.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Submission {
    /// The name of the task.
    #[schema(example = "chimera-1a1ee5b1a007c3f0e19b")]
    task_id: String,
    /// `queued`; with an idempotency key that was used before, the status of the task that exists, or `removed`
    /// if it was pruned.
    #[schema(example = "queued")]
    status: &'static str,
    /// When it was accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    created_at: Option<String>,
}

impl Submission {
    pub(super) fn of(task: &Task) -> Self {
        Self {
            task_id: task.id.to_string(),
            status: task.status.as_str(),
            created_at: Some(rfc3339(task.created_at)),
        }
    }

    /// A task that was accepted before, which may have been pruned since.
    pub(super) fn known(id: &TaskId, task: Option<&Task>) -> Self {
        let removed = || Self { task_id: id.to_string(), status: "removed", created_at: None };
        task.map_or_else(removed, Self::of)
    }
}

/// A task. Fields without a value are left out.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TaskView {
    /// The name of the task.
    #[schema(example = "chimera-1a1ee5b1a007c3f0e19b")]
    task_id: String,
    /// `queued`, `running`, `completed`, `failed` or `cancelled`.
    #[schema(example = "running")]
    status: &'static str,
    /// The phase that runs or waits, or the end.
    #[schema(example = "CODE_IMPLEMENTATION")]
    phase: &'static str,
    /// How far it is.
    #[schema(example = "2/7 phases complete")]
    progress: String,
    /// When it was accepted.
    #[schema(format = DateTime)]
    created_at: String,
    /// When its first phase began.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    started_at: Option<String>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    completed_at: Option<String>,
    /// What a queued task waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting_for: Option<WaitingFor>,
    /// Why it failed, from a closed list.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "not_green")]
    reason: Option<Reason>,
    /// The same in sentences; while a phase is tried again, what went wrong last.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// The phase in which it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    failed_in: Option<&'static str>,
    /// What was delivered, once completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<ResultView>,
    /// What was asked for.
    feature: String,
    /// The page that it is about.
    target_url: String,
    /// Where it is to be staged, if the request says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    staging_url: Option<String>,
    /// 1 (whenever) to 10 (at once).
    priority: u8,
    /// The acceptance criteria of the request.
    acceptance: Vec<String>,
    /// Free marks of the request.
    labels: BTreeMap<String, String>,
    /// The earliest start that the request asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    not_before: Option<String>,
    /// Past it the task fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    deadline: Option<String>,
    /// It is cancelled if it has not begun by then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// The tasks that had to be completed first, as the request named them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    after: Vec<TaskId>,
    /// When a person gave it up for good, if it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    discarded_at: Option<String>,
    /// The project.
    project: String,
    /// The branch that the change grows on, once there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    branch: Option<String>,
    /// Phase executions since it was first sent back.
    iteration: u32,
    /// The number of the last attempt, over all phases.
    attempt: u32,
    /// What the agents say they used.
    cost: Cost,
    /// Somebody asked to stop it; its worker is about to.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    cancel_requested: bool,
    /// Where to read on.
    links: Links,
}

/// What a completed task delivered.
#[derive(Debug, Serialize, ToSchema)]
struct ResultView {
    /// The frozen test in the repository.
    test_path: Option<String>,
    /// The pull request; `local-<task>` without a forge.
    code_pr_id: Option<String>,
    /// `approved`.
    review_decision: &'static str,
    /// Where the change is staged.
    deployment_url: Option<String>,
    /// `passed`.
    validation_status: &'static str,
    /// The branch with the change.
    branch: String,
    /// The commit that the test is red on.
    base_commit: Option<String>,
    /// The commit that the test is green on.
    head_commit: Option<String>,
    /// The commit that staging reported to serve when it was judged.
    revision: Option<String>,
}

/// What agents say they used.
#[derive(Debug, Serialize, ToSchema)]
struct Cost {
    /// Tokens read by models.
    input_tokens: u64,
    /// Tokens written by models.
    output_tokens: u64,
    /// Money, in US dollars.
    cost_usd: f64,
}

/// Where to read on about a task.
#[derive(Debug, Serialize, ToSchema)]
struct Links {
    #[serde(rename = "self")]
    itself: String,
    events: String,
    evidence: String,
    logs: String,
}

/// A part of the list of tasks.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TaskPage {
    /// The tasks, newest first.
    pub(super) items: Vec<TaskView>,
    /// The `cursor` of the next part; null at the end.
    pub(super) next: Option<String>,
}

impl TaskView {
    pub(super) fn of(task: Task, around: &Around, now: UnixMillis) -> Self {
        let workflow = &task.workflow;
        Self {
            status: task.status.as_str(),
            phase: task.phase().as_str(),
            progress: workflow.progress(),
            created_at: rfc3339(task.created_at),
            started_at: task.started_at.map(rfc3339),
            completed_at: task.completed_at.map(rfc3339),
            waiting_for: waiting_for(&task, around, now),
            reason: workflow.reason,
            error: workflow.error.clone(),
            failed_in: workflow.failed_in.map(Phase::as_str),
            result: ResultView::of(&task),
            staging_url: task.request.staging_url,
            priority: task.request.priority.get(),
            not_before: task.request.not_before.map(rfc3339),
            deadline: task.request.deadline.map(rfc3339),
            expires_at: task.request.expires_at.map(rfc3339),
            after: task.request.after,
            discarded_at: task.discarded_at.map(rfc3339),
            branch: workflow.artifacts.base_commit.is_some().then(|| task.id.branch()),
            iteration: workflow.iteration,
            attempt: workflow.attempt,
            cost: Cost::of(workflow.usage),
            cancel_requested: task.cancel_requested && !task.status.is_end(),
            links: Links::of(task.id.as_str()),
            task_id: task.id.to_string(),
            feature: task.request.feature,
            target_url: task.request.target_url,
            acceptance: task.request.acceptance,
            labels: task.request.labels,
            project: task.project,
        }
    }
}

impl ResultView {
    fn of(task: &Task) -> Option<Self> {
        if task.status != Status::Completed {
            return None;
        }
        let made = &task.workflow.artifacts;
        Some(Self {
            test_path: made.test_path.clone(),
            code_pr_id: made.code_pr_id.clone(),
            review_decision: if made.approved_commit.is_some() { "approved" } else { "missing" },
            deployment_url: made.deployment_url.clone(),
            validation_status: if made.green.is_some() { "passed" } else { "missing" },
            branch: task.id.branch(),
            base_commit: made.base_commit.as_ref().map(ToString::to_string),
            head_commit: made.head_commit.as_ref().map(ToString::to_string),
            revision: made.deployed_revision.as_ref().map(ToString::to_string),
        })
    }
}

impl Cost {
    fn of(usage: Usage) -> Self {
        let Usage { input_tokens, output_tokens, cost_usd } = usage;
        Self { input_tokens, output_tokens, cost_usd }
    }
}

impl Links {
    fn of(id: &str) -> Self {
        let itself = format!("/api/tasks/{id}");
        Self {
            events: format!("{itself}/events"),
            evidence: format!("{itself}/evidence"),
            logs: format!("{itself}/logs"),
            itself,
        }
    }
}
