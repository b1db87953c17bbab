//! Whether the agents can be started, and whether anybody asks for them.

use super::{Check, Status};
use crate::config::Config;
use chimera_agent::process::environment;
use chimera_agent::spec::{Agent, Protocol, Staging};
use chimera_core::Role;
use chimera_core::gates::BUILTIN;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Longest first line of a script that is read: what the kernel reads of it.
const SHEBANG_BYTES: u64 = 256;

pub(super) fn checks(config: &Config) -> Vec<Check> {
    let roles = config.roles.iter().map(|(role, agents)| cast(config, *role, agents));
    let agents = config.agents.values().filter(|agent| agent.name != BUILTIN);
    roles.chain(agents.flat_map(|agent| of_agent(config, agent))).collect()
}

/// Who carries out a role.
fn cast(config: &Config, role: Role, agents: &[Agent]) -> Check {
    let names: Vec<&str> = agents.iter().map(|agent| agent.name.as_str()).collect();
    let scaffolds = role == Role::Coder && names == [BUILTIN] && !config.projects.is_empty();
    if scaffolds {
        return Check::warning(
            role.as_str(),
            "built in: it only scaffolds static pages, for trying out",
            "name a coding agent of your own in [roles], as in `coder-agent = \"my-coder\"`; docs/agents.md tells how",
        );
    }
    Check::ok(role.as_str(), names.join(", "))
}

/// What is wrong with an agent, or one line that nothing is.
fn of_agent(config: &Config, agent: &Agent) -> Vec<Check> {
    let name = format!("agent {}", agent.name);
    let used = is_used(config, &agent.name);
    let mut checks = Vec::new();
    if !used {
        let remedy = format!(
            "name it in [roles], as in `coder-agent = \"{}\"`, or remove [agent.{0}]: until then the built-in agent does the work",
            agent.name
        );
        checks.push(Check::warning(&name, "no role uses it", remedy));
    }
    let unset: Vec<&str> = agent
        .env
        .iter()
        .filter(|variable| config.environment.get(*variable).is_none_or(String::is_empty))
        .map(String::as_str)
        .collect();
    if !unset.is_empty() {
        let remedy =
            format!("set it where the daemon is started, or take it out of `env` in [agent.{}]", agent.name);
        checks.push(Check::warning(&name, format!("{} is not set", unset.join(", ")), remedy));
    }
    match program(config, agent) {
        Ok(found) => {
            if checks.is_empty() {
                checks.push(Check::ok(name, found));
            }
        }
        Err(wrong) => {
            let remedy = format!("install it, `chmod +x` it, or correct `command` in [agent.{}]", agent.name);
            let status = if used { Status::Missing } else { Status::Warning };
            checks.push(Check::new(status, name, wrong, &remedy));
        }
    }
    checks
}

fn is_used(config: &Config, name: &str) -> bool {
    let deploys = |staging: &Staging| matches!(staging, Staging::Agent { agent, .. } if agent == name);
    config.roles.values().flatten().any(|agent| agent.name == name)
        || config.projects.iter().any(|project| deploys(&project.staging))
}

/// The program that the agent's command starts, in the environment that it will get.
fn program(config: &Config, agent: &Agent) -> Result<String, String> {
    let Protocol::Command { argv } = &agent.protocol else { return Ok("built in".to_owned()) };
    let env = environment::fresh(&config.environment, &agent.env, Path::new("/"));
    let program = argv.first().map(String::as_str).unwrap_or_default();
    let file = find(program, &env).ok_or_else(|| not_there(program))?;
    match interpreter(&file) {
        Some(interpreter) if find(&interpreter, &env).is_none() => {
            Err(format!("{} needs `{interpreter}`, which is not there", file.display()))
        }
        _ => Ok(file.display().to_string()),
    }
}

fn not_there(program: &str) -> String {
    let file = Path::new(program);
    if !program.contains('/') {
        format!("`{program}` is not in the daemon's PATH")
    } else if file.exists() {
        format!("{program} is not executable")
    } else {
        format!("{program} does not exist")
    }
}

/// A program as the system finds it: a path as it is, a bare name in `PATH`.
fn find(program: &str, env: &BTreeMap<String, String>) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|file| runs(file));
    }
    let path = env.get("PATH").map(String::as_str).unwrap_or_default();
    std::env::split_paths(path).map(|dir| dir.join(program)).find(|file| runs(file))
}

/// What a script has to be run with: the program in its first line, or the one that `env` looks for there.
fn interpreter(file: &Path) -> Option<String> {
    let mut start = Vec::new();
    std::fs::File::open(file).ok()?.take(SHEBANG_BYTES).read_to_end(&mut start).ok()?;
    let text = String::from_utf8_lossy(&start).into_owned();
    let mut words = text.lines().next()?.strip_prefix("#!")?.split_whitespace();
    let first = words.next()?;
    if Path::new(first).file_name()? != "env" {
        return Some(first.to_owned());
    }
    let named = words.find(|word| !word.starts_with('-') && !word.contains('='));
    Some(named.unwrap_or(first).to_owned())
}

fn runs(file: &Path) -> bool {
    file.is_file() && rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok()
}
