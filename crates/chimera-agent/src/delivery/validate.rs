//! E2E_VALIDATION: the unchanged test passes on the staged revision, and the branch is handed over.

use super::bench::Bench;
use super::deploy::{self, Commit};
use super::generate::load;
use super::halt::Halt;
use super::missed::{self, Missed};
use super::served;
use super::site;
use super::suite;
use super::target;
use super::trial::{self, Frozen, Stage};
use crate::judge::{Run, Scene, fingerprint};
use crate::spec::{Project, Staging};
use crate::staging::visit;
use crate::workspace::Worktree;
use chimera_core::{
    Digest, Finding, GreenProof, GreenRuns, NotGreen, PhaseOutput, Reason, RedProof, Setback, Severity,
    TestReport, TestStatus,
};
use std::sync::{Mutex, PoisonError};

/// What Chromium says of a server that ended, or ended the connection.
const CLOSED: [&str; 6] = [
    "ERR_EMPTY_RESPONSE",
    "ERR_CONNECTION_",
    "ERR_INVALID_HTTP_RESPONSE",
    "ERR_INVALID_CHUNKED_ENCODING",
    "ERR_INCOMPLETE_CHUNKED_ENCODING",
    "ERR_CONTENT_LENGTH_MISMATCH",
];

pub(super) async fn run(bench: &Bench<'_>) -> Result<PhaseOutput, Halt> {
    let project = bench.project()?;
    let head = bench.have("head of the branch", |have| &have.head_commit)?;
    let test_path = bench.have("frozen test", |have| &have.test_path)?;
    let worktree = bench.worktree(&project, &head).await?;
    let frozen = load(bench, &project, &worktree, &head, test_path).await?;
    // Seen before the long part: whoever takes over meanwhile and pushes is not overwritten.
    let far = if project.push {
        site::make_scratch(bench, &project).await?;
        Some(worktree.seen_at(&project.repo).await?)
    } else {
        None
    };
    stage_again(bench, &project, &worktree, &head).await?;
    let red = bench.have("red run", |have| &have.red)?;
    let validation = Validation {
        bench,
        red,
        project: &project,
        worktree: &worktree,
        frozen: &frozen,
        head: &head,
        missed: Mutex::default(),
    };
    let green = validation.green().await.map_err(|halt| validation.explained(halt))?;
    if let Some(far) = far {
        bench.fenced().await?;
        worktree.push(&far, &head).await?;
    }
    Ok(PhaseOutput::E2eValidation { green })
}

/// What the runs after the change are about.
struct Validation<'a> {
    bench: &'a Bench<'a>,
    red: RedProof,
    project: &'a Project,
    worktree: &'a Worktree,
    frozen: &'a Frozen,
    head: &'a Digest,
    /// The last run of the change that did not pass.
    missed: Mutex<Option<Missed>>,
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
    deploy::stage_change(bench, Commit { project, worktree, commit: head, port }).await.map(drop)
}

impl Validation<'_> {
    /// Runs the test as often as needed, reading before and after which revision is served; then once more on
    /// the unchanged application.
    async fn green(&self) -> Result<GreenProof, Halt> {
        let base = self.bench.have("base commit", |have| &have.base_commit)?;
        suite::must_hold(self.bench, self.project, self.worktree, (&base, self.head)).await?;
        let needed = self.bench.settings().green_runs.max(1);
        let passes = self.passes(needed).await?;
        GreenProof::passes(&self.red, &passes, needed).map_err(|why| match &why {
            NotGreen::Unreachable(told) if self.is_the_changes_doing(told) => {
                Halt::rejected(not_green(Reason::StagingUnreachable, &why, &passes))
            }
            _ => not_green_halt(&why, &passes),
        })?;
        let base_again = self.base_again().await?;
        let runs = GreenRuns { passes: &passes, base_again: &base_again };
        let (sha256, head) = (self.frozen.sha256.clone(), self.head.clone());
        GreenProof::judge(&self.red, &runs, needed, sha256, head, self.bench.now())
            .map_err(|why| not_green_halt(&why, &[base_again]))
    }

    async fn passes(&self, needed: u32) -> Result<Vec<TestReport>, Halt> {
        let mut at = self.at().await?;
        let mut reports = Vec::new();
        self.served(&at).await?;
        for number in 1..=needed {
            if number > 1 && self.keeps_state() {
                // What the run before has left in the application must not decide this one.
                at = deploy::stage_change(self.bench, self.commit(self.head)).await?.url;
                self.served(&at).await?;
                // And the number of visitors must not: this run is not the first one of its server.
                for _ in 1..number {
                    let path = site::start_path(&self.bench.task().request);
                    visit(&at, self.project.host.as_deref(), &path).await;
                }
            }
            let (report, passed) = self.of_change(&at, &format!("green-{number}")).await?;
            reports.push(report);
            if !passed && self.keeps_state() {
                // Its server may be dead by now, which is what the report is about.
                return Ok(reports);
            }
            if !passed {
                break;
            }
        }
        self.served(&at).await?;
        Ok(reports)
    }

    /// Whether an unreachable page is the change's doing. On loopback nothing but the server itself closes a connection,
    /// and the unchanged one answered; a page that takes too long may be a busy machine's, once.
    fn is_the_changes_doing(&self, told: &str) -> bool {
        let closed = CLOSED.iter().any(|word| told.contains(word));
        self.keeps_state() && (closed || self.bench.workflow().failures > 0)
    }

    /// The unchanged application, at the same origin, after it was green.
    async fn base_again(&self) -> Result<TestReport, Halt> {
        const LABEL: &str = "control-base";
        if matches!(self.project.staging, Staging::Agent { .. }) {
            let at = target::of_base(self.bench, self.project)?;
            return Ok(self.run(&at, LABEL).await?.report);
        }
        let base = self.bench.have("base commit", |have| &have.base_commit)?;
        let (bases, task) = (&self.bench.rooms.bases, &self.bench.task().id);
        let run = async {
            let staged = deploy::stage(self.bench, bases, self.commit(&base)).await;
            // It could be staged for red: that it cannot now is the machine's trouble.
            let at = staged.map_err(Halt::passing)?.url;
            Ok(self.run(&at, LABEL).await?.report)
        };
        let report = run.await;
        bases.withdraw(task).await;
        report
    }

    /// What is to be served of that commit.
    fn commit<'a>(&'a self, commit: &'a Digest) -> Commit<'a> {
        Commit { project: self.project, worktree: self.worktree, commit, port: None }
    }

    /// Runs the test on the change; whether it passed. If not, all that the next round is shown of it is noted.
    async fn of_change(&self, at: &str, label: &str) -> Result<(TestReport, bool), Halt> {
        let (staging, task) = (&self.bench.rooms.staging, &self.bench.task().id);
        let mark = staging.log_mark(task);
        let Run { report, refused, .. } = self.run(at, label).await?;
        let passed =
            report.error.is_none() && report.tests.iter().all(|test| test.status == TestStatus::Passed);
        if !passed {
            let server_log = staging.log_since(task, &mark, missed::LOG_BYTES);
            let missed = Missed { label: label.to_owned(), report: report.clone(), refused, server_log };
            *self.missed.lock().unwrap_or_else(PoisonError::into_inner) = Some(missed);
        }
        Ok((report, passed))
    }

    /// A refusal, with what the coder's next round is shown.
    fn explained(&self, halt: Halt) -> Halt {
        let missed = self.missed.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(missed) = missed else { return halt };
        halt.explained(|setback| missed.explain(self.bench, setback))
    }

    async fn run(&self, at: &str, label: &str) -> Result<Run, Halt> {
        // The origin of the red run, wherever the application is now: nothing tells before from after.
        let own = trial::origin(self.project, at);
        let origin = self.red.origin().unwrap_or(&own);
        let built_in = !matches!(self.project.staging, Staging::Agent { .. });
        let scene = Scene::Served { at, keep_host: built_in || self.project.host.is_some() };
        let stage = Stage { origin, scene, allow_hosts: &self.project.allow_hosts };
        trial::seen(self.bench, self.frozen, stage, label).await
    }

    /// Whether the built-in deployer runs a server of the project, which may remember what was done to it.
    fn keeps_state(&self) -> bool {
        matches!(self.project.staging, Staging::Start { .. })
    }

    /// Where the change is served.
    async fn at(&self) -> Result<String, Halt> {
        match self.project.staging {
            Staging::Agent { .. } => self.bench.have("deployment", |have| &have.deployment_url),
            Staging::Static { .. } | Staging::Start { .. } => {
                let (bench, task) = (self.bench, &self.bench.task().id);
                let served = bench.rooms.staging.ensure(task, &bench.stop).await;
                Ok(served.map_err(|err| deploy::broken_by_the_change(bench, err))?.url)
            }
        }
    }

    /// Green counts on the head only.
    async fn served(&self, at: &str) -> Result<(), Halt> {
        let word = self.bench.workflow().artifacts.deployed_revision.as_ref();
        served::must_be(self.bench, self.project, at, self.head, word).await
    }
}

fn not_green_halt(why: &NotGreen, reports: &[TestReport]) -> Halt {
    let reason = match why {
        NotGreen::Unreachable(_) => return Halt::transient(Reason::StagingUnreachable, why.to_string()),
        NotGreen::Flaky(_) => Reason::Flaky,
        NotGreen::NotTheChange(_) => {
            let why = format!("{why} (see control-base-report.json)");
            return Halt::failed(Reason::RedNotProvable, why);
        }
        NotGreen::Failing(_) | NotGreen::NotProvable(_) => Reason::NotGreen,
    };
    Halt::rejected(not_green(reason, why, reports))
}

fn not_green(reason: Reason, why: &NotGreen, reports: &[TestReport]) -> Setback {
    let mut setback = Setback::new(reason, why.to_string());
    setback.findings = reports.iter().flat_map(findings).take(chimera_core::limits::FINDINGS).collect();
    setback.fingerprint = reports.last().map(fingerprint);
    setback
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
