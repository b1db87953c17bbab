//! A bundle on its way out: every file with its hash, under one signature.

use super::archive::{self, Writer};
use super::dossier::Dossier;
use super::dsse::Envelope;
use super::key::SigningKey;
use super::manifest::{Listed, Manifest};
use super::statement::Statement;
use super::{chain, limits};
use chimera_agent::vault::sha256;
use chimera_core::Digest;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;

/// The manifest, the first file of the archive.
pub(super) const MANIFEST: &str = "manifest.json";
/// The signed statement, the second file.
pub(super) const ATTESTATION: &str = "attestation.dsse.json";
/// The key that the statement is signed with.
pub(super) const PUBLIC_KEY: &str = "public-key.pem";
/// The page for people.
pub(super) const REPORT: &str = "report.html";
/// The files about the task, in their order.
pub(super) const SHEETS: [&str; 8] = [
    "task.json",
    "request.json",
    "criteria.json",
    "project.json",
    "phases.json",
    "tools.json",
    "journal.jsonl",
    "evidence.json",
];

/// A sealed bundle, ready to be written as often as need be.
#[derive(Debug)]
pub struct Package {
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    listed: Listed,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Bytes(Vec<u8>),
    File(PathBuf),
}

/// An evidence file that goes into a bundle.
#[derive(Debug)]
pub(super) struct Piece {
    /// Where it goes.
    pub(super) path: String,
    /// Where it is.
    pub(super) file: PathBuf,
    /// The hash of its content.
    pub(super) sha256: Digest,
    /// Its size.
    pub(super) size: u64,
}

impl Package {
    /// Puts everything together and signs it. The report is told the head of the journal.
    ///
    /// # Errors
    /// If something cannot be written as JSON, or a file is too large.
    pub(super) fn seal(
        dossier: &Dossier,
        report: impl FnOnce(&Digest) -> String,
        pieces: Vec<Piece>,
        key: &SigningKey,
    ) -> io::Result<Self> {
        let (journal, head) = chain::forge(&dossier.journal)?;
        let sheets: [Vec<u8>; SHEETS.len()] = [
            json(&dossier.task)?,
            json(&dossier.request)?,
            json(&dossier.criteria)?,
            json(&dossier.project)?,
            json(&dossier.phases)?,
            json(&dossier.tools)?,
            journal.into_bytes(),
            json(&dossier.exhibits)?,
        ];
        let mut members = vec![
            Member::bytes(PUBLIC_KEY, key.public().pem().into_bytes()),
            Member::bytes(REPORT, report(&head).into_bytes()),
        ];
        members.extend(SHEETS.into_iter().zip(sheets).map(|(name, bytes)| Member::bytes(name, bytes)));
        if let Some(large) = members.iter().find(|member| member.listed.size > limits::HELD_BYTES) {
            let (name, size) = (&large.listed.path, large.listed.size);
            let most = limits::HELD_BYTES;
            return Err(io::Error::other(format!(
                "{name} would have {size} bytes, more than the {most} allowed"
            )));
        }
        members.extend(pieces.into_iter().map(|Piece { path, file, sha256, size }| Member {
            listed: Listed { path, sha256, size },
            content: Content::File(file),
        }));
        let manifest = Manifest::of(members.iter().map(|member| member.listed.clone()).collect()).to_bytes();
        let statement = Statement::about(dossier, &sha256(&manifest), &head);
        let envelope = Envelope::seal(key, &serde_json::to_vec(&statement)?).to_bytes();
        members.splice(0..0, [Member::bytes(MANIFEST, manifest), Member::bytes(ATTESTATION, envelope)]);
        Ok(Self { members })
    }

    /// Size of the archive in bytes.
    pub fn size(&self) -> u64 {
        self.members.iter().map(|member| archive::occupied(member.listed.size)).sum::<u64>() + archive::end()
    }

    /// Writes the archive.
    ///
    /// # Errors
    /// If it cannot be written, or a file has changed since it was sealed.
    pub fn write(&self, to: impl Write) -> io::Result<()> {
        let mut writer = Writer::new(to);
        for Member { listed, content } in &self.members {
            match content {
                Content::Bytes(bytes) => writer.add(&listed.path, listed.size, &bytes[..])?,
                Content::File(path) => {
                    let mut hashing = Hashing { from: File::open(path)?, hash: Sha256::new() };
                    writer.add(&listed.path, listed.size, &mut hashing)?;
                    if hashing.hash.finalize()[..] != bytes_of(&listed.sha256) {
                        return Err(io::Error::other(format!("{} has changed", listed.path)));
                    }
                }
            }
        }
        writer.finish().map(|_| ())
    }
}

impl Member {
    fn bytes(path: &str, bytes: Vec<u8>) -> Self {
        let listed = Listed { path: path.to_owned(), sha256: sha256(&bytes), size: bytes.len() as u64 };
        Self { listed, content: Content::Bytes(bytes) }
    }
}

/// Passes on what it reads, and hashes it.
struct Hashing {
    from: File,
    hash: Sha256,
}

impl Read for Hashing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.from.read(buffer)?;
        self.hash.update(&buffer[..length]);
        Ok(length)
    }
}

fn bytes_of(digest: &Digest) -> Vec<u8> {
    let hex = digest.as_str();
    (0..hex.len() / 2).filter_map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).ok()).collect()
}

fn json(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(value)?;
    bytes.push(b'\n');
    Ok(bytes)
}
