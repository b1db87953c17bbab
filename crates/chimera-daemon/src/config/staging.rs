//! How commits of a project are served.

use super::parties::agent;
use super::{ConfigError, file};
use chimera_agent::spec::{Agent, Server, Staging};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

/// What `ready_timeout` may be: the phase has a limit of its own.
const READY: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(3600);
/// What `stop_timeout` may be: whoever stops the daemon waits for it.
const STOP: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(300);

pub(super) fn staging(
    file: file::Staging,
    project: &str,
    agents: &BTreeMap<String, Agent>,
) -> Result<Staging, ConfigError> {
    let key = format!("{project}.staging");
    belongs(&file).map_err(|detail| ConfigError::value(key.clone(), detail))?;
    match (file.static_dir, file.start, file.agent) {
        (None, Some(start), None) => {
            let default = Server::new(&start);
            let within = |name: &str, given: Option<super::duration::Span>, range, otherwise| match given {
                Some(span) => within(&format!("{key}.{name}"), span.0, range),
                None => Ok(otherwise),
            };
            Ok(Staging::Start(Server {
                build: file.build,
                ready: file.ready,
                revision: file.revision,
                ready_timeout: within("ready_timeout", file.ready_timeout, READY, default.ready_timeout)?,
                stop_timeout: within("stop_timeout", file.stop_timeout, STOP, default.stop_timeout)?,
                start,
            }))
        }
        (None, None, Some(name)) => {
            agent(agents, &name, &key)?;
            let shared = file.shared.unwrap_or(true);
            Ok(Staging::Agent { agent: name, revision: file.revision, shared })
        }
        (static_dir, None, None) => {
            let static_dir = static_dir.unwrap_or_else(|| ".".to_owned());
            Ok(Staging::Static { static_dir, build: file.build })
        }
        _ => Err(ConfigError::value(key, "give one of `static_dir`, `start` and `agent`")),
    }
}

/// Whether every key goes with the others.
fn belongs(file: &file::Staging) -> Result<(), &'static str> {
    let only_with_start = [file.ready.is_some(), file.ready_timeout.is_some(), file.stop_timeout.is_some()];
    let (start, agent) = (file.start.is_some(), file.agent.is_some());
    if file.shared.is_some() && !agent {
        return Err(
            "`shared` goes with `agent`: the built-in deployer serves each task at a port of its own",
        );
    }
    if file.revision.is_some() && !start && !agent {
        return Err("`revision` goes with `start` or `agent`");
    }
    if only_with_start.contains(&true) && !start {
        return Err("`ready`, `ready_timeout` and `stop_timeout` go with `start`");
    }
    if file.build.is_some() && agent {
        return Err("`build` goes with `start` or `static_dir`: an agent that deploys also builds");
    }
    Ok(())
}

fn within(key: &str, value: Duration, range: RangeInclusive<Duration>) -> Result<Duration, ConfigError> {
    if range.contains(&value) {
        return Ok(value);
    }
    let [value, least, most] = [&value, range.start(), range.end()].map(Duration::as_secs_f64);
    let detail = format!("{value} s is not possible: give {least} s to {most} s");
    Err(ConfigError::value(key, detail))
}
