//! Asking a command agent, and what its answer or silence means.

use super::bench::Bench;
use super::halt::Halt;
use super::told::{About, Told};
use crate::command::{Answer, Ask, Trouble};
use crate::spec::{Agent, Protocol};
use chimera_core::{EvidenceKind, Reason};
use std::path::Path;

/// Runs a command agent in `dir` and gives its answer; whatever is no readable answer halts.
pub(super) async fn ask(
    bench: &Bench<'_>,
    agent: &Agent,
    dir: &Path,
    about: &About<'_>,
) -> Result<Answer, Halt> {
    let Protocol::Command { argv } = &agent.protocol else {
        return Err(Halt::failed(Reason::Config, format!("{} is no command agent", agent.name)));
    };
    bench.asks(Some(&agent.name));
    let log = bench.log(&agent.name);
    let private = bench.private_dir(&agent.name)?;
    let ask = Ask {
        argv,
        dir,
        private: &private,
        log: &log,
        let_through: &agent.env,
        environment: &bench.settings().environment,
        timeout: agent.timeout.unwrap_or(bench.attempt.timeout),
        stall: agent.stall,
        linger: crate::command::LINGER,
    };
    let told = Told::lay_out(bench, &private, about)?;
    let diff_path = told.diff_path();
    let assignment = told.assignment(bench, diff_path.as_deref());
    let answered = crate::command::ask(&ask, &assignment, &bench.stop).await;
    bench.keep_file(EvidenceKind::Log, &format!("{}.log", agent.name), &log);
    match &answered {
        Ok(Answer { usage, .. })
        | Err(Trouble::NotNow { usage, .. } | Trouble::Unavailable { usage, .. }) => bench.used(*usage),
        Err(_) => (),
    }
    answered.map_err(|trouble| halted(agent, &trouble))
}

fn halted(agent: &Agent, trouble: &Trouble) -> Halt {
    let why = format!("agent `{}`: {trouble}", agent.name);
    match trouble {
        Trouble::NotNow { retry_after, .. } => Halt::not_now(why, *retry_after),
        Trouble::Unavailable { retry_after, .. } => Halt::unavailable(&agent.name, why, *retry_after),
        Trouble::Stopped => Halt::interrupted(),
        Trouble::NoRoom(_) => Halt::no_room(why),
        Trouble::NotStarted(_) => Halt::failed(Reason::Config, why),
        Trouble::Missing | Trouble::Unreadable(_) | Trouble::TooLarge => Halt::unknown(why),
        Trouble::Exit(_) | Trouble::Signal(_) | Trouble::TimedOut | Trouble::Stalled | Trouble::Flooded => {
            Halt::transient(Reason::AgentError, why)
        }
    }
}
