//! Carries out the five phases of a delivery.
//!
//! [`Delivery`] is the real [`Runner`]. Each attempt gets a [`bench::Bench`], which holds what its steps share;
//! one module per phase is a short pipeline of steps over it: [`generate`], [`implement`], [`review`],
//! [`deploy`], [`validate`]. A step that cannot go on ends the attempt with a [`halt::Halt`], which carries
//! the outcome. The daemon alone commits, stages, judges and pushes; agents only answer.

mod agents;
mod bench;
mod deploy;
mod generate;
mod halt;
mod implement;
mod junit;
mod missed;
mod place;
mod review;
mod served;
mod site;
mod size;
mod snapshot;
mod suite;
mod target;
mod told;
mod tools;
mod trial;
mod validate;

pub use site::{staging_of, start_path};

use crate::runner::{Attempt, BoxFuture, Report, Runner};
use crate::scratch::Scratch;
use crate::spec::{Agent, Project, Recordings};
use crate::staging::Staging;
use crate::toolchain::Search;
use crate::vault::Vault;
use crate::workspace::Workspaces;
use bench::Bench;
use chimera_core::gates::MissingTool;
use chimera_core::{
    Outcome, Phase, PhaseOutput, Policy, Reason, Role, Setback, Status, Task, TaskId, UnixMillis,
};
use halt::Halt;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tools::Tools;

/// What deliveries are made with.
#[derive(Clone)]
pub struct Settings {
    /// Where logs, private directories and scratch repositories lie.
    pub data_dir: PathBuf,
    /// The configured applications.
    pub projects: Vec<Project>,
    /// Who carries out what.
    pub roles: BTreeMap<Role, Vec<Agent>>,
    /// Agents that projects name for their staging.
    pub agents: BTreeMap<String, Agent>,
    /// The daemon's environment, from which agents see what they name.
    pub environment: BTreeMap<String, String>,
    /// Where the judge's tools are looked for, at each run anew: they may be installed while the daemon works.
    pub tools: Search,
    /// The limits of rounds and retries, to be told to agents.
    pub policy: Policy,
    /// Consecutive passes that count as green.
    pub green_runs: u32,
    /// How long a staged change stays reachable.
    pub staging_ttl: Duration,
    /// Which test runs keep a trace and a video.
    pub recordings: Recordings,
    /// Reads the time.
    pub clock: Arc<dyn Fn() -> UnixMillis + Send + Sync>,
}

/// Carries out attempts with real agents, git, servers and browsers.
pub struct Delivery {
    settings: Settings,
    workspaces: Workspaces,
    staging: Staging,
    /// Where the unchanged application is served for the last control.
    bases: Staging,
    vault: Vault,
    tools: Tools,
    scratch: Scratch,
}

impl Delivery {
    /// Puts the rooms together.
    pub fn new(settings: Settings, workspaces: Workspaces, staging: Staging, vault: Vault) -> Self {
        let bases = Staging::of_bases(&settings.data_dir);
        let scratch = Scratch::of(&settings.data_dir);
        Self { settings, workspaces, staging, bases, vault, tools: Tools::new(), scratch }
    }

    /// The deployments that it makes: of changes, and of the unchanged commits that they are compared with.
    pub fn deployments(&self) -> (Staging, Staging) {
        (self.staging.clone(), self.bases.clone())
    }

    async fn carry_out(&self, bench: &Bench<'_>) -> Result<PhaseOutput, Halt> {
        match bench.task().phase() {
            Phase::E2eTestGeneration => generate::run(bench).await,
            Phase::CodeImplementation => implement::run(bench).await,
            Phase::GuardianReview => review::run(bench).await,
            Phase::StagingDeployment => deploy::run(bench).await,
            Phase::E2eValidation => validate::run(bench).await,
            Phase::Complete | Phase::Failed => {
                Err(Halt::failed(Reason::Config, "there is nothing to carry out"))
            }
        }
    }

    async fn attempt(&self, attempt: Attempt, stop: CancellationToken) -> Report {
        let inner = stop.child_token();
        let bench = Bench::new(self, &attempt, inner.clone());
        let mut timed_out = false;
        let result = {
            let work = self.carry_out(&bench);
            tokio::pin!(work);
            tokio::select! {
                result = &mut work => result,
                () = tokio::time::sleep(attempt.timeout) => {
                    timed_out = true;
                    // Ends every process of the attempt; what is left of the work only tidies up.
                    inner.cancel();
                    work.await
                }
            }
        };
        let outcome = match result {
            _ if stop.is_cancelled() => Outcome::Interrupted,
            _ if timed_out => {
                let why = format!("{} was not done within {:?}", attempt.task.phase(), attempt.timeout);
                Outcome::Transient { setback: Setback::new(Reason::AgentError, why), retry_after: None }
            }
            Ok(output) => Outcome::Passed { output },
            Err(halt) => halt.into_outcome(),
        };
        bench.into_report(outcome)
    }
}

impl Runner for Delivery {
    fn run(&self, attempt: Attempt, stop: CancellationToken) -> BoxFuture<'_, Report> {
        Box::pin(self.attempt(attempt, stop))
    }

    fn finished<'a>(&'a self, task: &'a Task) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if let Err(err) = self.workspaces.remove(&task.id) {
                tracing::warn!(task = %task.id, error = %err, "cannot remove its files");
            }
            // What is to be kept of it is in the vault; only what was delivered stays reachable.
            self.bases.withdraw(&task.id).await;
            if task.status != Status::Completed {
                self.staging.withdraw(&task.id).await;
            }
            let _ = crate::remove::tree(&self.settings.data_dir.join("private").join(task.id.as_str()));
        })
    }

    fn leftovers(&self) -> BoxFuture<'_, Vec<TaskId>> {
        let places = ["worktrees", "private"].map(|name| self.settings.data_dir.join(name));
        Box::pin(async move {
            let tasks = places.iter().filter_map(|place| std::fs::read_dir(place).ok()).flatten().flatten();
            let names = tasks.filter_map(|entry| TaskId::parse(entry.file_name().to_str()?).ok());
            let mut found: Vec<TaskId> = names.collect();
            found.sort();
            found.dedup();
            found
        })
    }

    fn tools(&self) -> Option<watch::Receiver<Vec<MissingTool>>> {
        Some(self.tools.missing())
    }

    fn look_for_tools(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.tools.look(&self.settings).await;
        })
    }
}
