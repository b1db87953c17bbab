//! Whether each project's repository can be cloned, and has what a delivery starts from.

use super::Check;
use crate::config::Config;
use chimera_agent::scratch::Scratch;
use chimera_agent::spec::Project;
use chimera_agent::workspace::Workspaces;
use std::time::Duration;

/// How long a repository may take to be cloned.
const PATIENCE: Duration = Duration::from_secs(120);

/// Clones each one into a temporary directory, which is removed again.
pub(super) async fn checks(config: &Config) -> Vec<Check> {
    let mut checks = Vec::with_capacity(config.projects.len());
    for project in &config.projects {
        checks.push(check(project).await);
    }
    checks
}

async fn check(project: &Project) -> Check {
    let name = format!("project {}", project.name);
    let remedy = format!("correct `repo` or `base_branch` of project {}", project.name);
    match tokio::time::timeout(PATIENCE, head(project)).await {
        Ok(Ok(found)) => Check::ok(name, found),
        Ok(Err(why)) => Check::missing(name, why, remedy),
        Err(_) => {
            let detail = format!("{} was not cloned within {} s", project.repo, PATIENCE.as_secs());
            Check::missing(name, detail, "see that the network reaches it, and that no password is asked for")
        }
    }
}

/// The head of the base branch, in words.
async fn head(project: &Project) -> Result<String, String> {
    let scratch =
        Scratch::system().dir().map_err(|err| format!("no temporary directory can be made: {err}"))?;
    let workspaces = Workspaces::new(scratch.path()).map_err(|err| err.to_string())?;
    let head = workspaces.prepare(project).await.map_err(|err| err.to_string())?;
    let head: String = head.as_str().chars().take(7).collect();
    Ok(format!("{}, {} at {head}", project.repo, project.base_branch))
}
