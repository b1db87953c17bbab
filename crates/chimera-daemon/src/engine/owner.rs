//! Who holds a lease: one incarnation of one daemon.

use chimera_agent::process::Identity;
use std::fmt;
use std::sync::Arc;

/// The name of this incarnation, as written into leases: its process, and a random part.
///
/// A restarted daemon is another owner, so it sees that its predecessor's tasks are orphans.
#[derive(Clone)]
pub struct Owner {
    text: String,
    is_gone: Arc<dyn Fn(&str) -> bool + Send + Sync>,
}

impl Owner {
    /// This process.
    pub fn current() -> Self {
        let text = format!("{}/{}", Identity::current(), uuid::Uuid::new_v4().simple());
        Self { text, is_gone: Arc::new(has_ended) }
    }

    /// An owner of that name; `is_gone` tells of which others it knows that they are gone.
    pub fn named(name: impl Into<String>, is_gone: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self { text: name.into(), is_gone: Arc::new(is_gone) }
    }

    /// The name in leases.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether another owner is known to be gone: its process ran here, in this boot, and does
    /// not exist any more. Owners elsewhere are never known to be gone; their leases have to run out.
    pub fn knows_gone(&self, other: &str) -> bool {
        other != self.text && (self.is_gone)(other)
    }
}

fn has_ended(owner: &str) -> bool {
    let process = owner.split_once('/').and_then(|(process, _)| Identity::parse(process));
    process.is_some_and(|process| process.is_gone())
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Owner").field(&self.text).finish()
    }
}
