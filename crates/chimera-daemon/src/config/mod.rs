//! The configuration: `chimera.toml`, then `CHIMERA_*` variables, then flags.
//!
//! [`load`] is the only way in: it reads the file, lays the other layers over it, checks everything and says
//! what is wrong in terms of the file. The rest of the daemon sees only [`Config`], which is whole and valid.

mod check;
mod duration;
mod executor;
mod file;
mod parties;
mod place;
mod repository;
mod retention;
mod shape;
mod size;
mod staging;
mod template;
mod variables;

pub use retention::{Retention, span};
pub use template::TEMPLATE;
pub use variables::unread;

use crate::engine::Throttle;
use chimera_agent::spec::{Agent, Project, Recordings, Staging};
use chimera_core::gates::{BreakerPolicy, Deployer, Gates};
use chimera_core::{Phase, Policy, Role};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The name of the configuration file in the working directory.
pub const FILE_NAME: &str = "chimera.toml";

/// Everything that can be set, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file that was read, if there was one; absolute.
    pub file: Option<PathBuf>,
    /// Database, repositories, worktrees, logs and evidence; absolute.
    pub data_dir: PathBuf,
    /// The pinned Python environment; absolute.
    pub tools_dir: PathBuf,
    /// The browser of the tests, where it is not to be looked for; absolute.
    pub chromium: Option<PathBuf>,
    /// Where the database is.
    pub database: chimera_store::Database,
    /// Connections for reading from it; at least 1.
    pub database_readers: usize,
    /// Where the API listens.
    pub api: Api,
    /// How tasks are executed.
    pub executor: Executor,
    /// The limits of a delivery.
    pub policy: Policy,
    /// Wall clock limit of an attempt, per phase.
    pub timeouts: BTreeMap<Phase, Duration>,
    /// Consecutive passes that count as green; at least 1.
    pub green_runs: u32,
    /// How long a staged change stays reachable after its deployment.
    pub staging_ttl: Duration,
    /// Which test runs keep a Playwright trace and a video.
    pub recordings: Recordings,
    /// The repository through which machines hand tasks on to each other; `{project}` in it stands for the project.
    pub git_remote: Option<String>,
    /// How long tasks wait for a silent machine that has their branch.
    pub home_patience: Duration,
    /// How long ended tasks are kept.
    pub retention: Retention,
    /// Who carries out what; never empty for a role.
    pub roles: BTreeMap<Role, Vec<Agent>>,
    /// The deployment agents that projects name.
    pub agents: BTreeMap<String, Agent>,
    /// The applications.
    pub projects: Vec<Project>,
    /// The daemon's environment, from which agents are let see what their `env` names.
    pub environment: BTreeMap<String, String>,
}

impl Config {
    /// What may hold tasks back.
    pub fn gates(&self) -> Gates {
        let projects = self.projects.iter();
        let agents = self.roles.values().flatten().chain(self.agents.values());
        let deployer = |project: &Project| match &project.staging {
            Staging::Agent { agent, shared, .. } => {
                Some((project.name.clone(), Deployer { agent: agent.clone(), shared: *shared }))
            }
            Staging::Static { .. } | Staging::Start { .. } => None,
        };
        Gates {
            roles: self.executor.limits.clone(),
            projects: projects
                .clone()
                .filter_map(|project| Some((project.name.clone(), project.max_concurrent?)))
                .collect(),
            agents: agents.filter_map(|agent| Some((agent.name.clone(), agent.max_concurrent?))).collect(),
            cast: self
                .roles
                .iter()
                .map(|(role, agents)| (*role, agents.iter().map(|agent| agent.name.clone()).collect()))
                .collect(),
            deployers: projects.filter_map(deployer).collect(),
            breaker: self.executor.breaker,
            missing_tools: Vec::new(),
        }
    }
}

/// Where the API listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Api {
    /// Host name or address.
    pub host: String,
    /// Port; 0 takes a free one.
    pub port: u16,
    /// Host names, besides loopback and `host`, under which requests are answered.
    pub allowed_hosts: Vec<String>,
}

/// How tasks are executed.
#[derive(Debug, Clone, PartialEq)]
pub struct Executor {
    /// Fewest tasks that run side by side; the number is fixed if it is `max_workers`.
    pub min_workers: u32,
    /// Most tasks that run side by side.
    pub max_workers: u32,
    /// When no further task is begun.
    pub throttle: Throttle,
    /// Whether the queue is paused before the first task is taken.
    pub start_paused: bool,
    /// The fallback poll.
    pub poll_interval: Duration,
    /// How long a silent daemon keeps its tasks.
    pub lease: Duration,
    /// How long running phases may go on after a stop signal.
    pub shutdown_grace: Duration,
    /// Most concurrent attempts of a role.
    pub limits: BTreeMap<Role, u32>,
    /// When what keeps failing is left alone; absent: never.
    pub breaker: Option<BreakerPolicy>,
}

/// What the command line lays over file and environment.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--config`: must exist if given; otherwise `chimera.toml` is read if it exists.
    pub config: Option<PathBuf>,
    /// `--data-dir`.
    pub data_dir: Option<PathBuf>,
    /// `--tools-dir`.
    pub tools_dir: Option<PathBuf>,
    /// `--host`.
    pub host: Option<String>,
    /// `--port`.
    pub port: Option<u16>,
    /// `--workers`.
    pub workers: Option<u32>,
    /// `--start-paused`.
    pub start_paused: bool,
}

/// The configuration cannot be used as it is.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no valid TOML or has an unknown or ill-typed key.
    #[error("{path}: {detail}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Where and what, with a suggestion.
        detail: String,
    },
    /// A value does not make sense.
    #[error("{key}: {detail}")]
    Value {
        /// The key, variable or flag.
        key: String,
        /// What is wrong and what to do.
        detail: String,
    },
}

impl ConfigError {
    /// What is wrong with the value of a key, a variable or a flag.
    pub(crate) fn value(key: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Value { key: key.into(), detail: detail.into() }
    }
}

/// Reads the configuration. Relative paths in the file are relative to the file; others to `cwd`.
///
/// # Errors
/// [`ConfigError`] naming the key and the remedy.
pub fn load(flags: &Flags, environment: BTreeMap<String, String>, cwd: &Path) -> Result<Config, ConfigError> {
    let from_env = environment.get("CHIMERA_CONFIG").map(PathBuf::from);
    let named = flags.config.clone().or(from_env).map(|path| cwd.join(path));
    let path = named.clone().unwrap_or_else(|| cwd.join(FILE_NAME));
    let (file, read) = match std::fs::read_to_string(&path) {
        Ok(text) => (parse(&path, &text)?, Some(path.clone())),
        Err(err) if err.kind() == std::io::ErrorKind::NotFound && named.is_none() => {
            (file::File::default(), None)
        }
        Err(source) => return Err(ConfigError::Unreadable { path, source }),
    };
    let home = path.parent().unwrap_or(cwd).to_owned();
    let config = check::resolve(file, flags, environment, cwd, &home)?;
    Ok(Config { file: read, ..config })
}

fn parse(path: &Path, text: &str) -> Result<file::File, ConfigError> {
    toml::from_str(text).map_err(|err| {
        let whole = err.to_string();
        let place = whole.trim_end().strip_suffix(err.message()).unwrap_or_default();
        let mut detail = format!("{place}{}", shape::in_terms_of_the_file(err.message()));
        if let Some(hint) = suggestion(err.message()) {
            detail.push_str(&format!("\nhelp: did you mean `{hint}`?"));
        }
        ConfigError::Invalid { path: path.to_owned(), detail }
    })
}

/// The nearest known key, from serde's "unknown field `x`, expected one of `a`, `b`".
fn suggestion(message: &str) -> Option<&str> {
    let mut quoted = message.strip_prefix("unknown field ")?.split('`').skip(1).step_by(2);
    let unknown = quoted.next()?;
    nearest(unknown, quoted)
}

/// The candidate that looks most like `word`, if any looks like it at all.
pub(crate) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    /// Below this Jaro-Winkler similarity a suggestion only confuses.
    const ALIKE: f64 = 0.7;
    candidates
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests;
