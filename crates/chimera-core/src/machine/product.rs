//! Taking over what a passed phase produced, if it holds against what is on record.

use super::settled::Verdict;
use crate::{Artifacts, Digest, GreenProof, Phase, PhaseOutput, Reason, Workflow};

/// Records the product of the current phase and says where it leads.
pub(super) fn passed(workflow: &mut Workflow, output: PhaseOutput) -> Verdict {
    workflow.error = None;
    match output {
        PhaseOutput::E2eTestGeneration {
            test_path,
            test_sha256,
            base_commit,
            test_commit,
            red,
            target_run,
        } => {
            if *red.test_sha256() != test_sha256 {
                return unproven("the red run judged another test");
            }
            // The test may be seen failing on the base as it is, or on the commit that adds nothing but it.
            if *red.revision() != base_commit && *red.revision() != test_commit {
                return unproven("the red run judged another commit than the base");
            }
            let have = &mut workflow.artifacts;
            have.test_path = Some(test_path);
            have.test_sha256 = Some(test_sha256);
            have.base_commit = Some(base_commit);
            have.head_commit = Some(test_commit);
            have.red = Some(red);
            have.target_run = Some(target_run);
            workflow.feedback = None;
            Verdict::GoTo(Phase::CodeImplementation)
        }
        PhaseOutput::CodeImplementation { commit, diff, test_sha256, code_pr_id, restored } => {
            let have = &mut workflow.artifacts;
            if have.test_sha256.as_ref() != Some(&test_sha256) {
                return tampered();
            }
            if have.diff.as_ref() == Some(&diff) {
                let why = "the coder made the same change again that was rejected before";
                return Verdict::Fail(Reason::NoChange, why.to_owned());
            }
            (have.head_commit, have.diff, have.code_pr_id) = (Some(commit), Some(diff), Some(code_pr_id));
            (workflow.feedback, workflow.unchanged, workflow.test_restored) = (None, 0, restored);
            Verdict::GoTo(Phase::GuardianReview)
        }
        PhaseOutput::GuardianReview { commit } => approval(&mut workflow.artifacts, commit),
        PhaseOutput::StagingDeployment { url, revision } => {
            deployment(&mut workflow.artifacts, url, revision)
        }
        PhaseOutput::E2eValidation { green } => proof(&mut workflow.artifacts, green),
    }
}

fn approval(have: &mut Artifacts, commit: Digest) -> Verdict {
    if have.head_commit.as_ref() != Some(&commit) {
        let why = format!("the review approved {commit}, which is not the head of the branch");
        return Verdict::Fail(Reason::AgentError, why);
    }
    have.approved_commit = Some(commit);
    Verdict::GoTo(Phase::StagingDeployment)
}

fn deployment(have: &mut Artifacts, url: String, revision: Digest) -> Verdict {
    if have.approved_commit.as_ref() != Some(&revision) {
        return stale(&format!("staging serves {revision}, which is not the approved commit"));
    }
    (have.deployment_url, have.deployed_revision) = (Some(url), Some(revision));
    Verdict::GoTo(Phase::E2eValidation)
}

/// The one door to COMPLETE: a red and a green run of one test, on the commit that was approved and deployed.
fn proof(have: &mut Artifacts, green: GreenProof) -> Verdict {
    let Some(red) = &have.red else {
        return unproven("no red run is on record, so a green one proves nothing");
    };
    if have.test_sha256.as_ref() != Some(green.test_sha256()) || red.test_sha256() != green.test_sha256() {
        return tampered();
    }
    if have.deployed_revision.as_ref() != Some(green.revision()) {
        return stale("the green run judged another revision than the deployed one");
    }
    if have.approved_commit != have.deployed_revision {
        return stale("the deployed revision is not the approved commit");
    }
    have.green = Some(green);
    Verdict::GoTo(Phase::Complete)
}

fn unproven(why: &str) -> Verdict {
    Verdict::Fail(Reason::RedNotProvable, why.to_owned())
}

fn tampered() -> Verdict {
    Verdict::Fail(Reason::TestTampered, "the frozen test was changed after it was recorded".to_owned())
}

fn stale(why: &str) -> Verdict {
    Verdict::Fail(Reason::StaleStaging, why.to_owned())
}
