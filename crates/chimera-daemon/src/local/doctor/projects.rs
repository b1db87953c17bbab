//! Whether each project's repository can be cloned, and has what a delivery starts from.

use super::Check;
use crate::config::Config;
use chimera_agent::spec::Project;
use chimera_agent::workspace;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a repository may take to answer here; a delivery waits longer.
const PATIENCE: Duration = Duration::from_secs(120);

/// Asks each one as the first phase of a delivery would, in a temporary directory that is removed again.
pub(super) async fn checks(config: &Config) -> Vec<Check> {
    let mut checks = Vec::with_capacity(config.projects.len());
    for project in &config.projects {
        checks.push(check(project, &config.environment).await);
    }
    checks
}

async fn check(project: &Project, environment: &BTreeMap<String, String>) -> Check {
    let name = format!("project {}", project.name);
    match tokio::time::timeout(PATIENCE, workspace::check(project, environment)).await {
        Ok(Ok(())) => Check::ok(name, format!("{}, branch {}", shown(&project.repo), project.base_branch)),
        Ok(Err(why)) => {
            let remedy = format!("correct [[project]] {}, or its repository", project.name);
            Check::missing(name, why.to_string(), remedy)
        }
        Err(_) => {
            let detail = format!("{} did not answer within {} s", shown(&project.repo), PATIENCE.as_secs());
            Check::missing(name, detail, "see that the network reaches it, and that it asks for no password")
        }
    }
}

/// Without what lets in: a password, or a token in the place of a user.
fn shown(repo: &str) -> String {
    match url::Url::parse(repo) {
        Ok(mut url) if url.password().is_some() || url.scheme().starts_with("http") => {
            // Neither is possible for addresses without a host, which hold no secrets.
            let _ = url.set_password(None);
            let _ = url.set_username("");
            url.to_string()
        }
        _ => repo.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn no_password_is_shown() {
        for (repo, seen) in [
            ("https://ada:secret@example.com/shop.git", "https://example.com/shop.git"),
            ("https://token@example.com/shop.git", "https://example.com/shop.git"),
            ("ssh://git@example.com/shop.git", "ssh://git@example.com/shop.git"),
            ("git@example.com:shop.git", "git@example.com:shop.git"),
            ("/srv/git/shop", "/srv/git/shop"),
        ] {
            assert_eq!(shown(repo), seen);
        }
    }
}
