//! The end of a log, for people and agents.

use super::Staging;
use crate::process::Identity;
use chimera_core::TaskId;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// A moment in the log of a staged server: see [`Staging::log_mark`].
#[derive(Debug, Clone, Default)]
pub struct LogMark(Option<(Identity, u64)>);

impl Staging {
    /// This moment in the log of the task's server, for [`Staging::log_since`].
    pub fn log_mark(&self, task: &TaskId) -> LogMark {
        let live = self.lock();
        let server = live.get(task).and_then(|live| live.server());
        LogMark(server.map(|server| (server.identity().clone(), server.printed())))
    }

    /// The newest of what the task's server has printed since a moment, at most so many bytes; since its start, if it was
    /// started after that. Empty for static files. It can be asked while the server runs and after it has ended.
    pub fn log_since(&self, task: &TaskId, mark: &LogMark, most: usize) -> String {
        let asked = self.lock().get(task).and_then(|live| {
            let server = live.server()?;
            let same = mark.0.as_ref().filter(|(identity, _)| identity == server.identity());
            let before = same.map_or(0, |(_, printed)| *printed);
            Some((live.record.log.clone(), server.printed().saturating_sub(before)))
        });
        asked.map(|(log, printed)| end(&log, printed.min(most as u64))).unwrap_or_default()
    }
}

/// The last bytes of a log, at most so many; what is cut at the beginning is a whole line, where there is one. Empty if it
/// cannot be read.
pub(super) fn end(log: &Path, most: u64) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        let from = length.saturating_sub(most);
        // One byte more shows whether a line begins there.
        file.seek(SeekFrom::Start(from.saturating_sub(1)))?;
        let mut bytes = Vec::new();
        file.take(most + 1).read_to_end(&mut bytes)?;
        let begin = match (from, bytes.iter().position(|byte| *byte == b'\n')) {
            (0, _) => 0,
            (_, Some(newline)) if newline + 1 < bytes.len() => newline + 1,
            _ => 1,
        };
        Ok(String::from_utf8_lossy(&bytes[begin.min(bytes.len())..]).into_owned())
    };
    read().unwrap_or_default()
}

/// The length of a log; 0 if there is none.
pub(super) fn length(log: &Path) -> u64 {
    std::fs::metadata(log).map_or(0, |metadata| metadata.len())
}
