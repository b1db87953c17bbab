//! The command protocol: any program as an agent.
//!
//! The program gets a directory to work in, a prompt, and an assignment (a JSON file); it leaves an answer (a JSON
//! file). Everything else it may do counts for nothing. Map: `assignment` is what it is told, `failure` why its last
//! change was refused, `prompt` the same for readers of prose, `arguments` puts that into a command line, `answer` reads what it left, in
//! whichever `form`, `linger` ends it once it has answered. The contract for authors of agents is in
//! `docs/agents.md`, the schemas in `docs/schemas`.

mod answer;
mod arguments;
mod assignment;
mod failure;
mod form;
mod linger;
mod prompt;

pub use answer::{Answer, Trouble, Verdict, means};
pub use assignment::{Assignment, Change, Limits, Round, Rules};
pub use failure::{FAILURE_FILE, FailedCase, FailedSuite, FailedTest, Failure};

use crate::process::{self, Exit, Spec, environment};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Most output kept of an agent.
const OUTPUT_CAP: u64 = 64 << 20;
/// How long an agent may go on after its answer is complete: time to tidy up. Then it is ended, and the answer counts.
pub const LINGER: Duration = Duration::from_secs(10);
/// Time between TERM and KILL.
const GRACE: Duration = Duration::from_secs(5);

/// How an agent is asked.
#[derive(Debug)]
pub struct Ask<'a> {
    /// The program and its arguments.
    pub argv: &'a [String],
    /// Where it works.
    pub dir: &'a Path,
    /// An empty directory of its own, outside of `dir`: its home, its assignment, its answer.
    pub private: &'a Path,
    /// Where its output goes.
    pub log: &'a Path,
    /// The daemon's variables that it may see.
    pub let_through: &'a [String],
    /// The daemon's environment.
    pub environment: &'a BTreeMap<String, String>,
    /// Wall clock limit.
    pub timeout: Duration,
    /// Longest silence.
    pub stall: Option<Duration>,
    /// How long it may go on after its answer is complete; [`LINGER`] for all but tests.
    pub linger: Duration,
}

/// Runs an agent to its end and reads its answer.
///
/// # Errors
/// [`Trouble`]: whatever is no readable answer of a program that ended well.
pub async fn ask(
    ask: &Ask<'_>,
    assignment: &Assignment<'_>,
    stop: &CancellationToken,
) -> Result<Answer, Trouble> {
    let outcome = ask.private.join("outcome.json");
    let spec = prepare(ask, assignment, &outcome).map_err(|err| not_started(&err, err.to_string()))?;
    let done = stop.child_token();
    let ended = {
        let run = process::run(&spec, &done);
        tokio::pin!(run);
        tokio::select! {
            ended = &mut run => ended,
            () = linger::after_answer(&outcome, ask.linger) => {
                done.cancel();
                run.await
            }
        }
    };
    // The agent has ended now with all that it started and did not hide: nobody writes the answer by mistake.
    match ended {
        Ok(Exit::Stopped) if done.is_cancelled() && !stop.is_cancelled() => answer::read(&outcome),
        Err(err) => Err(not_started(err.io(), err.to_string())),
        Ok(Exit::Code(0)) => answer::read(&outcome),
        Ok(Exit::Code(code)) => Err(Trouble::Exit(code)),
        Ok(Exit::Signal(signal)) => Err(Trouble::Signal(signal)),
        Ok(Exit::TimedOut) => Err(Trouble::TimedOut),
        Ok(Exit::Stalled) => Err(Trouble::Stalled),
        Ok(Exit::Flooded) => Err(Trouble::Flooded),
        Ok(Exit::Stopped) => Err(Trouble::Stopped),
    }
}

fn not_started(err: &std::io::Error, why: String) -> Trouble {
    if process::is_passing(err) { Trouble::NoRoom(why) } else { Trouble::NotStarted(why) }
}

fn prepare(ask: &Ask<'_>, assignment: &Assignment<'_>, outcome: &Path) -> std::io::Result<Spec> {
    let (file, prompt_file) = (ask.private.join("assignment.json"), ask.private.join("prompt.md"));
    let home = ask.private.join("home");
    std::fs::create_dir_all(&home)?;
    std::fs::write(&file, serde_json::to_vec_pretty(assignment)?)?;
    let prompt = assignment.prompt();
    std::fs::write(&prompt_file, &prompt)?;
    let mut env = environment::fresh(ask.environment, ask.let_through, &home);
    let told = [
        ("CHIMERA_TASK_ID", assignment.task_id.to_owned()),
        ("CHIMERA_PHASE", assignment.phase.to_string()),
        ("CHIMERA_ATTEMPT", assignment.attempt.to_string()),
        ("CHIMERA_LEASE_EPOCH", assignment.lease_epoch.to_string()),
        ("CHIMERA_ASSIGNMENT", file.to_string_lossy().into_owned()),
        ("CHIMERA_OUTCOME", outcome.to_string_lossy().into_owned()),
        ("CHIMERA_EVIDENCE", assignment.evidence_dir.to_string_lossy().into_owned()),
    ];
    env.extend(told.map(|(name, value)| (name.to_owned(), value)));
    let (argv, in_arguments) = arguments::fill(ask.argv, &prompt, &prompt_file.to_string_lossy());
    Ok(Spec {
        argv,
        cwd: ask.dir.to_owned(),
        env,
        stdin: if in_arguments { Vec::new() } else { prompt.into_bytes() },
        log: ask.log.to_owned(),
        timeout: ask.timeout,
        stall: ask.stall,
        grace: GRACE,
        output_cap: OUTPUT_CAP,
    })
}
