//! What holds queued tasks back: limits, pauses, circuit breakers, shared staging.
//!
//! [`Gates`] is what the configuration says, [`Facts`] what the database says; [`Board`] puts both together and
//! decides, for a task in a [`Lane`], what stands in its way. Nothing else decides it: the claim asks the board
//! before it takes a task, and whoever shows tasks asks it why one is not running. Map: `scope` names what a gate
//! is about, `breaker` counts failures, `board` decides.

mod board;
mod breaker;
mod scope;

pub use board::{Board, Candidate, Obstacle};
pub use breaker::{Breaker, BreakerPolicy, FORGOTTEN, Failure, Health, Open};
pub use scope::{InvalidScope, Scope};

use crate::{Phase, Role, TaskId, UnixMillis};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The name of the agents that are part of the daemon.
pub const BUILTIN: &str = "builtin";

/// Where a task stands for the gates: they let through or hold back whole lanes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane {
    /// The phase; it decides the role, and with it the agents.
    pub phase: Phase,
    /// The project.
    pub project: String,
}

impl Lane {
    /// The lane of a project's tasks in a phase.
    pub fn new(project: impl Into<String>, phase: Phase) -> Self {
        Self { phase, project: project.into() }
    }
}

/// The gates that the configuration sets up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gates {
    /// Most attempts of a role at a time on one daemon: what they use (browsers, memory) belongs to a machine.
    pub roles: BTreeMap<Role, u32>,
    /// Most tasks of a project at a time, over all daemons: they share its repository and its site.
    pub projects: BTreeMap<String, u32>,
    /// Most attempts that need an agent at a time, over all daemons: they share its account.
    pub agents: BTreeMap<String, u32>,
    /// The agents of each role; a role that is missing is carried out by the built-in one.
    pub cast: BTreeMap<Role, Vec<String>>,
    /// The projects that an agent deploys.
    pub deployers: BTreeMap<String, Deployer>,
    /// When a circuit breaker opens; absent: never.
    pub breaker: Option<BreakerPolicy>,
    /// What this daemon does not find: it takes no task that needs it. Not from the configuration, but found out
    /// again and again.
    pub missing_tools: Vec<MissingTool>,
}

/// A tool that a daemon does not find, or that does not work, and the tasks that cannot go on without it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingTool {
    /// What is missing, and how to get it.
    pub detail: String,
    /// The phases that need it.
    pub phases: Vec<Phase>,
    /// The project that needs it; absent: every one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
}

impl MissingTool {
    /// Whether the lane's tasks need it.
    pub fn concerns(&self, lane: &Lane) -> bool {
        self.phases.contains(&lane.phase) && self.project.as_ref().is_none_or(|name| *name == lane.project)
    }
}

/// Who deploys a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployer {
    /// The agent.
    pub agent: String,
    /// Whether it always deploys to the same place, so that only one task at a time may be there.
    pub shared: bool,
}

/// What the database says about the gates at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// The moment.
    pub now: UnixMillis,
    /// What is paused.
    pub pauses: Vec<Pause>,
    /// The agents and projects that failed last.
    pub breakers: Vec<Breaker>,
    /// How many tasks run in each lane, by the daemon that runs them.
    pub running: Vec<Running>,
    /// The places of staging that are taken.
    pub stagings: Vec<Staged>,
    /// The daemons that live.
    pub daemons: Vec<Daemon>,
}

/// Something that is paused: by people, or because its agent said that nobody can work with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// What.
    pub scope: Scope,
    /// Since when.
    pub since: UnixMillis,
    /// When it ends by itself; absent: when a person ends it.
    pub until: Option<UnixMillis>,
    /// Why, if they said so.
    pub reason: Option<String>,
}

/// Tasks of one lane that one daemon runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// The daemon.
    pub owner: String,
    /// The lane.
    pub lane: Lane,
    /// How many.
    pub tasks: u32,
}

/// A place of staging that is taken, until the validation of what is there has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staged {
    /// The place, as [`Gates::place`] names it.
    pub place: String,
    /// Whose change is there.
    pub task: TaskId,
}

/// A daemon that lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Daemon {
    /// Its name in leases.
    pub owner: String,
    /// When it was last heard of.
    pub seen_at: UnixMillis,
    /// What it says of itself.
    pub state: DaemonState,
}

/// What a daemon says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DaemonState {
    /// Tasks that it runs side by side, at present.
    pub workers: u32,
    /// Its limits by role.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub roles: BTreeMap<Role, u32>,
    /// Why it takes no tasks, if it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttled: Option<String>,
    /// The tools that it does not find, so that it takes no task that needs them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_tools: Vec<MissingTool>,
    /// The task that it runs alone, or lets its running phases end for; see [`crate::Workflow::is_suspect`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alone_for: Option<TaskId>,
}

impl DaemonState {
    /// The first tool that it does not find and the lane's tasks need, if any.
    pub fn missing_tool(&self, lane: &Lane) -> Option<&MissingTool> {
        self.missing_tools.iter().find(|tool| tool.concerns(lane))
    }
}

impl Gates {
    /// The agents that a lane's tasks need. The validation needs none: the daemon's own judge does it.
    pub fn agents<'a>(&'a self, lane: &Lane) -> Vec<&'a str> {
        let role = match lane.phase {
            Phase::E2eValidation => return Vec::new(),
            Phase::StagingDeployment => {
                let deployer = self.deployers.get(&lane.project);
                return vec![deployer.map_or(BUILTIN, |deployer| deployer.agent.as_str())];
            }
            phase => phase.role(),
        };
        match role.and_then(|role| self.cast.get(&role)) {
            Some(names) => names.iter().map(String::as_str).collect(),
            None => vec![BUILTIN],
        }
    }

    /// The place that a task is staged at, if it may have to share it: only where an agent deploys. The built-in
    /// deployer serves each task at a port of its own.
    pub fn place(&self, project: &str, staging_url: Option<&str>) -> Option<String> {
        let deployer = self.deployers.get(project)?;
        match staging_url {
            Some(url) => Some(url.trim_end_matches('/').to_owned()),
            None => deployer.shared.then(|| format!("project {project}")),
        }
    }

    /// The first tool that is missing for the lane's tasks, if any.
    pub fn missing_tool(&self, lane: &Lane) -> Option<&MissingTool> {
        self.missing_tools.iter().find(|tool| tool.concerns(lane))
    }

    /// Whether a task has to go through the queue between two phases of its, because the second one is under a limit
    /// that the first one was not, or needs a tool that is missing. The claim then decides, so that nobody is overtaken at the gate.
    pub fn queue_between(&self, project: &str, from: Phase, to: Phase) -> bool {
        let (before, after) = (Lane::new(project, from), Lane::new(project, to));
        let role = to.role().filter(|role| from.role() != Some(*role));
        let used = self.agents(&before);
        self.missing_tool(&after).is_some()
            || role.is_some_and(|role| self.roles.contains_key(&role))
            || self.agents(&after).iter().any(|name| self.agents.contains_key(*name) && !used.contains(name))
            || (to == Phase::StagingDeployment && self.deployers.contains_key(project))
    }

    /// Whether a claim has to look at each task: running ones have to be counted, or some need what is missing.
    pub fn are_limits(&self) -> bool {
        !self.missing_tools.is_empty() || self.count_running()
    }

    /// Whether tasks may have to wait until another one ends, or goes on to its next phase.
    pub fn count_running(&self) -> bool {
        !self.roles.is_empty() || self.are_global()
    }

    /// Whether tasks have to be counted over all daemons, so that no two may claim at once.
    pub fn are_global(&self) -> bool {
        !self.projects.is_empty() || !self.agents.is_empty() || !self.deployers.is_empty()
    }
}
