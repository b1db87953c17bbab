//! Files that prove something, kept by content hash.

use crate::{Digest, Phase};
use serde::{Deserialize, Serialize};

/// What an evidence file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceKind {
    /// A machine-readable report of a test run.
    Report,
    /// A picture of the page.
    Screenshot,
    /// A Playwright trace.
    Trace,
    /// A film of the page.
    Video,
    /// The change, as a patch.
    Diff,
    /// The findings of a reviewer.
    Review,
    /// What a process printed.
    Log,
    /// The frozen test.
    Test,
}

impl EvidenceKind {
    /// The name in the API and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Report => "report",
            Self::Screenshot => "screenshot",
            Self::Trace => "trace",
            Self::Video => "video",
            Self::Diff => "diff",
            Self::Review => "review",
            Self::Log => "log",
            Self::Test => "test",
        }
    }
}

/// The index entry of one evidence file; the file itself lies in the data directory under its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// SHA-256 of the content.
    pub sha256: Digest,
    /// What it is.
    pub kind: EvidenceKind,
    /// A file name for people, such as `red-report.json`; no path.
    pub name: String,
    /// Size in bytes.
    pub size: u64,
    /// The phase that left it.
    pub phase: Phase,
    /// The attempt that left it.
    pub attempt: u32,
}
