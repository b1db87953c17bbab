//! A tar archive of which no byte is free.
//!
//! Any tar program reads it; this reader takes it only if every header, every padding and the end are exactly the
//! bytes that [`Writer`] writes for the same names and sizes. So there is nowhere to hide anything, no link, no
//! path that leaves the directory, and nothing that another program could understand differently.

use super::limits;
use std::io::{self, Read, Write};

/// What everything in a tar archive is rounded up to.
const BLOCK: usize = 512;
/// An archive ends with two empty blocks.
const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// The archive is none of ours.
#[derive(Debug, thiserror::Error)]
pub(super) enum Malformed {
    /// A file may not have this name.
    #[error("`{0}` is no name of a file in a bundle")]
    Name(String),
    /// A header differs from the one that belongs to its name and size.
    #[error("the header at byte {0} is not as it is written")]
    Header(u64),
    /// What fills up a block is not empty.
    #[error("there is something behind the file at byte {0}")]
    Padding(u64),
    /// The archive goes on after its end.
    #[error("there is something after the end of the archive")]
    Trailing,
    /// It is cut short.
    #[error("the archive is cut short at byte {0}")]
    Short(u64),
    /// A limit is passed.
    #[error("{0}")]
    Limit(String),
    /// It cannot be read.
    #[error("cannot read the archive: {0}")]
    Io(io::Error),
}

/// Whether a file of a bundle may have this name: plain ASCII words separated by `/`, none of them hidden.
pub(super) fn is_name(name: &str) -> bool {
    let word = |word: &str| {
        !word.is_empty()
            && !word.starts_with('.')
            && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    name.len() <= limits::NAME_BYTES && name.split('/').all(word)
}

/// Bytes of the archive that a file of this size takes.
pub(super) fn occupied(size: u64) -> u64 {
    BLOCK as u64 + size.next_multiple_of(BLOCK as u64)
}

/// Bytes of the end of an archive.
pub(super) const fn end() -> u64 {
    END.len() as u64
}

/// The header of a plain file: owned by nobody, of no date, readable by all.
fn header(name: &str, size: u64) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, name.as_bytes());
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// Writes an archive.
pub(super) struct Writer<W> {
    to: W,
}

impl<W: Write> Writer<W> {
    /// Begins an archive.
    pub(super) fn new(to: W) -> Self {
        Self { to }
    }

    /// Adds a file of which exactly `size` bytes are read.
    ///
    /// # Errors
    /// If the name is impossible, the content is shorter, or it cannot be written.
    pub(super) fn add(&mut self, name: &str, size: u64, content: impl Read) -> io::Result<()> {
        if !is_name(name) || size > limits::FILE_BYTES {
            return Err(io::Error::other(format!("`{name}` cannot be put into a bundle")));
        }
        self.to.write_all(&header(name, size))?;
        if io::copy(&mut content.take(size), &mut self.to)? != size {
            return Err(io::Error::other(format!("`{name}` has become shorter while it was read")));
        }
        let filling = usize::try_from(occupied(size) - BLOCK as u64 - size).unwrap_or(0);
        self.to.write_all(&END[..filling])
    }

    /// Ends the archive.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.to.write_all(&END)?;
        self.to.flush()?;
        Ok(self.to)
    }
}

/// Reads an archive, file by file.
pub(super) struct Reader<R> {
    from: R,
    at: u64,
}

impl<R: Read> Reader<R> {
    /// Begins to read.
    pub(super) fn new(from: R) -> Self {
        Self { from, at: 0 }
    }

    /// The name and size of the next file, which is then to be read with [`Self::content`]; `None` at the end.
    ///
    /// # Errors
    /// [`Malformed`], whatever is not as it is written.
    pub(super) fn next(&mut self) -> Result<Option<(String, u64)>, Malformed> {
        let at = self.at;
        let mut block = [0; BLOCK];
        self.exactly(&mut block)?;
        if block == [0; BLOCK] {
            return self.ended(&mut block);
        }
        let name = block[..limits::NAME_BYTES].split(|byte| *byte == 0).next().unwrap_or_default();
        let name = String::from_utf8_lossy(name).into_owned();
        if !is_name(&name) {
            return Err(Malformed::Name(name.chars().filter(|c| !c.is_control()).collect()));
        }
        let digits = std::str::from_utf8(&block[124..135]).unwrap_or_default();
        let size = u64::from_str_radix(digits, 8).map_err(|_| Malformed::Header(at))?;
        if block != header(&name, size) {
            return Err(Malformed::Header(at));
        }
        if size > limits::FILE_BYTES {
            let most = limits::FILE_BYTES;
            return Err(Malformed::Limit(format!(
                "`{name}` has {size} bytes, more than the {most} of a file"
            )));
        }
        if at.saturating_add(occupied(size)) > limits::BUNDLE_BYTES {
            let most = limits::BUNDLE_BYTES;
            return Err(Malformed::Limit(format!("it is larger than the {most} bytes of a bundle")));
        }
        Ok(Some((name, size)))
    }

    /// Hands the content of the file that [`Self::next`] named on, part by part.
    ///
    /// # Errors
    /// [`Malformed`] if it is cut short or followed by anything.
    pub(super) fn content(&mut self, size: u64, mut part: impl FnMut(&[u8])) -> Result<(), Malformed> {
        let mut buffer = vec![0; 64 * 1024];
        let mut left = size;
        while left > 0 {
            let length = usize::try_from(left).unwrap_or(buffer.len()).min(buffer.len());
            self.exactly(&mut buffer[..length])?;
            part(&buffer[..length]);
            left -= length as u64;
        }
        let filling = usize::try_from(occupied(size) - BLOCK as u64 - size).unwrap_or(0);
        let behind = self.at;
        self.exactly(&mut buffer[..filling])?;
        if buffer[..filling].iter().any(|byte| *byte != 0) {
            return Err(Malformed::Padding(behind));
        }
        Ok(())
    }

    fn ended(&mut self, block: &mut [u8; BLOCK]) -> Result<Option<(String, u64)>, Malformed> {
        let at = self.at;
        self.exactly(block)?;
        if *block != [0; BLOCK] {
            return Err(Malformed::Header(at));
        }
        match self.from.read(&mut block[..1]) {
            Ok(0) => Ok(None),
            Ok(_) => Err(Malformed::Trailing),
            Err(err) => Err(Malformed::Io(err)),
        }
    }

    fn exactly(&mut self, buffer: &mut [u8]) -> Result<(), Malformed> {
        match self.from.read_exact(buffer) {
            Ok(()) => {
                self.at += buffer.len() as u64;
                Ok(())
            }
            Err(err) if err.kind() == io::ErrorKind::UnexpectedEof => Err(Malformed::Short(self.at)),
            Err(err) => Err(Malformed::Io(err)),
        }
    }
}
