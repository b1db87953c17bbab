//! E2E_VALIDATION: the unchanged test passes on the staged revision, and the branch is handed over.

use super::bench::Bench;
use super::deploy;
use super::generate::load;
use super::halt::Halt;
use super::site;
use super::trial::{self, Frozen};
use crate::judge::fingerprint;
use crate::spec::{Project, Staging};
use crate::workspace::Worktree;
use chimera_core::{
    Digest, Finding, GreenProof, NotGreen, PhaseOutput, Reason, RedProof, Setback, Severity, TestReport,
    TestStatus,
};

pub(super) async fn run(bench: &Bench<'_>) -> Result<PhaseOutput, Halt> {
    let project = bench.project()?;
    let head = bench.have("head of the branch", |have| &have.head_commit)?;
    let red = bench.have("red run", |have| &have.red)?;
    let test_path = bench.have("frozen test", |have| &have.test_path)?;
    let worktree = bench.worktree(&project, &head).await?;
    let frozen = load(bench, &worktree, &head, test_path).await?;
    // Seen before the long part: whoever takes over meanwhile and pushes is not overwritten.
    let far = if project.push {
        site::make_scratch(bench, &project).await?;
        Some(worktree.seen_at(&project.repo).await?)
    } else {
        None
    };
    stage_again(bench, &project, &worktree, &head).await?;
    let green = green(bench, &project, &red, &frozen, &head).await?;
    if let Some(far) = far {
        bench.fenced().await?;
        worktree.push(&far, &head).await?;
    }
    Ok(PhaseOutput::E2eValidation { green })
}

/// Runs the test as often as needed, reading before and after which revision is served.
async fn green(
    bench: &Bench<'_>,
    project: &Project,
    red: &RedProof,
    frozen: &Frozen,
    head: &Digest,
) -> Result<GreenProof, Halt> {
    let origin = origin(bench, project).await?;
    let needed = bench.settings().green_runs.max(1);
    let mut reports = Vec::new();
    served(bench, project, head).await?;
    for number in 1..=needed {
        let report = trial::run(bench, frozen, &origin, &format!("green-{number}")).await?;
        let passed =
            report.error.is_none() && report.tests.iter().all(|test| test.status == TestStatus::Passed);
        reports.push(report);
        if !passed {
            break;
        }
    }
    served(bench, project, head).await?;
    GreenProof::judge(red, &reports, needed, frozen.sha256.clone(), head.clone(), bench.now())
        .map_err(|not_green| not_green_halt(&not_green, &reports))
}

/// Stages the head on this machine, if it was staged on another one before the task moved here: at the same port, so
/// that the address on record stays right, if that is free.
async fn stage_again(
    bench: &Bench<'_>,
    project: &Project,
    worktree: &Worktree,
    head: &Digest,
) -> Result<(), Halt> {
    if matches!(project.staging, Staging::Agent { .. }) || bench.rooms.staging.has(&bench.task().id, head) {
        return Ok(());
    }
    let url = bench.have("deployment", |have| &have.deployment_url)?;
    let port = url::Url::parse(&url).ok().and_then(|url| url.port());
    deploy::stage(bench, project, worktree, head, port).await.map(drop)
}

async fn origin(bench: &Bench<'_>, project: &Project) -> Result<String, Halt> {
    match project.staging {
        Staging::Agent { .. } => bench.have("deployment", |have| &have.deployment_url),
        Staging::Static { .. } | Staging::Start { .. } => {
            Ok(bench.rooms.staging.ensure(&bench.task().id, &bench.stop).await?.url)
        }
    }
}

/// Green counts on the head only.
async fn served(bench: &Bench<'_>, project: &Project, head: &Digest) -> Result<(), Halt> {
    let revision = match project.staging {
        Staging::Agent { .. } => bench.have("deployed revision", |have| &have.deployed_revision)?,
        Staging::Static { .. } | Staging::Start { .. } => {
            bench.rooms.staging.revision(&bench.task().id).await?
        }
    };
    if revision == *head {
        return Ok(());
    }
    Err(Halt::failed(Reason::StaleStaging, format!("staging serves {revision} instead of {head}")))
}

fn not_green_halt(why: &NotGreen, reports: &[TestReport]) -> Halt {
    let reason = match why {
        NotGreen::Unreachable(_) => return Halt::transient(Reason::StagingUnreachable, why.to_string()),
        NotGreen::Flaky(_) => Reason::Flaky,
        NotGreen::Failing(_) | NotGreen::NotProvable(_) => Reason::NotGreen,
    };
    let mut setback = Setback::new(reason, why.to_string());
    setback.findings = reports.iter().flat_map(findings).take(chimera_core::limits::FINDINGS).collect();
    setback.fingerprint = reports.last().map(fingerprint);
    Halt::rejected(setback)
}

fn findings(report: &TestReport) -> Vec<Finding> {
    let failing = report.tests.iter().filter(|test| test.status != TestStatus::Passed);
    failing
        .map(|test| Finding {
            file: None,
            line: None,
            severity: Severity::Error,
            message: format!("{}: {}", test.id, test.message.as_deref().unwrap_or("did not pass")),
        })
        .collect()
}
