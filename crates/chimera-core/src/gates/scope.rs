//! What a pause or a circuit breaker is about.

use crate::Role;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a pause or a circuit breaker is about. As a text: `queue`, `project:shop`, `role:coder-agent`,
/// `agent:my-coder`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Scope {
    /// Every task.
    Queue,
    /// The tasks of a project.
    Project(String),
    /// The phases of a role.
    Role(Role),
    /// The phases that need an agent.
    Agent(String),
}

/// The text names no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is none of `queue`, `project:NAME`, `role:NAME` and `agent:NAME`")]
pub struct InvalidScope(String);

impl Scope {
    /// Its kind: `queue`, `project`, `role` or `agent`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Project(_) => "project",
            Self::Role(_) => "role",
            Self::Agent(_) => "agent",
        }
    }

    /// Its name within its kind; empty for the queue.
    pub fn name(&self) -> &str {
        match self {
            Self::Queue => "",
            Self::Project(name) | Self::Agent(name) => name,
            Self::Role(role) => role.as_str(),
        }
    }

    /// The scope of that kind and name.
    ///
    /// # Errors
    /// [`InvalidScope`] if there is none.
    pub fn new(kind: &str, name: &str) -> Result<Self, InvalidScope> {
        let role = || Role::ALL.into_iter().find(|role| role.as_str() == name);
        match (kind, name) {
            ("queue", "") => Some(Self::Queue),
            ("project", name) if !name.is_empty() => Some(Self::Project(name.to_owned())),
            ("role", _) => role().map(Self::Role),
            ("agent", name) if !name.is_empty() => Some(Self::Agent(name.to_owned())),
            _ => None,
        }
        .ok_or_else(|| InvalidScope(format!("{kind}:{name}").chars().take(80).collect()))
    }

    /// Reads what is printed.
    ///
    /// # Errors
    /// [`InvalidScope`] if it is something else.
    pub fn parse(text: &str) -> Result<Self, InvalidScope> {
        let (kind, name) = text.split_once(':').unwrap_or((text, ""));
        Self::new(kind, name)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queue => f.write_str("queue"),
            scope => write!(f, "{}:{}", scope.kind(), scope.name()),
        }
    }
}

impl TryFrom<String> for Scope {
    type Error = InvalidScope;
    fn try_from(text: String) -> Result<Self, InvalidScope> {
        Self::parse(&text)
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.to_string()
    }
}
