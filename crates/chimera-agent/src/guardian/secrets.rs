//! Shapes of secrets in added lines. A finding names the place and the kind, never the secret.

use super::diff::File;
use chimera_core::{Finding, Severity};

/// Keys that begin with a known mark: the mark, how many characters of their alphabet follow at least, the kind.
const MARKED: [(&str, usize, &str); 14] = [
    ("AKIA", 16, "an AWS access key"),
    ("ASIA", 16, "an AWS access key"),
    ("ghp_", 36, "a GitHub token"),
    ("gho_", 36, "a GitHub token"),
    ("ghs_", 36, "a GitHub token"),
    ("github_pat_", 40, "a GitHub token"),
    ("glpat-", 20, "a GitLab token"),
    ("xoxb-", 20, "a Slack token"),
    ("xoxp-", 20, "a Slack token"),
    ("AIza", 35, "a Google API key"),
    ("sk-ant-", 32, "an Anthropic API key"),
    ("sk-proj-", 32, "an OpenAI API key"),
    ("sk_live_", 20, "a Stripe key"),
    ("npm_", 36, "an npm token"),
];
/// Those whose keys have letters and digits only.
const PLAIN: [&str; 6] = ["AKIA", "ASIA", "ghp_", "gho_", "ghs_", "npm_"];
/// Names whose values are secret.
const NAMES: [&str; 7] = ["password", "passwd", "secret", "api_key", "apikey", "access_token", "private_key"];
/// Shortest value of such a name that is taken for a secret.
const SHORTEST: usize = 8;
/// Words that make clear that a value is none.
const EXAMPLES: [&str; 9] =
    ["example", "changeme", "placeholder", "your", "test", "dummy", "xxxx", "****", "password"];

pub(super) fn findings(own: &[&File]) -> Vec<Finding> {
    let lines =
        own.iter().flat_map(|file| file.added.iter().map(move |(number, line)| (file, *number, line)));
    lines
        .filter_map(|(file, number, line)| {
            let kind = kind(line)?;
            Some(Finding {
                file: Some(file.path.clone()),
                line: Some(number),
                severity: Severity::Error,
                message: format!("this looks like {kind}: take it out of the repository, and revoke it"),
            })
        })
        .collect()
}

fn kind(line: &str) -> Option<&'static str> {
    if line.contains("-----BEGIN ") && line.contains("PRIVATE KEY-----") {
        return Some("a private key");
    }
    let marked = MARKED.iter().find(|(mark, least, _)| {
        line.match_indices(mark).any(|(at, _)| {
            let free = line[..at].chars().next_back().is_none_or(|c| !c.is_ascii_alphanumeric());
            free && is_random(mark, &line[at + mark.len()..], *least)
        })
    });
    marked.map(|(_, _, kind)| *kind).or_else(|| assigned(line).then_some("a secret in plain text"))
}

/// Whether what follows a mark is as long as the key, of its alphabet, and no words: a name such as `npm_config_...` goes on with
/// words, a key of that length has digits in it.
fn is_random(mark: &str, rest: &str, least: usize) -> bool {
    let dashes = !PLAIN.contains(&mark);
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || dashes && matches!(c, '_' | '-')));
    let key = &rest[..end.unwrap_or(rest.len())];
    let ends = end.is_none_or(|end| !rest[end..].starts_with(['_', '-']));
    key.len() >= least
        && (dashes || ends)
        && (mark.starts_with('A') || key.contains(|c: char| c.is_ascii_digit()))
}

/// `password = "..."` and the like, with a value in quotes that is no example.
fn assigned(line: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    NAMES.iter().any(|name| {
        lower.match_indices(name).any(|(at, _)| {
            let rest = lower[at + name.len()..].trim_start_matches(['"', '\'', ' ']);
            let Some(value) =
                rest.strip_prefix(['=', ':']).map(|rest| rest.trim_start_matches(['=', '>', ' ']))
            else {
                return false;
            };
            let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) else { return false };
            let secret: &str = value[1..].split(quote).next().unwrap_or_default();
            let plain = secret.len() >= SHORTEST && !secret.contains([' ', '$', '{', '<', '%']);
            plain && !EXAMPLES.iter().any(|word| secret.contains(word))
        })
    })
}
