//! Collects what a bundle is made of: rows of the database, files of the vault. It only reads.

use super::dossier::{Criteria, Dossier, Exhibit, ProjectSheet, TaskSheet, Tool, Tools, stretches};
use super::key::SigningKey;
use super::pack::{Package, Piece};
use super::{archive, limits, report};
use chimera_agent::delivery::staging_of;
use chimera_agent::spec::Project;
use chimera_agent::toolchain::{self, Check, Search};
use chimera_agent::vault::Vault;
use chimera_core::{Digest, Entry, Evidence, EvidenceKind, Status, Task, TaskId};
use chimera_store::{ReadTx, Store, StoreError, read};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

/// Where everything comes from.
#[derive(Clone)]
pub struct Room {
    /// The database.
    pub store: Store,
    /// The evidence.
    pub vault: Vault,
    /// What signs.
    pub key: Arc<SigningKey>,
    /// The configured projects.
    pub projects: Vec<Project>,
    /// Where the judge's tools are.
    pub tools: Search,
}

/// There is no bundle to be had.
#[derive(Debug, thiserror::Error)]
pub enum GatherError {
    /// The database says no.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The task has not ended.
    #[error("task {id} is {status}: a bundle is made of a task that has ended")]
    Unended {
        /// The task.
        id: TaskId,
        /// How far it is.
        status: Status,
    },
    /// A file cannot be read, or something does not fit into a bundle.
    #[error("the bundle cannot be made: {0}")]
    Io(#[from] io::Error),
}

/// Makes the bundle of a task that has ended.
///
/// # Errors
/// [`GatherError`].
pub async fn gather(room: Room, id: TaskId) -> Result<Package, GatherError> {
    let asked = id.clone();
    let (task, journal, evidence) = room.store.read(move |tx| everything(tx, &asked)).await?;
    if !task.status.is_end() {
        return Err(GatherError::Unended { id, status: task.status });
    }
    let tools = tools(&room.tools).await;
    let sealed = tokio::task::spawn_blocking(move || {
        let (exhibits, pieces) = place(evidence, &room.vault);
        let staging = staging_of(&room.projects, &task.project);
        let configured = room.projects.iter().find(|project| project.name == task.project);
        let project = ProjectSheet {
            name: task.project.clone(),
            branch: task.id.branch(),
            staging,
            allow_hosts: configured.map(|project| project.allow_hosts.clone()).unwrap_or_default(),
        };
        let dossier = Dossier {
            project,
            criteria: Criteria::of(&task.request),
            phases: stretches(&journal),
            task: TaskSheet::of(&task),
            request: task.request,
            journal,
            tools,
            exhibits,
        };
        let shown = report::wanted(&dossier.exhibits);
        let shown = shown.into_iter().filter_map(|exhibit| {
            let bytes = std::fs::read(room.vault.path(&exhibit.sha256)).ok()?;
            Some((exhibit.path.clone()?, bytes))
        });
        let files = shown.collect();
        let page =
            |journal_head: &Digest| report::render(&dossier, &files, &room.key.public().id(), journal_head);
        Package::seal(&dossier, page, pieces, &room.key)
    });
    Ok(sealed.await.map_err(io::Error::other)??)
}

fn everything(tx: &ReadTx<'_>, id: &TaskId) -> Result<(Task, Vec<Entry>, Vec<Evidence>), StoreError> {
    let task = read::task(tx, id)?.ok_or_else(|| StoreError::NotFound { id: id.clone() })?;
    let (mut journal, mut last) = (Vec::new(), 0);
    loop {
        let page = read::events(tx, Some(id), last, read::PAGE)?;
        let Some(newest) = page.last() else { break };
        last = newest.id;
        journal.extend(page.into_iter().map(|event| event.entry));
    }
    Ok((task, journal, read::evidence(tx, id)?))
}

async fn tools(search: &Search) -> Tools {
    let checks = toolchain::inspect(search).await;
    // Not the paths: they tell of this machine what nobody needs to know.
    let version = |check: &Check| match check.status {
        toolchain::Status::Ok | toolchain::Status::Old => {
            check.detail.split(" (").next().unwrap_or_default().to_owned()
        }
        _ => "not found".to_owned(),
    };
    let programs = checks.iter().map(|check| Tool { name: check.name.to_owned(), version: version(check) });
    Tools { daemon: env!("CARGO_PKG_VERSION").to_owned(), programs: programs.collect() }
}

/// Gives every evidence file its place in the bundle, or the reason why it has none. What proves most is placed
/// first, so that it is videos and traces that do not fit.
fn place(evidence: Vec<Evidence>, vault: &Vault) -> (Vec<Exhibit>, Vec<Piece>) {
    let mut order: Vec<usize> = (0..evidence.len()).collect();
    order.sort_by_key(|at| (weight(evidence[*at].kind), *at));
    let (mut places, mut names) = (BTreeMap::<Digest, Result<String, String>>::new(), BTreeSet::new());
    let (mut pieces, mut room) = (BTreeMap::new(), limits::BUNDLE_BYTES - limits::RESERVED_BYTES);
    let reserved = 16;
    for at in order {
        let item = &evidence[at];
        if places.contains_key(&item.sha256) {
            continue;
        }
        let taken = archive::occupied(item.size);
        let placed = if taken > room || pieces.len() + reserved >= limits::FILES {
            Err("there is no room for it in a bundle".to_owned())
        } else {
            intact(item, vault).map(|()| name(item, &mut names))
        };
        if let Ok(path) = &placed {
            room -= taken;
            let (file, sha256, size) = (vault.path(&item.sha256), item.sha256.clone(), item.size);
            pieces.insert(at, Piece { path: path.clone(), file, sha256, size });
        }
        places.insert(item.sha256.clone(), placed);
    }
    let exhibit = |item: Evidence| {
        let placed =
            places.get(&item.sha256).cloned().unwrap_or_else(|| Err("it was not looked for".to_owned()));
        let Evidence { sha256, kind, name, size, phase, attempt } = item;
        let (path, left_out) = placed.map_or_else(|why| (None, Some(why)), |path| (Some(path), None));
        Exhibit { kind, name, phase, attempt, sha256, size, path, left_out }
    };
    (evidence.into_iter().map(exhibit).collect(), pieces.into_values().collect())
}

/// Lower is more important.
fn weight(kind: EvidenceKind) -> u8 {
    match kind {
        EvidenceKind::Report | EvidenceKind::Test | EvidenceKind::Diff | EvidenceKind::Review => 0,
        EvidenceKind::Screenshot => 1,
        EvidenceKind::Log => 2,
        EvidenceKind::Trace => 3,
        EvidenceKind::Video => 4,
    }
}

/// Whether the file is still what the index says.
fn intact(item: &Evidence, vault: &Vault) -> Result<(), String> {
    match vault.hash(&item.sha256) {
        Ok((sha256, size)) if (&sha256, size) == (&item.sha256, item.size) => Ok(()),
        Ok(_) => Err("the file in the data directory is damaged".to_owned()),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Err("it is not there any more".to_owned()),
        Err(err) => Err(format!("it cannot be read: {err}")),
    }
}

/// A name of its own, such as `evidence/001-e2e-test-generation/red.png`.
fn name(item: &Evidence, taken: &mut BTreeSet<String>) -> String {
    let phase = item.phase.as_str().to_ascii_lowercase().replace('_', "-");
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let file: String = item.name.chars().map(plain).collect();
    let (stem, extension) = file.rsplit_once('.').unwrap_or((&file, ""));
    let (stem, extension) = (stem.trim_start_matches('.'), &extension[..extension.len().min(8)]);
    for number in 1.. {
        let ending = match (number, extension) {
            (1, "") => String::new(),
            (1, _) => format!(".{extension}"),
            (_, "") => format!("-{number}"),
            _ => format!("-{number}.{extension}"),
        };
        let dir = format!("evidence/{:03}-{phase}/", item.attempt);
        let room = limits::NAME_BYTES.saturating_sub(dir.len() + ending.len());
        let stem = if stem.is_empty() { "file" } else { &stem[..stem.len().min(room)] };
        let path = format!("{dir}{stem}{ending}");
        if taken.insert(path.to_ascii_lowercase()) {
            return path;
        }
    }
    unreachable!("there are more numbers than files")
}
