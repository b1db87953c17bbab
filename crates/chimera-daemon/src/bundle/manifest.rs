//! The list of all files, with sizes and hashes.

use super::{archive, limits};
use chimera_core::Digest;
use serde::{Deserialize, Serialize};

/// What the format is called. A reader refuses any other.
const FORMAT: &str = "chimera-bundle/1";

/// The list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    format: String,
    /// Every file but the manifest itself and the envelope, in the order of the archive.
    pub(super) files: Vec<Listed>,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listed {
    /// Where it lies.
    pub(super) path: String,
    /// SHA-256 of its content.
    pub(super) sha256: Digest,
    /// Its size in bytes.
    pub(super) size: u64,
}

impl Manifest {
    /// The list of these files.
    pub(super) fn of(files: Vec<Listed>) -> Self {
        Self { format: FORMAT.to_owned(), files }
    }

    /// The manifest as it is written.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// Reads a manifest that is exactly as it is written.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let manifest: Self = serde_json::from_slice(bytes).map_err(|err| err.to_string())?;
        if manifest.format != FORMAT {
            return Err(format!("the format is `{}`; this program reads `{FORMAT}`", manifest.format));
        }
        if manifest.to_bytes() != bytes {
            return Err("it is not as it is written".to_owned());
        }
        if manifest.files.len() > limits::FILES {
            return Err(format!("it lists more than {} files", limits::FILES));
        }
        let mut seen = std::collections::BTreeSet::new();
        for file in &manifest.files {
            if !archive::is_name(&file.path) || !seen.insert(file.path.to_ascii_lowercase()) {
                return Err(format!("`{}` is listed twice or is no name", file.path.escape_debug()));
            }
        }
        Ok(manifest)
    }
}
