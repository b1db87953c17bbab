//! Who holds a lease: one incarnation of one daemon.

use chimera_agent::process::Identity;
use std::fmt;

/// The name of this incarnation, as written into leases: its process, and a random part.
///
/// A restarted daemon is another owner, so it sees that its predecessor's tasks are orphans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    text: String,
}

impl Owner {
    /// This process.
    pub fn current() -> Self {
        Self { text: format!("{}/{}", Identity::current(), uuid::Uuid::new_v4().simple()) }
    }

    /// An owner of that name, of whose process nothing is known.
    pub fn named(name: impl Into<String>) -> Self {
        Self { text: name.into() }
    }

    /// The name in leases.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether another owner is known to be gone: its process ran here, in this boot, and does
    /// not exist any more. Owners elsewhere are never known to be gone; their leases have to run out.
    pub fn knows_gone(&self, other: &str) -> bool {
        let process = other.split_once('/').and_then(|(process, _)| Identity::parse(process));
        other != self.text && process.is_some_and(|process| process.is_gone())
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
