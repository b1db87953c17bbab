//! What a process prints, on its way into its log.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

/// Bytes read from a process at once.
const CHUNK: usize = 16 * 1024;
/// The parts of a full log that are kept when its middle is cut out: its first and its last quarter.
const KEPT: u64 = 4;

/// What happens when a log is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WhenFull {
    /// The process is ended.
    End,
    /// The middle of the log is cut out, and the process goes on.
    Cut,
}

/// What reading a piece of output showed.
pub(super) enum Piece {
    Some,
    TooMuch,
    End,
}

/// The output of a process, and where it goes.
pub(super) struct Output {
    pipe: pipe::Receiver,
    log: Log,
    buffer: Box<[u8; CHUNK]>,
}

impl Output {
    pub(super) fn new(pipe: pipe::Receiver, log: Log) -> Self {
        Self { pipe, log, buffer: Box::new([0; CHUNK]) }
    }

    pub(super) async fn read(&mut self) -> Piece {
        match self.pipe.read(&mut self.buffer[..]).await {
            Ok(0) | Err(_) => Piece::End,
            Ok(length) => self.log.keep(&self.buffer[..length]),
        }
    }

    /// How many bytes the process has printed so far.
    pub(super) fn printed(&self) -> Arc<AtomicU64> {
        self.log.printed.clone()
    }
}

/// A log file of limited size.
pub(super) struct Log {
    path: PathBuf,
    file: File,
    cap: u64,
    when_full: WhenFull,
    /// Bytes in the file; with [`WhenFull::End`], those of this process only.
    length: u64,
    /// Where the first cut was made, and the bytes that were cut out there so far.
    cut: Option<(u64, u64)>,
    printed: Arc<AtomicU64>,
}

impl Log {
    /// Opens a log to be appended to, and makes it and its directory if need be.
    pub(super) fn open(path: &Path, cap: u64, when_full: WhenFull) -> io::Result<Self> {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir)?;
        }
        let file = append(path)?;
        let length = match when_full {
            WhenFull::End => 0,
            WhenFull::Cut => file.metadata()?.len(),
        };
        Ok(Self { path: path.to_owned(), file, cap, when_full, length, cut: None, printed: Arc::default() })
    }

    fn keep(&mut self, bytes: &[u8]) -> Piece {
        let left = match self.when_full {
            WhenFull::End => self.cap.saturating_sub(self.length),
            WhenFull::Cut => u64::MAX,
        };
        let kept = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        // A full disk must not keep a process from ending; what is lost is lost from the log only.
        let _ = self.file.write_all(&bytes[..kept]);
        self.length += kept as u64;
        self.printed.fetch_add(kept as u64, Ordering::SeqCst);
        if self.when_full == WhenFull::Cut && self.length > self.cap {
            self.cut_middle();
        }
        if kept < bytes.len() { Piece::TooMuch } else { Piece::Some }
    }

    /// Keeps beginning and end of the log. Where there is no room for the shorter copy either, only the beginning.
    fn cut_middle(&mut self) {
        if let Err(error) = self.shorten() {
            tracing::debug!(log = %self.path.display(), %error, "the end of a full log is lost");
            let _ = self.file.set_len(self.cap / KEPT);
            self.cut = None;
        }
        self.length = self.file.metadata().map_or(0, |metadata| metadata.len());
    }

    fn shorten(&mut self) -> io::Result<()> {
        let mut old = BufReader::new(File::open(&self.path)?);
        let length = old.get_ref().metadata()?.len();
        let (head, before) = match self.cut {
            Some(cut) => cut,
            None => (whole_lines(&mut old, self.cap / KEPT)?, 0),
        };
        old.seek(SeekFrom::Start(length.saturating_sub(self.cap / KEPT).max(head)))?;
        let mut half_a_line = Vec::new();
        (&mut old).take(CHUNK as u64).read_until(b'\n', &mut half_a_line)?;
        let tail = old.stream_position()?;
        let cut = before + (tail - head);
        let draft = self.path.with_extension("cut");
        let mut new = File::create(&draft)?;
        old.seek(SeekFrom::Start(0))?;
        io::copy(&mut (&mut old).take(head), &mut new)?;
        writeln!(new, "[... about {cut} bytes are left out here ...]")?;
        old.seek(SeekFrom::Start(tail))?;
        io::copy(&mut old, &mut new)?;
        std::fs::rename(&draft, &self.path)?;
        self.file = append(&self.path)?;
        self.cut = Some((head, cut));
        Ok(())
    }
}

fn append(path: &Path) -> io::Result<File> {
    File::options().create(true).append(true).open(path)
}

/// The length of the whole lines in the first `most` bytes; `most` if there is none.
fn whole_lines(file: &mut (impl Read + Seek), most: u64) -> io::Result<u64> {
    let near = most.saturating_sub(CHUNK as u64);
    file.seek(SeekFrom::Start(near))?;
    let mut bytes = Vec::new();
    file.take(most - near).read_to_end(&mut bytes)?;
    let newline = bytes.iter().rposition(|byte| *byte == b'\n');
    Ok(newline.map_or(most, |at| near + at as u64 + 1))
}
