//! What can be paused and closed.

use clap::Args;

/// What it is about; without an option it is the whole queue.
#[derive(Debug, Args)]
pub(in crate::cli) struct ScopeArg {
    /// A project
    #[arg(long, value_name = "NAME", conflicts_with_all = ["role", "agent"])]
    pub(in crate::cli) project: Option<String>,
    /// A role, such as coder-agent
    #[arg(long, value_name = "ROLE", conflicts_with = "agent")]
    pub(in crate::cli) role: Option<String>,
    /// An agent
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) agent: Option<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Pause {
    #[command(flatten)]
    pub(in crate::cli) scope: ScopeArg,
    /// Why, for those who wonder
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) reason: Option<String>,
}

#[derive(Debug, Args)]
#[group(required = true)]
pub(in crate::cli) struct BreakerArg {
    /// The breaker of a project
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) project: Option<String>,
    /// The breaker of an agent
    #[arg(long, value_name = "NAME", conflicts_with = "project")]
    pub(in crate::cli) agent: Option<String>,
}

impl ScopeArg {
    /// The name of the pause in the API.
    pub(in crate::cli) fn id(&self) -> String {
        match (&self.project, &self.role, &self.agent) {
            (Some(name), _, _) => format!("project:{name}"),
            (_, Some(name), _) => format!("role:{name}"),
            (_, _, Some(name)) => format!("agent:{name}"),
            _ => "queue".to_owned(),
        }
    }
}

impl BreakerArg {
    /// The name of the breaker in the API.
    pub(in crate::cli) fn id(&self) -> String {
        match (&self.project, &self.agent) {
            (Some(name), _) => format!("project:{name}"),
            (None, name) => format!("agent:{}", name.as_deref().unwrap_or_default()),
        }
    }
}
