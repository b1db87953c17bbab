//! What is done to the running application: as little as possible.
//!
//! It may be production, and the address comes from whoever submits. So only what the project's `urls` claim is asked for
//! anything: once, for its page. A generated test, which may click and fill, runs there only where the project says so.

use super::bench::Bench;
use super::halt::Halt;
use super::trial::{self, Frozen, Stage};
use crate::judge::Scene;
use crate::spec::{Project, Staging};
use crate::staging;
use chimera_core::{Reason, TestReport, TestStatus};
use url::Url;

/// Where the base of a project that an agent deploys is seen: at the target, whose origin this is.
pub(super) fn of_base(bench: &Bench<'_>, project: &Project) -> Result<String, Halt> {
    let target = Url::parse(&bench.task().request.target_url).ok().filter(Url::has_host);
    let target = target.ok_or_else(|| Halt::failed(Reason::Config, "target_url has no origin"))?;
    if project.test_target && project.claims(&target).is_some() {
        return Ok(target.origin().ascii_serialization());
    }
    let why = format!(
        "an agent deploys `{}`, so its generated tests run against target_url before the change is made, but {target} is not below one of \
         the project's `urls`, or `test_target` is not set: submit with such an address, or add it and `test_target = true`",
        project.name
    );
    Err(Halt::failed(Reason::Config, why))
}

/// Halts if the project can only be judged at the target, and may not be: before anybody is asked to write a test.
pub(super) fn must_be_allowed(bench: &Bench<'_>, project: &Project) -> Result<(), Halt> {
    match project.staging {
        Staging::Agent { .. } => of_base(bench, project).map(drop),
        Staging::Static { .. } | Staging::Start(_) => Ok(()),
    }
}

/// Looks at the running application; what comes of it is recorded in a word, and decides nothing.
pub(super) async fn look(bench: &Bench<'_>, project: &Project, frozen: &Frozen) -> Result<String, Halt> {
    let target = Url::parse(&bench.task().request.target_url).ok();
    let claimed = target.filter(|target| project.claims(target).is_some());
    let (Some(target), Staging::Static { .. } | Staging::Start(_)) = (claimed, &project.staging) else {
        return Ok("not_visited".to_owned());
    };
    if !staging::answers(&target).await {
        return Ok("unreachable".to_owned());
    }
    if !project.test_target {
        return Ok("reached".to_owned());
    }
    let origin = target.origin().ascii_serialization();
    let scene = Scene::Served { at: &origin, keep_host: true };
    let stage = Stage { origin: &origin, scene, allow_hosts: &project.allow_hosts };
    let report = trial::run(bench, frozen, stage, "target").await?;
    Ok(in_a_word(&report).to_owned())
}

fn in_a_word(report: &TestReport) -> &'static str {
    let all = |status| report.tests.iter().all(|test| test.status == status);
    let any = |status| report.tests.iter().any(|test| test.status == status);
    if report.error.is_some() || report.tests.is_empty() {
        "broken"
    } else if any(TestStatus::Unreachable) {
        "unreachable"
    } else if all(TestStatus::Passed) {
        "passed"
    } else if any(TestStatus::Errored) || any(TestStatus::Skipped) {
        "broken"
    } else {
        "failed"
    }
}
