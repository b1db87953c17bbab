//! `doctor`: what is missing, and how to get it.

use crate::config::Config;
use crate::wiring;
use chimera_agent::spec::{Agent, Protocol};
use chimera_agent::toolchain::{self, Status};
use serde::Serialize;
use std::path::Path;

/// One thing that a delivery needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What it is.
    pub name: String,
    /// Whether it will do.
    pub ok: bool,
    /// What was found.
    pub detail: String,
    /// What to do; empty if it will do.
    pub remedy: String,
}

impl Check {
    fn of(name: impl Into<String>, found: Result<String, (String, String)>) -> Self {
        let name = name.into();
        match found {
            Ok(detail) => Self { name, ok: true, detail, remedy: String::new() },
            Err((detail, remedy)) => Self { name, ok: false, detail, remedy },
        }
    }
}

/// Looks at everything that a delivery needs.
pub async fn doctor(config: &Config) -> Vec<Check> {
    let mut checks: Vec<Check> = toolchain::inspect(&wiring::tools(config))
        .await
        .into_iter()
        .map(|check| Check {
            name: check.name.to_owned(),
            ok: matches!(check.status, Status::Ok | Status::Optional),
            detail: check.detail,
            remedy: check.remedy,
        })
        .collect();
    checks.push(Check::of("data directory", data_dir(&config.data_dir)));
    checks.push(Check::of("database", database(config).await));
    let agents = config.roles.iter().flat_map(|(role, agents)| agents.iter().map(move |agent| (role, agent)));
    checks.extend(agents.map(|(role, agent)| Check::of(role.as_str(), program(config, agent))));
    let projects = config.projects.iter();
    checks.extend(
        projects.map(|project| Check::of(format!("project {}", project.name), repository(&project.repo))),
    );
    if let Some(remote) = &config.git_remote {
        checks.push(Check::of("shared repository", shared(remote)));
    }
    checks
}

fn data_dir(dir: &Path) -> Result<String, (String, String)> {
    let tried = std::fs::create_dir_all(dir).and_then(|()| tempfile::tempfile_in(dir));
    let shown = dir.display().to_string();
    match tried {
        Ok(_) => Ok(shown),
        Err(err) => {
            Err((format!("{shown}: {err}"), "make it writable, or give another with --data-dir".to_owned()))
        }
    }
}

async fn database(config: &Config) -> Result<String, (String, String)> {
    match wiring::open(config) {
        Ok(store) => {
            store.close().await;
            Ok(config.database.to_string())
        }
        Err(err) => Err((format!("{err:#}"), "see the text on the left".to_owned())),
    }
}

fn program(config: &Config, agent: &Agent) -> Result<String, (String, String)> {
    let Protocol::Command { argv } = &agent.protocol else { return Ok("built in".to_owned()) };
    let program = argv.first().cloned().unwrap_or_default();
    let path = config.environment.get("PATH").cloned().unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join(&program)).find(|file| runs(file));
    match found {
        Some(file) => Ok(file.display().to_string()),
        None => Err((
            format!("`{program}` is not there, or no executable"),
            format!("install it, `chmod +x` it, or mend `command` of [agent.{}]", agent.name),
        )),
    }
}

fn runs(file: &Path) -> bool {
    file.is_file() && rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok()
}

/// The shared repository is made where nothing is yet, so the place must be there.
fn shared(remote: &str) -> Result<String, (String, String)> {
    let place = Path::new(remote);
    let fixed = place.ancestors().find(|part| !part.to_string_lossy().contains("{project}")).unwrap_or(place);
    if !place.is_absolute() || fixed.is_dir() || fixed.parent().is_some_and(Path::is_dir) {
        return Ok(remote.to_owned());
    }
    Err((format!("there is nothing at {}", fixed.display()), "mount it, or mend `git.remote`".to_owned()))
}

fn repository(repo: &str) -> Result<String, (String, String)> {
    if !Path::new(repo).is_absolute() || Path::new(repo).is_dir() {
        return Ok(repo.to_owned());
    }
    Err((format!("there is nothing at {repo}"), "mend `repo` of the project".to_owned()))
}
