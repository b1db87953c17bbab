//! The log's way out of the process.
//!
//! A thread of its own writes it: a reader that is slow, stuck (a pager, a stopped terminal) or gone holds up nobody else. Lines
//! that cannot be written are lost, and counted.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;
use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait for their reader; more are lost.
const LINES: usize = 4096;
/// How long the last lines may take at the end of the process.
const LAST: Duration = Duration::from_secs(1);

/// Takes lines of the log; clones share one thread.
#[derive(Clone)]
pub(super) struct LogWriter {
    pieces: SyncSender<Piece>,
    lost: Arc<AtomicU64>,
}

enum Piece {
    Line(Vec<u8>),
    /// Everything before it is written: tell so.
    Mark(SyncSender<()>),
}

impl LogWriter {
    /// Writes to `out`.
    pub(super) fn new(out: impl Write + Send + 'static) -> Self {
        let (pieces, waiting) = sync_channel(LINES);
        let lost = Arc::new(AtomicU64::new(0));
        let counted = lost.clone();
        std::thread::spawn(move || write(out, &waiting, &counted));
        Self { pieces, lost }
    }

    /// Waits until what was logged so far is written, but not long.
    pub(super) fn flush(&self) {
        let (done, written) = sync_channel(1);
        if self.pieces.try_send(Piece::Mark(done)).is_ok() {
            let _ = written.recv_timeout(LAST);
        }
    }
}

fn write(mut out: impl Write, waiting: &Receiver<Piece>, lost: &AtomicU64) {
    for piece in waiting {
        // Nobody is left to be told of an error.
        let _ = match piece {
            Piece::Line(line) => match lost.swap(0, Ordering::Relaxed) {
                0 => out.write_all(&line),
                lost => writeln!(out, "{lost} lines of the log were not read in time and are lost")
                    .and_then(|()| out.write_all(&line)),
            },
            Piece::Mark(done) => {
                let flushed = out.flush();
                let _ = done.try_send(());
                flushed
            }
        };
    }
}

impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.pieces.try_send(Piece::Line(line.to_vec())).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::{LINES, LogWriter};
    use std::io::{self, Read, Write};

    /// A device that is full.
    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_log_that_cannot_be_written_ends_nothing() {
        let mut log = LogWriter::new(Full);
        assert!(writeln!(log, "one").is_ok());
        log.flush();
        assert!(writeln!(log, "two").is_ok());
    }

    #[test]
    fn a_reader_that_is_stuck_holds_nobody_up_and_learns_what_it_missed() {
        let (mut reader, writer) = io::pipe().expect("a pipe");
        let mut log = LogWriter::new(writer);
        let line = [b'x'; 1000];
        for _ in 0..2 * LINES {
            log.write_all(&line).expect("always taken");
        }
        let read = std::thread::spawn(move || {
            let mut text = Vec::new();
            reader.read_to_end(&mut text).map(|_| text)
        });
        while log.lost.load(std::sync::atomic::Ordering::Relaxed) > 0 {
            log.flush();
            // Once there is room again, the next line brings the number along.
            log.write_all(b"y").expect("always taken");
        }
        log.flush();
        drop(log);
        let text = read.join().expect("no panic").expect("readable");
        assert!(String::from_utf8_lossy(&text).contains("lines of the log were not read in time"));
    }
}
