//! What the process takes from its surroundings and sets in them before it works.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that are enough for whatever the daemon does. Its children get the same limit; some programs close all that
/// there could be when they start, and a million takes them long.
const DESCRIPTORS: u64 = 65_536;

/// Raises the soft limit of open files towards the hard one: 1,024, as shells have it for programs of the last century, are
/// soon used up by browsers and connections.
pub(crate) fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(DESCRIPTORS, |hard| hard.min(DESCRIPTORS));
    if limit.current.is_some_and(|soft| soft < wanted) {
        let raised = Rlimit { current: Some(wanted), maximum: limit.maximum };
        if let Err(err) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(error = %err, "the limit of open files cannot be raised");
        }
    }
}
