//! What a project runs to be staged: its build and its own server.

use super::error::{Failure, LOG_END, Step};
use super::place::{Place, Record};
use super::ready::Readiness;
use super::{StagingError, log, port};
use crate::process::{Exit, Server, Spec, run_to_the_end};
use crate::spec::Server as How;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long a build may take, within the limit of its phase.
const BUILD_TIMEOUT: Duration = Duration::from_secs(15 * 60);
/// A server's own limit: longer than any deployment lives.
const SERVER_TIMEOUT: Duration = Duration::from_secs(365 * 86_400);
/// Time between TERM and KILL for a build.
const BUILD_GRACE: Duration = Duration::from_secs(2);
/// The same for a server that was not ready yet, if its own is longer: it has nothing to save.
const UNREADY_GRACE: Duration = Duration::from_secs(2);
/// Largest log of a deployment; of a larger one the middle is cut out.
const LOG_BYTES: u64 = 16 << 20;
/// Most of a server's last answer that a message shows, in bytes.
const ANSWER_BYTES: usize = 300;

/// Runs the build command in the exported commit.
pub(super) async fn build(
    command: &str,
    place: &Place,
    record: &Record,
    stop: &CancellationToken,
) -> Result<(), StagingError> {
    let before = log::length(&record.log);
    let spec = spec(command, place, record, (BUILD_TIMEOUT, BUILD_GRACE));
    let exit = run_to_the_end(&spec, stop).await?;
    if let Some(why) = exit.from_outside() {
        return Err(StagingError::Passing(format!("the build {why}")));
    }
    match exit {
        Exit::Code(0) => Ok(()),
        Exit::Stopped => Err(StagingError::Stopped),
        exit => {
            let printed = log::length(&record.log).saturating_sub(before);
            let summary = format!("the build ended with {exit}");
            Err(StagingError::Failed(failure(Step::Build, summary, record, printed)))
        }
    }
}

/// Starts the server and waits until it is ready.
pub(super) async fn start(
    how: &How,
    place: &Place,
    record: &Record,
    stop: &CancellationToken,
) -> Result<Server, StagingError> {
    let server = Server::start(spec(&how.start, place, record, (SERVER_TIMEOUT, how.stop_timeout)))?;
    let mut readiness = Readiness::of(record.port, record.host.as_deref(), how.ready.as_deref());
    tokio::select! {
        biased;
        () = stop.cancelled() => {
            server.stop_or(tokio::time::sleep(UNREADY_GRACE)).await;
            Err(StagingError::Stopped)
        }
        _ = server.ended() => Err(died(&server, record).await),
        ready = tokio::time::timeout(how.ready_timeout, readiness.wait()) => match ready {
            Ok(()) if server.exit().is_none() => Ok(server),
            Ok(()) => Err(died(&server, record).await),
            Err(_) => {
                let summary = format!("the server was not ready at {} within {:?}", readiness.path(), how.ready_timeout);
                let failure = failure(Step::Start, with_answer(&summary, &readiness), record, server.printed());
                server.stop_or(tokio::time::sleep(UNREADY_GRACE)).await;
                Err(StagingError::NotReady(failure))
            }
        }
    }
}

fn with_answer(summary: &str, readiness: &Readiness<'_>) -> String {
    let mut answer = readiness.answer().to_owned();
    chimera_core::limits::truncate(&mut answer, ANSWER_BYTES);
    format!("{summary}: {answer}")
}

async fn died(server: &Server, record: &Record) -> StagingError {
    if port::is_taken(record.port).await {
        return StagingError::Passing(format!(
            "another process took port {} before the server could",
            record.port
        ));
    }
    if let Some(why) = server.exit().and_then(|exit| exit.from_outside()) {
        return StagingError::Passing(format!("the server {why}"));
    }
    let exit = server.exit().map(|exit| format!(" ({exit})")).unwrap_or_default();
    let summary = format!("the server ended before it was ready{exit}");
    StagingError::Failed(failure(Step::Start, summary, record, server.printed()))
}

fn failure(step: Step, summary: String, record: &Record, printed: u64) -> Failure {
    let log_end = log::end(&record.log, printed.min(LOG_END as u64));
    Failure { step, summary, log_end }
}

fn spec(command: &str, place: &Place, record: &Record, (timeout, grace): (Duration, Duration)) -> Spec {
    let mut env: BTreeMap<String, String> = record.environment.clone();
    let ours = [
        ("PORT", record.port.to_string()),
        ("HOST", "127.0.0.1".to_owned()),
        ("CHIMERA_REVISION", record.revision.to_string()),
        ("CHIMERA_STAGING_URL", record.deployment().url),
    ];
    env.extend(ours.map(|(name, value)| (name.to_owned(), value)));
    Spec {
        argv: vec!["sh".to_owned(), "-c".to_owned(), command.to_owned()],
        cwd: place.files(),
        env,
        stdin: Vec::new(),
        log: record.log.clone(),
        timeout,
        stall: None,
        grace,
        output_cap: LOG_BYTES,
    }
}
