//! What an agent is told of its task, beside the request: rules, rounds, and what the last round was refused for.

use super::bench::Bench;
use super::halt::Halt;
use super::place;
use crate::command::{Assignment, Change, FAILURE_FILE, Failure, Limits, Round, Rules};
use crate::guardian::{LOCKS, PROTECTED};
use crate::spec::{Project, Staging};
use chimera_core::{Digest, Feedback, Phase, Policy, Workflow};
use std::path::{Path, PathBuf};

/// The name of a change's patch among the files for a reviewer.
const PATCH_FILE: &str = "change.patch";

/// What a phase knows of the change that it asks an agent about.
#[derive(Default)]
pub(super) struct About<'a> {
    /// The change as it is shown to a reviewer.
    pub(super) patch: Option<&'a [u8]>,
    /// Whether the daemon's own checks have approved it.
    pub(super) checks_passed: bool,
    /// How much the coder has changed so far.
    pub(super) change: Option<Change>,
}

/// What an assignment refers to.
pub(super) struct Told {
    project: Project,
    evidence_dir: PathBuf,
    evidence: Vec<String>,
    failure: Option<Failure>,
    patch: Option<String>,
    checks_passed: bool,
    change: Option<Change>,
    left_out: Option<String>,
}

impl Told {
    /// Puts the files for an agent into its private directory.
    pub(super) fn lay_out(bench: &Bench<'_>, private: &Path, about: &About<'_>) -> Result<Self, Halt> {
        let evidence_dir = private.join("evidence");
        std::fs::create_dir_all(&evidence_dir)?;
        let mut evidence = Vec::new();
        let files = relevant(bench.workflow()).map_or(&[][..], |feedback| &feedback.files);
        for file in files {
            let from = bench.rooms.vault.path(&file.sha256);
            match std::fs::copy(&from, evidence_dir.join(&file.name)) {
                Ok(_) => evidence.push(file.name.clone()),
                // Another machine may have judged it: its files stay there.
                Err(err) => {
                    tracing::warn!(task = %bench.task().id, name = file.name, error = %err, "not shown to the agent");
                }
            }
        }
        let failure = std::fs::read(evidence_dir.join(FAILURE_FILE)).ok();
        if let Some(patch) = about.patch {
            std::fs::write(evidence_dir.join(PATCH_FILE), patch)?;
            evidence.push(PATCH_FILE.to_owned());
        }
        Ok(Self {
            project: bench.project()?,
            failure: failure.and_then(|bytes| serde_json::from_slice(&bytes).ok()),
            patch: about.patch.map(|patch| String::from_utf8_lossy(patch).into_owned()),
            checks_passed: about.checks_passed,
            change: about.change,
            left_out: place::last_left_out(bench),
            evidence_dir,
            evidence,
        })
    }

    /// Where a reviewer finds the change.
    pub(super) fn diff_path(&self) -> Option<PathBuf> {
        self.patch.is_some().then(|| self.evidence_dir.join(PATCH_FILE))
    }

    /// The whole assignment.
    pub(super) fn assignment<'a>(
        &'a self,
        bench: &'a Bench<'_>,
        diff_path: Option<&'a Path>,
    ) -> Assignment<'a> {
        let (task, workflow) = (bench.task(), bench.workflow());
        let have = &workflow.artifacts;
        let feedback = relevant(workflow);
        Assignment {
            task_id: task.id.as_str(),
            phase: task.phase(),
            attempt: workflow.attempt,
            lease_epoch: task.lease.as_ref().map_or(0, |lease| lease.epoch),
            feature: &task.request.feature,
            target_url: &task.request.target_url,
            staging_url: task.request.staging_url.as_deref(),
            acceptance: &task.request.acceptance,
            e2e: self.project.e2e.as_str(),
            e2e_dir: &self.project.e2e_dir,
            test_path: have.test_path.as_deref(),
            round: round(workflow, &bench.settings().policy),
            refused_by: feedback.map(|feedback| feedback.from),
            failure_report: feedback.map(|feedback| feedback.summary.as_str()),
            findings: feedback.map_or(&[], |feedback| &feedback.findings),
            failure: self.failure.as_ref(),
            last_trouble: workflow.error.as_deref().filter(|_| workflow.failures > 0),
            base_commit: have.base_commit.as_ref().map(Digest::as_str),
            head_commit: have.head_commit.as_ref().map(Digest::as_str),
            red: have.red.as_ref(),
            change: self.change,
            left_out: self.left_out.as_deref().filter(|_| task.phase() == Phase::CodeImplementation),
            diff_path,
            patch: self.patch.as_deref(),
            evidence_dir: &self.evidence_dir,
            evidence: &self.evidence,
            rules: self.rules(),
            limits: Limits {
                timeout_seconds: bench.attempt.timeout.as_secs(),
                max_diff_lines: self.project.max_diff_lines,
            },
        }
    }

    fn rules(&self) -> Rules<'_> {
        let project = &self.project;
        let own = project.protected.iter().map(String::as_str);
        let allowed = |path: &&str| !project.allow_paths.iter().any(|allowed| allowed == path);
        let rules = Rules {
            checks: &project.checks,
            checks_passed: self.checks_passed,
            suite: project.suite.as_ref().map(|suite| suite.command.as_str()),
            protected: PROTECTED.into_iter().chain(own).filter(allowed).collect(),
            lock_files: &LOCKS,
            allowed: &project.allow_paths,
            ..Rules::default()
        };
        let rules = Rules { build: project.staging.build(), ..rules };
        match &project.staging {
            Staging::Static { static_dir, .. } => Rules { static_dir: Some(static_dir), ..rules },
            Staging::Start(server) => {
                Rules { start: Some(&server.start), ready: server.ready.as_deref(), ..rules }
            }
            Staging::Agent { .. } => rules,
        }
    }
}

/// The last refusal, if the agents of this phase have to know it.
fn relevant(workflow: &Workflow) -> Option<&Feedback> {
    let of_test = |feedback: &&Feedback| feedback.from == Phase::E2eTestGeneration;
    match workflow.phase {
        Phase::E2eTestGeneration => workflow.feedback.as_ref().filter(of_test),
        Phase::CodeImplementation | Phase::GuardianReview => {
            workflow.feedback.as_ref().filter(|feedback| !of_test(feedback))
        }
        _ => None,
    }
}

/// Which round an agent begins, and the last one that it can have if all refusals to come are like the last one.
fn round(workflow: &Workflow, policy: &Policy) -> Option<Round> {
    let (used, most) = match relevant(workflow)?.from {
        Phase::E2eTestGeneration => {
            return Some(Round { number: 1 + workflow.test_rounds, of: 1 + policy.max_test_rounds });
        }
        Phase::GuardianReview => (workflow.review_rounds, policy.max_review_rounds),
        Phase::StagingDeployment | Phase::E2eValidation => {
            (workflow.validation_rounds, policy.max_validation_rounds)
        }
        _ => return None,
    };
    let number = 1 + workflow.review_rounds + workflow.validation_rounds;
    Some(Round { number, of: number + most.saturating_sub(used) })
}
