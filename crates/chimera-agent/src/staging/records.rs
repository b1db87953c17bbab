//! What is on disk about deployments: their files, and how to serve them again.

use super::Deployment;
use crate::spec;
use chimera_core::{Digest, TaskId, UnixMillis};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What is needed to serve a deployment again, on disk beside its files.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) revision: Digest,
    pub(super) port: u16,
    pub(super) spec: spec::Staging,
    pub(super) expires_at: UnixMillis,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) log: PathBuf,
}

impl Record {
    pub(super) fn deployment(&self) -> Deployment {
        Deployment { url: format!("http://127.0.0.1:{}", self.port), revision: self.revision.clone() }
    }
}

/// The places of all deployments, one directory per task.
#[derive(Clone)]
pub(super) struct Records {
    dir: PathBuf,
}

impl Records {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    pub(super) fn place(&self, task: &TaskId) -> PathBuf {
        self.dir.join(task.as_str())
    }

    pub(super) fn files(&self, task: &TaskId) -> PathBuf {
        self.place(task).join("files")
    }

    /// The tasks that have a place.
    pub(super) fn tasks(&self) -> Vec<TaskId> {
        let entries = std::fs::read_dir(&self.dir).into_iter().flatten().flatten();
        entries.filter_map(|entry| TaskId::parse(entry.file_name().to_str()?).ok()).collect()
    }

    /// The record of a task, if it has one that can be read.
    pub(super) fn of(&self, task: &TaskId) -> Option<Record> {
        let text = std::fs::read(self.place(task).join("deployment.json")).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Replaces the record as a whole.
    pub(super) fn write(&self, task: &TaskId, record: &Record) -> std::io::Result<()> {
        let draft = tempfile::NamedTempFile::new_in(self.place(task))?;
        serde_json::to_writer(draft.as_file(), record)?;
        draft.persist(self.place(task).join("deployment.json"))?;
        Ok(())
    }
}
