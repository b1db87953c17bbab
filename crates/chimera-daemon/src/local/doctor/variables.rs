//! Whether the environment has a variable that looks like one of the daemon's, and that nobody reads.

use super::Check;
use crate::config::{Config, unread};
use std::collections::BTreeSet;

pub(super) fn checks(config: &Config) -> Vec<Check> {
    let agents = config.roles.values().flatten().chain(config.agents.values());
    let wanted: BTreeSet<&str> = agents.flat_map(|agent| &agent.env).map(String::as_str).collect();
    let check = |(name, meant): (&str, Option<String>)| {
        let remedy = match meant {
            Some(meant) => format!("did you mean {meant}? Rename it, or take it out of the environment"),
            None => {
                "take it out of the environment; docs/configuration.md has those that there are".to_owned()
            }
        };
        Check::warning("environment", format!("{name} is set, and nothing reads it"), remedy)
    };
    unread(config.environment.keys().map(String::as_str), &wanted).into_iter().map(check).collect()
}
