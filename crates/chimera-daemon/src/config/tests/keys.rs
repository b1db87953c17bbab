//! Every key of the file is in the template and in the documents, and neither has one that is not.

use super::read;
use crate::config::TEMPLATE;
use std::collections::BTreeSet;

/// Each table of the file.
const TABLES: [&str; 10] = [
    "",
    "[database]",
    "[api]",
    "[executor]",
    "[delivery]",
    "[git]",
    "[retention]",
    "[agent.x]",
    "[[project]]",
    "[project.staging]",
];
/// Keys that are tables, arrays of them, or maps, with the table that they are in.
const NO_VALUES: [&str; 12] = [
    " database",
    " api",
    " executor",
    " delivery",
    " git",
    " retention",
    " timeouts",
    " roles",
    " agent",
    " project",
    "executor limits",
    "project staging",
];

/// The keys of a table, as the parser names them when it meets one that it does not know.
fn known(header: &str) -> Vec<String> {
    let before = if header == "[project.staging]" { "[[project]]\nname = \"a\"\nrepo = \"b\"\n" } else { "" };
    let told = read(&format!("{before}{header}\nnot_a_key_at_all = 1\n")).expect_err("it is unknown");
    let Some((_, names)) = told.split_once("expected one of ").or_else(|| told.split_once("expected "))
    else {
        return Vec::new();
    };
    let names = names.lines().next().unwrap_or_default();
    names.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The template's keys as `table key`, commented out or not.
fn in_template() -> BTreeSet<String> {
    let mut table = String::new();
    let mut keys = BTreeSet::new();
    for line in TEMPLATE.lines() {
        let line = line.trim_start_matches(['#', ' ']);
        if let Some(header) = line.strip_prefix('[') {
            table = header.trim_start_matches('[').split(']').next().unwrap_or_default().to_owned();
        } else if let Some((key, _)) = line.split_once(" = ")
            && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        {
            keys.insert(format!("{table} {key}"));
        }
    }
    keys
}

#[test]
fn template_and_documents_have_every_key() {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
    let docs = std::fs::read_to_string(docs).expect("the document");
    let template = in_template();
    let mut expected = BTreeSet::new();
    for header in TABLES {
        let table = header.trim_matches(['[', ']']);
        let keys = known(header);
        assert!(!keys.is_empty(), "{header}");
        for key in keys.iter().filter(|key| !NO_VALUES.contains(&format!("{table} {key}").as_str())) {
            let of = if table == "agent.x" { "agent.my-coder" } else { table };
            expected.insert(format!("{of} {key}"));
            let section = table.rsplit('.').next().unwrap_or_default();
            let written = [
                format!("`{table}.{key}`"),
                format!("`{section}.{key}`"),
                format!("`{key}`"),
                format!("\n{key} = "),
            ];
            assert!(
                written.iter().any(|text| docs.contains(text)),
                "docs/configuration.md lacks {table} {key}"
            );
        }
    }
    let lacking: Vec<_> = expected.difference(&template).collect();
    assert!(lacking.is_empty(), "config/chimera.toml lacks {lacking:?}");
    let strange: Vec<_> = template.difference(&expected).collect();
    assert!(strange.is_empty(), "config/chimera.toml has keys that the parser does not know: {strange:?}");
}
