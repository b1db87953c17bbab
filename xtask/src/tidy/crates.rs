//! Rules about who may depend on what.

use super::{Complaint, Source, Tree};

/// What each crate may use. A new line here is a decision: say in the commit why it is worth it.
const ALLOWED: [(&str, &[&str]); 5] = [
    // The heart does no IO and reads no clock; there is nothing here to do it with.
    ("chimera-core", &["serde", "thiserror"]),
    // All SQL, and nothing that could reach the outside.
    (
        "chimera-store",
        &[
            "bytes",
            "chimera-core",
            "rusqlite",
            "rustix",
            "rustls",
            "rustls-native-certs",
            "serde",
            "serde_json",
            "sha2",
            "thiserror",
            "tokio",
            // Several statements on their way at once, each with a limit of time.
            "tokio-postgres",
            "tokio-postgres-rustls",
            "tracing",
        ],
    ),
    // Never `chimera-store`: an agent cannot write the database, by construction.
    (
        "chimera-agent",
        &[
            "axum",
            "chimera-core",
            "rustix",
            "serde",
            "serde_json",
            "sha2",
            "strsim",
            "tempfile",
            "thiserror",
            "tokio",
            "tokio-util",
            "tower",
            "tower-http",
            "tracing",
            "url",
        ],
    ),
    (
        "chimera-daemon",
        &[
            "anstream",
            "anstyle",
            "anyhow",
            "axum",
            // What a signature is written in.
            "base64",
            "chimera-agent",
            "chimera-core",
            "chimera-store",
            "clap",
            "clap_complete",
            "fastrand",
            // What axum serves connections with, asked for itself: for limits of time and number.
            "hyper",
            "hyper-util",
            "include_dir",
            "jiff",
            // What the workers allocate is freed by another thread; the system's allocator takes locks for that.
            "mimalloc",
            "percent-encoding",
            // Signs bundles; rustls brings it along.
            "ring",
            "rustix",
            // The command line speaks to daemons behind a proxy with HTTPS; the store has both crates for PostgreSQL.
            "rustls",
            "rustls-native-certs",
            "serde",
            "serde_json",
            "sha2",
            "strsim",
            "tempfile",
            "thiserror",
            "tokio",
            "tokio-stream",
            "tokio-util",
            "toml",
            "tower",
            "tower-http",
            "tracing",
            "tracing-subscriber",
            // How many columns of a terminal a text takes.
            "unicode-width",
            "ureq",
            "url",
            "utoipa",
            "utoipa-axum",
            "utoipa-swagger-ui",
            "uuid",
        ],
    ),
    ("xtask", &["anyhow", "proc-macro2", "sha2", "syn", "tempfile"]),
];

/// Every dependency of every crate is on its list; tests may use more, but no crate of ours beyond the list.
pub(super) fn dependencies_are_listed(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for source in tree.sources().filter(|source| source.path.ends_with("/Cargo.toml")) {
        let Some(krate) = source.krate() else { continue };
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == krate) else {
            complaints.push(Complaint::file(source, format!("`{krate}` has no list in {}", file!())));
            continue;
        };
        for Dependency { line, name, dev } in dependencies(source) {
            let ours = name.starts_with("chimera-") && name != krate;
            if !allowed.contains(&name) && (ours || !dev) {
                let text = format!("`{krate}` may not depend on `{name}`; its list is in {}", file!());
                complaints.push(Complaint::line(source, line, text));
            }
        }
    }
    complaints
}

struct Dependency<'a> {
    line: usize,
    name: &'a str,
    dev: bool,
}

/// The dependencies that a manifest names, in tables (`[dependencies]`, `[dependencies.x]`) of any kind.
fn dependencies(manifest: &Source) -> Vec<Dependency<'_>> {
    let mut found = Vec::new();
    let mut table = "";
    for (line, text) in (1..).zip(manifest.text.lines().map(str::trim)) {
        if let Some(header) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            table = header;
            if let Some((kind, name)) = header.rsplit_once('.')
                && kind.ends_with("dependencies")
            {
                found.push(Dependency { line, name, dev: kind.contains("dev-") });
            }
            continue;
        }
        let name = text.split(['.', '=', ' ']).next().unwrap_or_default().trim_matches('"');
        if table.ends_with("dependencies") && !name.is_empty() && !name.starts_with('#') {
            found.push(Dependency { line, name, dev: table.contains("dev-") });
        }
    }
    found
}
