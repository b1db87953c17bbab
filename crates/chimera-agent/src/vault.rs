//! Keeps evidence files by content hash.
//!
//! A file lies at `ab/abcdef...` under its SHA-256. It is written beside its place, synced and moved there, so
//! that it is whole or not there. What agents leave is hostile: links and oversized files are refused.

use crate::blocking::blocking;
use chimera_core::{Digest, Evidence, EvidenceKind, Phase, UnixMillis};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Largest evidence file: a long video or a large trace.
pub const LARGEST: u64 = 256 << 20;
/// Longest name of an evidence file, in bytes.
const NAME_BYTES: usize = 128;

/// The evidence of a data directory.
#[derive(Debug, Clone)]
pub struct Vault {
    dir: PathBuf,
}

/// The evidence cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// It is no plain file.
    #[error("{0} is no plain file")]
    NotPlain(PathBuf),
    /// It is larger than [`LARGEST`].
    #[error("{path} has {size} bytes, more than the {LARGEST} that are kept")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        size: u64,
    },
    /// It cannot be read or written.
    #[error("evidence cannot be kept: {0}")]
    Io(#[from] std::io::Error),
}

/// What the index says of a file to be kept.
#[derive(Debug, Clone, Copy)]
pub struct Label<'a> {
    /// What it is.
    pub kind: EvidenceKind,
    /// Its name for people.
    pub name: &'a str,
    /// The phase that left it.
    pub phase: Phase,
    /// The attempt that left it.
    pub attempt: u32,
}

impl Vault {
    /// The vault in this directory.
    ///
    /// # Errors
    /// If it cannot be created.
    pub fn new(dir: &Path) -> std::io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        Ok(Self { dir: dir.to_owned() })
    }

    /// Keeps bytes.
    ///
    /// # Errors
    /// [`VaultError`] if they cannot be written.
    pub fn keep_bytes(&self, label: Label<'_>, bytes: &[u8]) -> Result<Evidence, VaultError> {
        self.keep(label, &mut &bytes[..])
    }

    /// Keeps a copy of a file.
    ///
    /// # Errors
    /// [`VaultError`] if it is no plain file, too large, or cannot be copied.
    pub fn keep_file(&self, label: Label<'_>, path: &Path) -> Result<Evidence, VaultError> {
        use rustix::fs::{Mode, OFlags};
        if !std::fs::symlink_metadata(path)?.is_file() {
            return Err(VaultError::NotPlain(path.to_owned()));
        }
        // Opened without following a link that was put there in between.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let mut file =
            File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(std::io::Error::from)?);
        let size = file.metadata()?.len();
        if size > LARGEST {
            return Err(VaultError::TooLarge { path: path.to_owned(), size });
        }
        self.keep(label, &mut file)
    }

    /// Where a file of this hash lies, if it is kept.
    pub fn path(&self, sha256: &Digest) -> PathBuf {
        self.dir.join(&sha256.as_str()[..2]).join(sha256.as_str())
    }

    /// The hash and size that a kept file really has; another hash than the one it lies under means that the disk
    /// has damaged it.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn hash(&self, sha256: &Digest) -> std::io::Result<(Digest, u64)> {
        copy(&mut File::open(self.path(sha256))?, &mut std::io::sink())
    }

    /// Removes a file that nothing refers to, unless it was kept again within `spare`: whoever did that is
    /// about to refer to it. True unless it is spared.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn discard(&self, sha256: &Digest, now: UnixMillis, spare: Duration) -> std::io::Result<bool> {
        let (place, aside) = (self.path(sha256), self.path(sha256).with_extension("removed"));
        if !place.exists() {
            return Ok(true);
        }
        if is_fresh(&place, now, spare)? {
            return Ok(false);
        }
        // Out of the way first: what is kept from now on is written anew, and what was kept a moment ago shows.
        std::fs::rename(&place, &aside)?;
        if is_fresh(&aside, now, spare)? {
            std::fs::rename(&aside, &place)?;
            return Ok(false);
        }
        std::fs::remove_file(&aside)?;
        Ok(true)
    }

    fn keep(&self, label: Label<'_>, source: &mut dyn Read) -> Result<Evidence, VaultError> {
        blocking(|| self.copy_in(label, source))
    }

    fn copy_in(&self, label: Label<'_>, source: &mut dyn Read) -> Result<Evidence, VaultError> {
        let mut draft = tempfile::NamedTempFile::new_in(&self.dir)?;
        let (sha256, size) = copy(source, draft.as_file_mut())?;
        let place = self.path(&sha256);
        if !touched(&place) {
            draft.as_file().sync_all()?;
            let parent = place.parent().unwrap_or(&self.dir);
            std::fs::create_dir_all(parent)?;
            draft.persist(&place).map_err(|err| err.error)?;
            // The directory may be new: then its own name has to reach the disk, too.
            for dir in [parent, &self.dir] {
                File::open(dir)?.sync_all()?;
            }
        }
        let mut name: String = label.name.replace(['/', '\\', '\0'], "_");
        chimera_core::limits::truncate(&mut name, NAME_BYTES);
        Ok(Evidence { sha256, kind: label.kind, name, size, phase: label.phase, attempt: label.attempt })
    }
}

/// Marks a file that is kept already as kept now; false if it is not there.
fn touched(place: &Path) -> bool {
    let times = rustix::fs::Timestamps {
        last_access: rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT },
        last_modification: rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW },
    };
    let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
    rustix::fs::utimensat(rustix::fs::CWD, place, &times, flags).is_ok()
}

fn is_fresh(path: &Path, now: UnixMillis, spare: Duration) -> std::io::Result<bool> {
    let kept = std::fs::metadata(path)?.modified()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let kept = UnixMillis(i64::try_from(kept.as_millis()).unwrap_or(i64::MAX));
    Ok(now.since(kept) < spare)
}

fn copy(source: &mut dyn Read, target: &mut dyn Write) -> std::io::Result<(Digest, u64)> {
    let (mut hasher, mut size, mut buffer) = (Sha256::new(), 0, vec![0; 64 * 1024]);
    loop {
        let length = source.read(&mut buffer)?;
        if length == 0 {
            return Ok((hex(&hasher.finalize()), size));
        }
        hasher.update(&buffer[..length]);
        target.write_all(&buffer[..length])?;
        size += length as u64;
    }
}

/// SHA-256 of some bytes.
pub fn sha256(bytes: &[u8]) -> Digest {
    hex(&Sha256::digest(bytes))
}

fn hex(hash: &[u8]) -> Digest {
    let text: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    Digest::parse(&text).unwrap_or_else(|err| unreachable!("64 hexadecimal digits are a digest: {err}"))
}
