//! `doctor`: whether everything that a delivery needs is there, and how to get what is not.
//!
//! Looks only: nothing is created, migrated or changed. [`doctor`] looks at everything and takes its time; [`quick`]
//! is the part that costs nothing, which the daemon repeats in its log when it starts, in the same words. Map:
//! `agents` is about programs and roles, `host` about directories, disks and the clock, `projects` about
//! repositories, `variables` about the environment.

mod agents;
mod host;
mod projects;
mod variables;

use crate::config::Config;
use crate::wiring;
use chimera_agent::toolchain;
use serde::Serialize;

/// One thing that a delivery needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What it is.
    pub name: String,
    /// Whether deliveries can go on as it is.
    pub ok: bool,
    /// The same, in three steps.
    pub status: Status,
    /// What was found.
    pub detail: String,
    /// What to do; empty if there is nothing to do.
    pub remedy: String,
}

/// Whether something will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It will.
    Ok,
    /// It will, but probably not as its owner thinks.
    Warning,
    /// A delivery needs it, and it is not there.
    Missing,
}

impl Check {
    fn new(status: Status, name: impl Into<String>, detail: impl Into<String>, remedy: &str) -> Self {
        let (name, detail, remedy) = (name.into(), detail.into(), remedy.to_owned());
        Self { name, ok: status != Status::Missing, status, detail, remedy }
    }

    fn ok(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(Status::Ok, name, detail, "")
    }

    fn warning(name: impl Into<String>, detail: impl Into<String>, remedy: impl AsRef<str>) -> Self {
        Self::new(Status::Warning, name, detail, remedy.as_ref())
    }

    fn missing(name: impl Into<String>, detail: impl Into<String>, remedy: impl AsRef<str>) -> Self {
        Self::new(Status::Missing, name, detail, remedy.as_ref())
    }
}

/// Looks at everything that a delivery needs: starts each tool to ask for its version, connects to the database,
/// asks each project's repository.
pub async fn doctor(config: &Config) -> Vec<Check> {
    let mut checks: Vec<Check> =
        toolchain::inspect(&wiring::tools(config)).await.into_iter().map(tool).collect();
    checks.extend(variables::checks(config));
    checks.extend(host::checks(config));
    checks.extend(host::database(config).await);
    checks.extend(agents::checks(config));
    checks.extend(projects::checks(config).await);
    checks
}

/// What is wrong, as far as that can be seen at once: nothing is started and nobody is asked.
pub fn quick(config: &Config) -> Vec<Check> {
    let missing = toolchain::locate(&wiring::tools(config)).err().unwrap_or_default();
    let tools = missing.into_iter().map(|missing| {
        Check::missing(missing.name, format!("looked for {}", missing.looked_for), missing.remedy)
    });
    let others = host::checks(config).into_iter().chain(agents::checks(config));
    tools.chain(others).chain(variables(config)).filter(|check| check.status != Status::Ok).collect()
}

/// The part of it that is about every process of the daemon, not only about one that delivers.
pub fn variables(config: &Config) -> Vec<Check> {
    variables::checks(config)
}

fn tool(check: toolchain::Check) -> Check {
    let status = match check.status {
        toolchain::Status::Ok => Status::Ok,
        toolchain::Status::Old | toolchain::Status::Optional => Status::Warning,
        toolchain::Status::Missing | toolchain::Status::Outdated => Status::Missing,
    };
    Check::new(status, check.name, check.detail, &check.remedy)
}
