//! Rules about the history of the database's schema.

use super::{Complaint, Source, Tree};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Where the hashes stand, in the form of `sha256sum`.
const LIST: &str = "xtask/migrations.sha256";
/// The crate that they belong to.
const CRATE: &str = "chimera-store";

/// A migration that was released is never edited, renamed or removed: the databases of users have run it.
pub(super) fn history_stays(tree: &Tree) -> Vec<Complaint> {
    let list = tree.source(LIST).map_or("", |list| &list.text);
    let listed: BTreeMap<&str, &str> =
        list.lines().filter_map(|line| line.split_once("  ")).map(|(hash, path)| (path, hash)).collect();
    let mut complaints = Vec::new();
    for source in tree.sources().filter(|source| is_migration(source)) {
        let hash = sha256(&source.text);
        match listed.get(source.path.as_str()) {
            Some(known) if *known == hash => {}
            Some(_) => {
                let text = format!(
                    "a migration is never edited, databases have run it: write a new one \
                     (one that was in no release yet has `{hash}` now)"
                );
                complaints.push(Complaint::file(source, text));
            }
            None => {
                let text = format!("a new migration: add `{hash}  {}` to {LIST}", source.path);
                complaints.push(Complaint::file(source, text));
            }
        }
    }
    for path in listed.keys().filter(|path| tree.source(path).is_none()) {
        let text = "a migration is never removed or renamed, databases have run it".to_owned();
        complaints.push(Complaint { path: (*path).to_owned(), line: None, text });
    }
    complaints
}

fn is_migration(source: &Source) -> bool {
    source.krate() == Some(CRATE) && source.path.contains("/migrations/") && source.extension() == Some("sql")
}

fn sha256(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}
