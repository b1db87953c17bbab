//! A project's own server.

use super::records::Record;
use super::{StagingError, http};
use crate::process::{Exit, Server, Spec, run};
use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long a server may take until it is ready.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// Pause between two looks whether it is ready.
const READY_POLL: Duration = Duration::from_millis(50);
/// How long a build may take, within the limit of its phase.
const BUILD_TIMEOUT: Duration = Duration::from_secs(15 * 60);
/// A server's own limit: longer than any deployment lives.
const SERVER_TIMEOUT: Duration = Duration::from_secs(365 * 86_400);
/// Time between TERM and KILL.
const GRACE: Duration = Duration::from_secs(2);
/// Most output kept of a build or a server.
const OUTPUT_CAP: u64 = 16 << 20;
/// How much of the log's end an error shows, in bytes.
const TAIL: u64 = 1500;

/// Runs the build command in the exported commit.
pub(super) async fn build(
    command: &str,
    files: &Path,
    record: &Record,
    stop: &CancellationToken,
) -> Result<(), StagingError> {
    let spec = spec(command, files, record, BUILD_TIMEOUT);
    match run(&spec, stop).await.map_err(|err| StagingError::Failed(err.to_string()))? {
        Exit::Code(0) => Ok(()),
        Exit::Stopped => Err(StagingError::Stopped),
        exit => Err(StagingError::Failed(format!("the build ended with {exit:?}:\n{}", tail(&record.log)))),
    }
}

/// Starts the server and waits until it is ready.
pub(super) async fn start(
    command: &str,
    ready: &str,
    files: &Path,
    record: &Record,
    stop: &CancellationToken,
) -> Result<Server, StagingError> {
    let spec = spec(command, files, record, SERVER_TIMEOUT);
    let server = Server::start(spec).map_err(|err| StagingError::Failed(err.to_string()))?;
    let died = |exit| {
        StagingError::Failed(format!(
            "the server ended before it was ready ({exit:?}):\n{}",
            tail(&record.log)
        ))
    };
    tokio::select! {
        biased;
        () = stop.cancelled() => {
            server.stop().await;
            Err(StagingError::Stopped)
        }
        exit = server.ended() => Err(died(exit)),
        () = until_ready(record.port, ready) => match server.exit() {
            None => Ok(server),
            exit => Err(died(exit)),
        },
        () = tokio::time::sleep(READY_TIMEOUT) => {
            server.stop().await;
            Err(StagingError::Unreachable(format!(
                "the server was not ready at {ready} within {READY_TIMEOUT:?}:\n{}", tail(&record.log)
            )))
        }
    }
}

async fn until_ready(port: u16, path: &str) {
    loop {
        if http::get(port, path).await.is_ok_and(|answer| (200..300).contains(&answer.status)) {
            return;
        }
        tokio::time::sleep(READY_POLL).await;
    }
}

fn spec(command: &str, files: &Path, record: &Record, timeout: Duration) -> Spec {
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
        cwd: files.to_owned(),
        env,
        stdin: Vec::new(),
        log: record.log.clone(),
        timeout,
        stall: None,
        grace: GRACE,
        output_cap: OUTPUT_CAP,
    }
}

/// The end of a log, for people.
fn tail(log: &Path) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = std::fs::File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        let mut bytes = Vec::new();
        file.take(TAIL).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    };
    read().unwrap_or_default()
}
