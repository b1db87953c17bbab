//! Rules about Markdown.

use super::{Complaint, Source, Tree};

/// A link to a file of the project leads to a file that is there.
pub(super) fn links_lead_somewhere(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for source in tree.sources().filter(|source| source.extension() == Some("md")) {
        for (line, target) in links(&source.text) {
            let Some(path) = resolve(source, target) else { continue };
            if !tree.has(&path) {
                complaints.push(Complaint::line(source, line, format!("`{target}` leads nowhere")));
            }
        }
    }
    complaints
}

/// The targets of inline links and of link definitions, with their lines; code blocks have none.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut in_code = false;
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        let mut prose = line;
        while let Some((_, rest)) = prose.split_once("](") {
            let Some((target, rest)) = rest.split_once(')') else { break };
            found.push((number, target));
            prose = rest;
        }
        if line.starts_with('[')
            && let Some((_, target)) = line.split_once("]: ")
        {
            found.push((number, target));
        }
    }
    found
}

/// The path from the root that a link means, unless it leads elsewhere.
fn resolve(source: &Source, target: &str) -> Option<String> {
    let target = target.split_whitespace().next()?;
    let path = target.split(['#', '?']).next()?;
    if path.is_empty() || target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let mut parts: Vec<&str> = source.path.split('/').collect();
    parts.pop();
    if path.starts_with('/') {
        parts.clear();
    }
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}
