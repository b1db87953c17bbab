//! What the steps of one attempt share.

use super::{Delivery, Halt, Settings, site};
use crate::process::environment;
use crate::runner::{Attempt, Report};
use crate::spec::{Agent, Project};
use crate::vault::Label;
use crate::workspace::{Committed, Workspaces, Worktree};
use chimera_core::{
    Artifacts, Digest, Evidence, EvidenceKind, Outcome, Reason, Role, Task, UnixMillis, Usage, Workflow,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use tokio_util::sync::CancellationToken;

/// One attempt on its way: the task, the rooms, and what has been kept of it so far.
pub(super) struct Bench<'a> {
    pub(super) rooms: &'a Delivery,
    pub(super) attempt: &'a Attempt,
    pub(super) stop: CancellationToken,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    evidence: Vec<Evidence>,
    usage: Usage,
    /// Whose work the attempt stands or falls with at the moment, if an agent's.
    asked: Option<String>,
}

impl<'a> Bench<'a> {
    pub(super) fn new(rooms: &'a Delivery, attempt: &'a Attempt, stop: CancellationToken) -> Self {
        Self { rooms, attempt, stop, kept: Mutex::default() }
    }

    pub(super) fn into_report(self, outcome: Outcome) -> Report {
        let kept = self.kept.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        let agent = kept.asked.filter(|_| is_agents_trouble(&outcome));
        Report { outcome, evidence: kept.evidence, usage: kept.usage, agent }
    }

    pub(super) fn task(&self) -> &Task {
        &self.attempt.task
    }

    pub(super) fn workflow(&self) -> &Workflow {
        &self.attempt.task.workflow
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.rooms.settings
    }

    pub(super) fn now(&self) -> UnixMillis {
        (self.rooms.settings.clock)()
    }

    /// The project of the task; a scratch project is made up on the spot.
    pub(super) fn project(&self) -> Result<Project, Halt> {
        site::project(self.settings(), self.task())
    }

    /// The agents of a role; one of them but for the guardian.
    pub(super) fn agents(&self, role: Role) -> Result<&'a [Agent], Halt> {
        match self.rooms.settings.roles.get(&role) {
            Some(agents) if !agents.is_empty() => Ok(agents),
            _ => Err(Halt::failed(Reason::Config, format!("no agent is configured for {role}"))),
        }
    }

    /// The one agent of a role.
    pub(super) fn agent(&self, role: Role) -> Result<&'a Agent, Halt> {
        self.agents(role).map(|agents| &agents[0])
    }

    /// An artifact that an earlier phase must have left.
    pub(super) fn have<T: Clone>(
        &self,
        what: &str,
        pick: impl Fn(&Artifacts) -> &Option<T>,
    ) -> Result<T, Halt> {
        pick(&self.workflow().artifacts).clone().ok_or_else(|| {
            Halt::failed(
                Reason::Config,
                format!("the {what} is not on record: retry the task from an earlier phase"),
            )
        })
    }

    /// Goes on only if the lease still holds: to be asked before anything that others can see.
    pub(super) async fn fenced(&self) -> Result<(), Halt> {
        if self.attempt.fence.holds().await { Ok(()) } else { Err(Halt::interrupted()) }
    }

    /// The clones and worktrees, until the attempt is stopped.
    pub(super) fn workspaces(&self) -> Workspaces {
        self.rooms.workspaces.until(&self.stop)
    }

    /// The branch of the task, at its last recorded commit.
    pub(super) async fn worktree(&self, project: &Project, at: &Digest) -> Result<Worktree, Halt> {
        let epoch = self.task().lease.as_ref().map_or(0, |lease| lease.epoch);
        Ok(self.workspaces().worktree(project, &self.task().id, epoch, at).await?)
    }

    /// The same with its files, to be worked on.
    pub(super) async fn checked_out(&self, project: &Project, at: &Digest) -> Result<Worktree, Halt> {
        let mut worktree = self.worktree(project, at).await?.allowing(&project.allow_paths);
        self.fenced().await?;
        worktree.check_out().await?;
        Ok(worktree)
    }

    /// Commits what was done to the files, and hands the branch on to the other machines, where there are any:
    /// before the phase is recorded, so that whoever goes on finds it.
    ///
    /// The file at `frozen`, if one is named, stays as it was, whatever was done to it.
    pub(super) async fn commit(
        &self,
        worktree: &Worktree,
        subject: &str,
        frozen: Option<&str>,
    ) -> Result<Committed, Halt> {
        self.fenced().await?;
        let done = worktree.commit_but(frozen, subject, &self.trailers()).await?;
        if let Some(commit) = &done.commit {
            self.fenced().await?;
            worktree.share(commit).await?;
        }
        Ok(done)
    }

    /// The log file of this attempt; `part` tells several processes apart.
    pub(super) fn log(&self, part: &str) -> PathBuf {
        let name = format!("{:03}-{}-{part}.log", self.workflow().attempt, self.task().phase());
        self.note(&name)
    }

    /// A file among the task's logs that the phases hand on.
    pub(super) fn note(&self, name: &str) -> PathBuf {
        self.settings().data_dir.join("logs").join(self.task().id.as_str()).join(name)
    }

    /// Copies a log to where people look for it.
    pub(super) fn keep_log(&self, part: &str, from: &Path) -> Result<(), Halt> {
        let log = self.log(part);
        std::fs::create_dir_all(log.parent().unwrap_or(&log))?;
        std::fs::copy(from, log)?;
        Ok(())
    }

    /// A directory of this attempt outside of the worktree, empty at its start.
    pub(super) fn private_dir(&self, part: &str) -> Result<PathBuf, Halt> {
        let name = format!("{:03}-{part}", self.workflow().attempt);
        let dir = self.settings().data_dir.join("private").join(self.task().id.as_str()).join(name);
        crate::remove::tree(&dir)?;
        std::fs::create_dir_all(&dir)?;
        Ok(dir)
    }

    /// Puts a text among the evidence.
    pub(super) fn keep_bytes(&self, kind: EvidenceKind, name: &str, bytes: &[u8]) -> Result<Evidence, Halt> {
        let evidence = self.rooms.vault.keep_bytes(self.label(kind, name), bytes)?;
        self.lock().evidence.push(evidence.clone());
        Ok(evidence)
    }

    /// Puts a file among the evidence; one that cannot be kept (too large, a link) is left out and logged.
    pub(super) fn keep_file(&self, kind: EvidenceKind, name: &str, path: &Path) {
        match self.rooms.vault.keep_file(self.label(kind, name), path) {
            Ok(evidence) => self.lock().evidence.push(evidence),
            Err(err) => tracing::warn!(task = %self.task().id, name, error = %err, "evidence left out"),
        }
    }

    /// The evidence of this attempt with these names, so far.
    pub(super) fn kept(&self, wanted: impl Fn(&str) -> bool) -> Vec<Evidence> {
        self.lock().evidence.iter().filter(|file| wanted(&file.name)).cloned().collect()
    }

    fn label<'n>(&self, kind: EvidenceKind, name: &'n str) -> Label<'n> {
        Label { kind, name, phase: self.task().phase(), attempt: self.workflow().attempt }
    }

    /// What every commit of the daemon says of where it came from.
    fn trailers(&self) -> [(&'static str, String); 3] {
        [
            ("Chimera-Task", self.task().id.to_string()),
            ("Chimera-Phase", self.task().phase().to_string()),
            ("Chimera-Attempt", self.workflow().attempt.to_string()),
        ]
    }

    /// The environment of what runs for the project itself: builds, servers, checks.
    pub(super) fn project_environment(&self, home: &Path) -> BTreeMap<String, String> {
        environment::fresh(&self.settings().environment, &[], home)
    }

    pub(super) fn used(&self, usage: Usage) {
        let mut kept = self.lock();
        kept.usage = kept.usage.plus(usage);
    }

    /// Who is to blame from here on if the attempt goes wrong: an agent, or nobody but the daemon and the project.
    pub(super) fn asks(&self, agent: Option<&str>) {
        self.lock().asked = agent.map(str::to_owned);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn is_agents_trouble(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Transient { setback, .. } | Outcome::Unknown(setback) => {
            setback.reason == Reason::AgentError
        }
        Outcome::Passed { .. }
        | Outcome::Rejected(_)
        | Outcome::Failed(_)
        | Outcome::Unavailable { .. }
        | Outcome::Interrupted => false,
    }
}
