//! Agents, roles and projects: who works, and on what.

use super::check::{at_least_one, role, unknown};
use super::staging::staging;
use super::{ConfigError, file, place, repository};
use chimera_agent::spec::{Agent, E2e, Project, Protocol, Recordings, Suite};
use chimera_core::Role;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Most changed lines the built-in guardian lets through unless the project says otherwise.
const DIFF_LINES: u32 = 2_000;

pub(super) fn agents(
    file: BTreeMap<String, file::Agent>,
    home: &Path,
) -> Result<BTreeMap<String, Agent>, ConfigError> {
    let mut agents = BTreeMap::from([("builtin".to_owned(), builtin())]);
    for (name, agent) in file {
        let key = format!("agent.{name}");
        if name == "builtin" {
            return Err(ConfigError::value(key, "this name is taken by the built-in agents"));
        }
        let protocol = match agent.protocol.as_str() {
            "builtin" => Protocol::Builtin,
            "command" if agent.command.is_empty() => {
                let detail = "a command agent needs `command = [\"program\", \"argument\", ...]`";
                return Err(ConfigError::value(key, detail));
            }
            "command" => Protocol::Command { argv: from_home(agent.command, home) },
            other => {
                let detail = format!("protocol `{other}` is not supported: use `builtin` or `command`");
                return Err(ConfigError::value(key, detail));
            }
        };
        let (timeout, stall) = (agent.timeout.map(|span| span.0), agent.stall.map(|span| span.0));
        let max_concurrent = most(&key, agent.max_concurrent)?;
        agents.insert(name.clone(), Agent { name, protocol, env: agent.env, timeout, stall, max_concurrent });
    }
    Ok(agents)
}

/// A limit of concurrency.
fn most(key: &str, limit: Option<u32>) -> Result<Option<u32>, ConfigError> {
    limit.map(|limit| at_least_one(&format!("{key}.max_concurrent"), limit)).transpose()
}

/// The command with its program's path relative to the configuration, like every other path in it. Bare names
/// are left to the search path. Never relative to the worktree: a change must not choose its own reviewer.
fn from_home(mut argv: Vec<String>, home: &Path) -> Vec<String> {
    if let Some(program) = argv.first_mut().filter(|program| program.contains('/')) {
        *program = home.join(&*program).to_string_lossy().into_owned();
    }
    argv
}

fn builtin() -> Agent {
    Agent {
        name: "builtin".to_owned(),
        protocol: Protocol::Builtin,
        env: Vec::new(),
        timeout: None,
        stall: None,
        max_concurrent: None,
    }
}

pub(super) fn roles(
    file: BTreeMap<String, file::OneOrMany>,
    agents: &BTreeMap<String, Agent>,
) -> Result<BTreeMap<Role, Vec<Agent>>, ConfigError> {
    let mut roles: BTreeMap<Role, Vec<Agent>> =
        Role::ALL.into_iter().map(|role| (role, vec![builtin()])).collect();
    for (name, names) in file {
        let role = role(&name, "roles")?;
        let file::OneOrMany(names) = names;
        if names.is_empty() || (names.len() > 1 && role != Role::Guardian) {
            let detail = "name one agent (only guardian-agent takes several, who all must approve)";
            return Err(ConfigError::value(format!("roles.{name}"), detail));
        }
        let found = names.iter().map(|agent| self::agent(agents, agent, &format!("roles.{name}")).cloned());
        roles.insert(role, found.collect::<Result<_, _>>()?);
    }
    Ok(roles)
}

pub(super) fn agent<'a>(
    agents: &'a BTreeMap<String, Agent>,
    name: &str,
    key: &str,
) -> Result<&'a Agent, ConfigError> {
    let known = agents.keys().map(String::as_str);
    agents.get(name).ok_or_else(|| unknown(key, name, known, "is not a configured agent"))
}

pub(super) fn projects(
    file: Vec<file::Project>,
    agents: &BTreeMap<String, Agent>,
    home: &Path,
) -> Result<Vec<Project>, ConfigError> {
    let mut names = BTreeSet::new();
    let mut projects = Vec::with_capacity(file.len());
    for project in file {
        let key = format!("project.{}", project.name);
        check_name(&key, &project.name)?;
        if !names.insert(project.name.clone()) {
            return Err(ConfigError::value(key, "this name is used twice"));
        }
        projects.push(checked_project(project, &key, agents, home)?);
    }
    Ok(projects)
}

fn checked_project(
    mut project: file::Project,
    key: &str,
    agents: &BTreeMap<String, Agent>,
    home: &Path,
) -> Result<Project, ConfigError> {
    for prefix in &project.urls {
        if url::Url::parse(prefix).is_err() {
            let detail = format!(
                "`{prefix}` is not a valid URL: write it with its scheme, as in \"http://127.0.0.1:9000\""
            );
            return Err(ConfigError::value(format!("{key}.urls"), detail));
        }
    }
    let staging = staging(project.staging.take().unwrap_or_default(), key, agents)?;
    place::test_target(project.test_target, &project.urls, &staging, key)?;
    let git = repository::options(&mut project, key, home)?;
    Ok(Project {
        staging,
        name: project.name,
        repo: repository::place(project.repo, home),
        base_branch: project.base_branch.unwrap_or_else(|| "main".to_owned()),
        urls: project.urls,
        test_target: project.test_target,
        e2e: e2e(project.e2e.as_deref(), key)?,
        e2e_dir: place::e2e_dir(project.e2e_dir, key)?,
        host: project.host.map(|host| checked_host(host, &format!("{key}.host"))).transpose()?,
        allow_hosts: checked_hosts(project.allow_hosts, &format!("{key}.allow_hosts"))?,
        checks: project.checks,
        suite: suite(project.suite, project.suite_report, key)?,
        protected: project.protected,
        allow_paths: project.allow_paths,
        max_diff_lines: project.max_diff_lines.unwrap_or(DIFF_LINES),
        push: project.push.unwrap_or(true),
        git,
        max_concurrent: most(key, project.max_concurrent)?,
    })
}

fn suite(command: Option<String>, report: Option<String>, key: &str) -> Result<Option<Suite>, ConfigError> {
    match (command, report) {
        (None, Some(_)) => Err(ConfigError::value(
            format!("{key}.suite_report"),
            "it goes with `suite`, the command that leaves it",
        )),
        (command, report) => Ok(command.map(|command| Suite { command, report })),
    }
}

/// Those that prove something, unless it says otherwise.
pub(super) fn recordings(name: Option<&str>) -> Result<Recordings, ConfigError> {
    let name = name.unwrap_or(Recordings::Proof.as_str());
    Recordings::ALL.into_iter().find(|choice| choice.as_str() == name).ok_or_else(|| {
        let known = Recordings::ALL.into_iter().map(Recordings::as_str);
        unknown("delivery.recordings", name, known, "is not a known choice")
    })
}

fn e2e(name: Option<&str>, key: &str) -> Result<E2e, ConfigError> {
    let Some(name) = name else { return Ok(E2e::Pytest) };
    E2e::ALL.into_iter().find(|e2e| e2e.as_str() == name).ok_or_else(|| {
        let known = E2e::ALL.into_iter().map(E2e::as_str);
        unknown(&format!("{key}.e2e"), name, known, "is not a known test runner")
    })
}

/// A host with or without a port, and nothing else: it becomes part of an origin.
fn checked_host(host: String, key: &str) -> Result<String, ConfigError> {
    let origin = url::Url::parse(&format!("http://{host}/")).ok();
    let plain = origin.is_some_and(|url| {
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        url.host_str().is_some_and(|name| format!("{name}{port}") == host.trim_end_matches(":80"))
    });
    if plain {
        return Ok(host);
    }
    let detail =
        format!("`{host}` is not a valid host: write it as \"shop.example\" or \"shop.example:8080\"");
    Err(ConfigError::value(key, detail))
}

fn checked_hosts(hosts: Vec<String>, key: &str) -> Result<Vec<String>, ConfigError> {
    hosts.into_iter().map(|host| checked_host(host, key)).collect()
}

/// Project names are directory names.
fn check_name(key: &str, name: &str) -> Result<(), ConfigError> {
    let fits = (1..=chimera_core::limits::PROJECT_BYTES).contains(&name.len());
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if fits && plain && !name.starts_with(['.', '-']) && !name.starts_with("scratch-") {
        return Ok(());
    }
    let detail =
        "a project name has 1 to 64 letters, digits, `-`, `_` or `.`, and does not start with `scratch-`";
    Err(ConfigError::value(key, detail))
}
