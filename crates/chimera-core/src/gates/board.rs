//! The decision which tasks may start.

use super::{Breaker, Facts, Gates, Lane, MissingTool, Pause, Running, Scope, Staged};
use crate::{Phase, Role, TaskId, UnixMillis};

/// A task that may be next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The task.
    pub task: TaskId,
    /// Where it stands.
    pub lane: Lane,
    /// Where it is staged, if it may have to share the place.
    pub place: Option<String>,
}

/// What stands in a task's way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// It is paused.
    Paused(Pause),
    /// An agent or a project that it needs keeps failing.
    Breaker {
        /// The agent or the project.
        scope: Scope,
        /// When one task may try again; absent while one tries.
        until: Option<UnixMillis>,
        /// The task that tries whether it works again.
        probe: Option<TaskId>,
        /// What went wrong last.
        error: String,
    },
    /// Another task's change is at its place of staging.
    Staging {
        /// The place.
        place: String,
        /// Whose change is there.
        task: TaskId,
    },
    /// A tool that it needs is missing.
    Tools {
        /// What, and how to get it.
        detail: String,
    },
    /// As many run already as may.
    Limit {
        /// Of what.
        scope: Scope,
        /// How many may.
        limit: u32,
    },
}

/// Gates and facts together; tasks that are let through change the facts.
#[derive(Debug, Clone)]
pub struct Board<'a> {
    gates: &'a Gates,
    facts: Facts,
    owner: Option<&'a str>,
}

impl<'a> Board<'a> {
    /// The board as a daemon sees it that wants to take tasks.
    pub fn of(owner: &'a str, gates: &'a Gates, facts: Facts) -> Self {
        Self { gates, facts, owner: Some(owner) }
    }

    /// The board as somebody sees it who wants to know whether any daemon could take a task.
    pub fn over_all(gates: &'a Gates, facts: Facts) -> Self {
        Self { gates, facts, owner: None }
    }

    /// What the database says.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Whether the next so many tasks may start, whichever they are.
    pub fn is_wide_open(&self, tasks: u32) -> bool {
        let within = |limit: u32, running: u32| limit.saturating_sub(running) >= tasks;
        let gates = self.gates;
        self.pauses().next().is_none()
            && (gates.breaker.is_none() || self.facts.breakers.iter().all(|breaker| breaker.open.is_none()))
            && gates.deployers.is_empty()
            && gates.missing_tools.is_empty()
            && gates.roles.iter().all(|(role, limit)| within(*limit, self.in_role(*role, self.owner)))
            && gates.projects.iter().all(|(name, limit)| within(*limit, self.in_project(name)))
            && gates.agents.iter().all(|(name, limit)| within(*limit, self.with_agent(name)))
    }

    /// Whether no task may start in that phase, of whatever project; then its lanes need not be looked at.
    pub fn is_closed_for_all(&self, phase: Phase) -> bool {
        let anonymous = Lane::new(String::new(), phase);
        // A project may have a deployer of its own.
        let agents = if phase == Phase::StagingDeployment && !self.gates.deployers.is_empty() {
            Vec::new()
        } else {
            self.gates.agents(&anonymous)
        };
        self.paused(&anonymous, &agents).is_some()
            || self.broken(&anonymous, &agents).is_some()
            || self.without_tools(&anonymous).is_some()
            || self.full(&anonymous, &agents).is_some()
    }

    /// What keeps every task of the lane from starting.
    pub fn closed(&self, lane: &Lane) -> Option<Obstacle> {
        let agents = self.gates.agents(lane);
        self.paused(lane, &agents)
            .or_else(|| self.broken(lane, &agents))
            .or_else(|| self.without_tools(lane))
            .or_else(|| self.full(lane, &agents))
    }

    /// What keeps the task from starting.
    pub fn obstacle(&self, candidate: &Candidate) -> Option<Obstacle> {
        let lane = &candidate.lane;
        let agents = self.gates.agents(lane);
        self.paused(lane, &agents)
            .or_else(|| self.broken(lane, &agents))
            .or_else(|| self.without_tools(lane))
            .or_else(|| self.occupied(candidate))
            .or_else(|| self.full(lane, &agents))
    }

    /// Whether a task that runs may go on into the lane without a new claim. One that would have to try a breaker
    /// may not: the claim decides which one does.
    pub fn lets_pass(&self, lane: &Lane) -> bool {
        let agents = self.gates.agents(lane);
        let open = |breaker: &Breaker| breaker.open.is_some() && concerns(&breaker.scope, lane, &agents);
        self.paused(lane, &agents).is_none()
            && (self.gates.breaker.is_none() || !self.facts.breakers.iter().any(open))
    }

    /// Lets a task through: it counts from now on. Gives the breakers that it is to try.
    pub fn admit(&mut self, candidate: &Candidate, attempt: u32) -> Vec<Scope> {
        let owner = self.owner.unwrap_or_default().to_owned();
        self.facts.running.push(Running { owner, lane: candidate.lane.clone(), tasks: 1 });
        if let Some(place) = self.wanted(candidate) {
            let (place, task) = (place.to_owned(), candidate.task.clone());
            self.facts.stagings.push(Staged { place, task });
        }
        let agents = self.gates.agents(&candidate.lane);
        let mut tried = Vec::new();
        if self.gates.breaker.is_some() {
            for breaker in &mut self.facts.breakers {
                if breaker.open.is_some() && concerns(&breaker.scope, &candidate.lane, &agents) {
                    breaker.probe = Some((candidate.task.clone(), attempt));
                    tried.push(breaker.scope.clone());
                }
            }
        }
        tried
    }

    fn paused(&self, lane: &Lane, agents: &[&str]) -> Option<Obstacle> {
        let pause = self.pauses().find(|pause| concerns(&pause.scope, lane, agents));
        pause.cloned().map(Obstacle::Paused)
    }

    /// The pauses that have not ended.
    fn pauses(&self) -> impl Iterator<Item = &Pause> {
        let now = self.facts.now;
        self.facts.pauses.iter().filter(move |pause| pause.until.is_none_or(|until| now < until))
    }

    fn broken(&self, lane: &Lane, agents: &[&str]) -> Option<Obstacle> {
        self.gates.breaker?;
        let now = self.facts.now;
        let mut holding = self.facts.breakers.iter().filter(|breaker| breaker.holds(now));
        let breaker = holding.find(|breaker| concerns(&breaker.scope, lane, agents))?;
        Some(Obstacle::Breaker {
            scope: breaker.scope.clone(),
            until: breaker.open.map(|open| open.until).filter(|until| now < *until),
            probe: breaker.probe.as_ref().map(|(task, _)| task.clone()),
            error: breaker.error.clone(),
        })
    }

    /// Tools are those of a machine: seen from outside, every daemon must lack one.
    fn without_tools(&self, lane: &Lane) -> Option<Obstacle> {
        let missing = if self.owner.is_some() {
            self.gates.missing_tool(lane)
        } else {
            let lacking = self.facts.daemons.iter().map(|daemon| daemon.state.missing_tool(lane));
            lacking.collect::<Option<Vec<&MissingTool>>>()?.first().copied()
        };
        missing.map(|tool| Obstacle::Tools { detail: tool.detail.clone() })
    }

    /// Where the task's phase needs to be alone.
    fn wanted<'c>(&self, candidate: &'c Candidate) -> Option<&'c str> {
        let staged = matches!(candidate.lane.phase, Phase::StagingDeployment | Phase::E2eValidation);
        candidate.place.as_deref().filter(|_| staged)
    }

    fn occupied(&self, candidate: &Candidate) -> Option<Obstacle> {
        let place = self.wanted(candidate)?;
        let other = self.facts.stagings.iter().find(|staged| staged.place == place)?;
        let (place, task) = (place.to_owned(), other.task.clone());
        (task != candidate.task).then_some(Obstacle::Staging { place, task })
    }

    fn full(&self, lane: &Lane, agents: &[&str]) -> Option<Obstacle> {
        let gates = self.gates;
        let over = |scope, limit: Option<u32>, running: &dyn Fn() -> u32| {
            let limit = limit.filter(|limit| running() >= *limit)?;
            Some(Obstacle::Limit { scope, limit })
        };
        let project = || {
            let scope = Scope::Project(lane.project.clone());
            over(scope, gates.projects.get(&lane.project).copied(), &|| self.in_project(&lane.project))
        };
        let agent = || {
            agents.iter().find_map(|name| {
                let scope = Scope::Agent((*name).to_owned());
                over(scope, gates.agents.get(*name).copied(), &|| self.with_agent(name))
            })
        };
        project().or_else(agent).or_else(|| self.role_full(lane.phase.role()?))
    }

    /// Limits of roles are those of a daemon: seen from outside, every one of them must be full.
    fn role_full(&self, role: Role) -> Option<Obstacle> {
        let limit = match self.owner {
            Some(owner) => {
                let limit = *self.gates.roles.get(&role)?;
                (self.in_role(role, Some(owner)) >= limit).then_some(limit)?
            }
            None => {
                let daemons = &self.facts.daemons;
                let full = daemons.iter().map(|daemon| {
                    let limit = *daemon.state.roles.get(&role)?;
                    (self.in_role(role, Some(&daemon.owner)) >= limit).then_some(limit)
                });
                full.collect::<Option<Vec<u32>>>()?.into_iter().max()?
            }
        };
        Some(Obstacle::Limit { scope: Scope::Role(role), limit })
    }

    fn count(&self, which: impl Fn(&Running) -> bool) -> u32 {
        self.facts.running.iter().filter(|running| which(running)).map(|running| running.tasks).sum()
    }

    fn in_role(&self, role: Role, owner: Option<&str>) -> u32 {
        self.count(|running| {
            running.lane.phase.role() == Some(role) && owner.is_none_or(|owner| running.owner == owner)
        })
    }

    fn in_project(&self, name: &str) -> u32 {
        self.count(|running| running.lane.project == name)
    }

    fn with_agent(&self, name: &str) -> u32 {
        self.count(|running| self.gates.agents(&running.lane).contains(&name))
    }
}

/// Whether something about `scope` is about the lane.
fn concerns(scope: &Scope, lane: &Lane, agents: &[&str]) -> bool {
    match scope {
        Scope::Queue => true,
        Scope::Project(name) => *name == lane.project,
        Scope::Role(role) => lane.phase.role() == Some(*role),
        Scope::Agent(name) => agents.contains(&name.as_str()),
    }
}
