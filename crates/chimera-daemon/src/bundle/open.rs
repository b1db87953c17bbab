//! Takes an archive apart and believes nothing.
//!
//! The order matters: form first, then the signature, and what the files say only after they are known to be the
//! signed ones.

use super::archive::{Malformed, Reader};
use super::dossier::Exhibit;
use super::dsse::Envelope;
use super::key::PublicKey;
use super::limits;
use super::manifest::{Listed, Manifest};
use super::pack::{ATTESTATION, MANIFEST, PUBLIC_KEY, REPORT, SHEETS};
use super::report;
use super::statement::Statement;
use chimera_agent::vault::sha256;
use chimera_core::{Digest, EvidenceKind};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Read;

/// The bundle is not what its signer has signed, or does not hold together.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub(super) String);

impl Refused {
    pub(super) fn because(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl From<Malformed> for Refused {
    fn from(malformed: Malformed) -> Self {
        Self(malformed.to_string())
    }
}

/// A bundle whose bytes are all accounted for.
pub(super) struct Opened {
    /// The key that has signed it.
    pub(super) key: PublicKey,
    /// What is signed.
    pub(super) statement: Statement,
    /// The hash of the manifest.
    pub(super) manifest_sha256: Digest,
    /// All files.
    pub(super) files: Vec<Listed>,
    /// The evidence index.
    pub(super) exhibits: Vec<Exhibit>,
    /// The content of the sheets and the page, of reports and tests, and of what the page shows.
    pub(super) held: BTreeMap<String, Vec<u8>>,
}

/// Which key must have signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trusted {
    /// This one.
    Key(PublicKey),
    /// The one of this id.
    Id(String),
}

/// Reads a bundle to its last byte.
///
/// # Errors
/// [`Refused`] at the first thing that is not as it must be.
pub(super) fn open(archive: impl Read, trusted: Option<&Trusted>) -> Result<Opened, Refused> {
    let mut reader = Reader::new(archive);
    let manifest_bytes = whole(&mut reader, MANIFEST)?;
    let envelope = whole(&mut reader, ATTESTATION)?;
    let manifest = Manifest::parse(&manifest_bytes).map_err(|why| Refused(format!("{MANIFEST}: {why}")))?;
    let expected = [PUBLIC_KEY, REPORT].into_iter().chain(SHEETS);
    let evidence = manifest.files.get(2 + SHEETS.len()..).unwrap_or_default();
    let named = manifest.files.iter().map(|file| file.path.as_str());
    if named.take(2 + SHEETS.len()).ne(expected)
        || evidence.iter().any(|file| !file.path.starts_with("evidence/"))
    {
        return Err(Refused::because(format!("{MANIFEST} does not list the files of a bundle")));
    }
    let pem = listed(&mut reader, &manifest.files[0], true)?;
    let key = public_key(&pem, trusted)?;
    let manifest_sha256 = sha256(&manifest_bytes);
    let payload = Envelope::open(&envelope, &key).map_err(|why| Refused(format!("{ATTESTATION}: {why}")))?;
    let statement: Statement =
        serde_json::from_slice(&payload).map_err(|err| Refused(format!("the signed statement: {err}")))?;
    if statement.manifest() != Some(&manifest_sha256) {
        return Err(Refused::because("the signature is about another manifest"));
    }
    let (mut held, mut wanted, mut exhibits) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
    let mut room = limits::HELD_TOTAL_BYTES;
    for file in &manifest.files[1..] {
        let sheet = file.path == REPORT || SHEETS.contains(&file.path.as_str());
        let hold = sheet || wanted.contains(&file.path);
        let bytes = listed(&mut reader, file, hold)?;
        let size = bytes.len() as u64;
        room = room.checked_sub(size).ok_or_else(|| {
            Refused(format!("more than {} bytes would have to be read into memory", limits::HELD_TOTAL_BYTES))
        })?;
        if file.path == SHEETS[SHEETS.len() - 1] {
            exhibits = index(&bytes, &manifest.files)?;
            wanted = worth_reading(&exhibits);
        }
        if hold {
            held.insert(file.path.clone(), bytes);
        }
    }
    if let Some((name, _)) = reader.next()? {
        return Err(Refused(format!("`{name}` is not in the manifest")));
    }
    Ok(Opened { key, statement, manifest_sha256, files: manifest.files, exhibits, held })
}

/// The key in the bundle, if it is the one that is wanted.
fn public_key(pem: &[u8], trusted: Option<&Trusted>) -> Result<PublicKey, Refused> {
    let key = std::str::from_utf8(pem).ok().and_then(PublicKey::parse);
    let key = key.filter(|key| key.pem().as_bytes() == pem);
    let key = key.ok_or_else(|| Refused(format!("{PUBLIC_KEY} holds no Ed25519 key")))?;
    let fits = match trusted {
        None => true,
        Some(Trusted::Key(trusted)) => *trusted == key,
        Some(Trusted::Id(id)) => *id == key.id(),
    };
    if fits { Ok(key) } else { Err(Refused(format!("it is signed with another key: {}", key.id()))) }
}

/// The evidence index, each entry of which has a file, and each file an entry.
fn index(bytes: &[u8], files: &[Listed]) -> Result<Vec<Exhibit>, Refused> {
    let exhibits: Vec<Exhibit> =
        serde_json::from_slice(bytes).map_err(|err| Refused(format!("evidence.json: {err}")))?;
    let there: BTreeMap<&str, &Listed> = files.iter().map(|file| (file.path.as_str(), file)).collect();
    let mut named = BTreeSet::new();
    for exhibit in &exhibits {
        let Some(path) = &exhibit.path else { continue };
        let fits = path.starts_with("evidence/")
            && there
                .get(path.as_str())
                .is_some_and(|file| (&file.sha256, file.size) == (&exhibit.sha256, exhibit.size));
        if !fits {
            return Err(Refused(format!(
                "evidence.json: `{}` is not the file in the bundle",
                path.escape_debug()
            )));
        }
        named.insert(path.as_str());
    }
    match files.iter().find(|file| file.path.starts_with("evidence/") && !named.contains(file.path.as_str()))
    {
        Some(file) => Err(Refused(format!("evidence.json does not know `{}`", file.path))),
        None => Ok(exhibits),
    }
}

/// The files that have to be understood, not only counted.
fn worth_reading(exhibits: &[Exhibit]) -> BTreeSet<String> {
    let read = exhibits.iter().filter(|it| matches!(it.kind, EvidenceKind::Report | EvidenceKind::Test));
    read.chain(report::wanted(exhibits)).filter_map(|exhibit| exhibit.path.clone()).collect()
}

/// A file that must be next, read whole.
fn whole(reader: &mut Reader<impl Read>, name: &str) -> Result<Vec<u8>, Refused> {
    let Some((found, size)) = reader.next()? else {
        return Err(Refused(format!("{name} is missing")));
    };
    if found != name {
        return Err(Refused(format!("`{found}` lies where {name} should be")));
    }
    if size > limits::HELD_BYTES {
        return Err(Refused(format!(
            "{name} has {size} bytes, more than the {} allowed",
            limits::HELD_BYTES
        )));
    }
    let mut bytes = Vec::new();
    reader.content(size, |part| bytes.extend_from_slice(part))?;
    Ok(bytes)
}

/// A file that must be next, with the size and the hash that are on the list; its content if it is to be held.
fn listed(reader: &mut Reader<impl Read>, file: &Listed, hold: bool) -> Result<Vec<u8>, Refused> {
    let path = &file.path;
    let Some((name, size)) = reader.next()? else {
        return Err(Refused(format!("`{path}` is missing")));
    };
    if name != *path || size != file.size {
        return Err(Refused(format!(
            "`{name}` with {size} bytes lies where `{path}` with {} should be",
            file.size
        )));
    }
    if hold && size > limits::HELD_BYTES {
        return Err(Refused(format!(
            "`{path}` has {size} bytes, more than the {} allowed",
            limits::HELD_BYTES
        )));
    }
    let (mut bytes, mut hash) = (Vec::new(), Sha256::new());
    reader.content(size, |part| {
        hash.update(part);
        if hold {
            bytes.extend_from_slice(part);
        }
    })?;
    let hex = hash.finalize().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    if hex == file.sha256.as_str() { Ok(bytes) } else { Err(Refused(format!("`{path}` has been changed"))) }
}
