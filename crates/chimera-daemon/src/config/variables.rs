//! The `CHIMERA_*` variables that there are, and those that look like them.

use super::nearest;
use std::collections::BTreeSet;

/// What all of them begin with.
const PREFIX: &str = "CHIMERA_";
/// What the daemon and the command line read.
const READ: [&str; 13] = [
    "CHIMERA_API_HOST",
    "CHIMERA_API_PORT",
    "CHIMERA_CHROMIUM",
    "CHIMERA_CONFIG",
    "CHIMERA_DATABASE_URL",
    "CHIMERA_DATA_DIR",
    "CHIMERA_DB_PATH",
    "CHIMERA_LOG",
    "CHIMERA_LOG_FORMAT",
    "CHIMERA_MAX_WORKERS",
    "CHIMERA_POLL_INTERVAL",
    "CHIMERA_SERVER",
    "CHIMERA_TOOLS_DIR",
];
/// What the daemon sets for its children: one of them may start a daemon in turn.
const SET: [&str; 11] = [
    "CHIMERA_ASSIGNMENT",
    "CHIMERA_ATTEMPT",
    "CHIMERA_BASE_COMMIT",
    "CHIMERA_EVIDENCE",
    "CHIMERA_LEASE_EPOCH",
    "CHIMERA_OUTCOME",
    "CHIMERA_PHASE",
    "CHIMERA_REVISION",
    "CHIMERA_RUN_ID",
    "CHIMERA_STAGING_URL",
    "CHIMERA_TASK_ID",
];
/// What the project's own tests read.
const TESTS: [&str; 6] = [
    "CHIMERA_CASES",
    "CHIMERA_SIM_SEED",
    "CHIMERA_SIM_SEEDS",
    "CHIMERA_TEST_PLACE",
    "CHIMERA_TEST_POSTGRES",
    "CHIMERA_TEST_POSTGRES_CA",
];

/// The names that begin like the daemon's but that nobody reads, each with the name that may be meant. `wanted` are names
/// that the configuration lets through to agents.
pub fn unread<'a>(
    names: impl Iterator<Item = &'a str>,
    wanted: &BTreeSet<&str>,
) -> Vec<(&'a str, Option<String>)> {
    let known = |name: &str| READ.into_iter().chain(SET).chain(TESTS).any(|known| known == name);
    let unread = names.filter(|name| name.starts_with(PREFIX) && !known(name) && !wanted.contains(name));
    // All begin alike: only what follows tells which is meant.
    let rest = |name: &'a str| name.strip_prefix(PREFIX).unwrap_or(name);
    let candidates = || READ.into_iter().filter_map(|name| name.strip_prefix(PREFIX));
    unread
        .map(|name| (name, nearest(rest(name), candidates()).map(|meant| format!("{PREFIX}{meant}"))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::{Path, PathBuf};

    fn texts(dir: &Path, ending: &str, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).expect("readable").flatten() {
            let path = entry.path();
            if path.is_dir() {
                texts(&path, ending, found);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }

    /// The names in texts, the bare beginning (`CHIMERA_*`) left out.
    fn names(files: &[PathBuf]) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for file in files {
            let text = std::fs::read_to_string(file).expect("readable");
            for (at, _) in text.match_indices(PREFIX) {
                let word = |c: &char| c.is_ascii_uppercase() || c.is_ascii_digit() || *c == '_';
                let name: String = text[at..].chars().take_while(word).collect();
                if name != PREFIX {
                    names.insert(name);
                }
            }
        }
        names
    }

    fn listed(lists: &[&[&str]]) -> BTreeSet<String> {
        lists.concat().into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn the_documents_have_the_variables_of_the_lists_and_no_others() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut files =
            vec![root.join("README.md"), root.join("crates/chimera-daemon/src/config/chimera.toml")];
        texts(&root.join("docs"), ".md", &mut files);
        assert_eq!(names(&files), listed(&[&READ, &SET]));
    }

    #[test]
    fn the_sources_have_no_variable_that_is_not_listed() {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut files = Vec::new();
        for name in ["chimera-agent", "chimera-core", "chimera-daemon", "chimera-store"] {
            texts(&crates.join(name), ".rs", &mut files);
        }
        files.retain(|file| !file.ends_with("config/variables.rs"));
        let mut found = names(&files);
        // The typing error that `tests/it/trouble.rs` makes.
        found.remove("CHIMERA_API_PROT");
        let unlisted: Vec<_> = found.difference(&listed(&[&READ, &SET, &TESTS])).cloned().collect();
        assert_eq!(unlisted, [] as [String; 0]);
    }

    #[test]
    fn what_nobody_reads_is_found_with_what_may_be_meant() {
        let given =
            ["CHIMERA_API_PROT", "CHIMERA_LOG", "CHIMERA_RUN_ID", "CHIMERA_KEY", "CHIMERA_ZZ", "PATH"];
        let found = unread(given.into_iter(), &BTreeSet::from(["CHIMERA_KEY"]));
        assert_eq!(found, [("CHIMERA_API_PROT", Some("CHIMERA_API_PORT".to_owned())), ("CHIMERA_ZZ", None)]);
    }
}
