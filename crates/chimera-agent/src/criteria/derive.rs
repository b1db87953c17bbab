//! Criteria from a feature sentence.

use super::{Criterion, grammar};
use chimera_core::limits;

/// Longest derived heading, in bytes: a heading, not a paragraph.
const HEADING_BYTES: usize = 80;

/// Words that may stand between a person and what the person does, longest first.
const MODALS: [&[&str]; 9] = [
    &["should", "be", "able", "to"],
    &["must", "be", "able", "to"],
    &["would", "like", "to"],
    &["want", "to"],
    &["wants", "to"],
    &["can"],
    &["should"],
    &["must"],
    &["will"],
];
/// Who may do it.
const ACTORS: [&str; 9] =
    ["i", "user", "users", "customer", "customers", "visitor", "visitors", "everybody", "everyone"];
/// Seeing, in all its words.
const VERBS: [&str; 10] =
    ["view", "views", "see", "sees", "visit", "visits", "open", "opens", "read", "reads"];

/// Criteria for a feature that came without any: open `path`, see one heading. Always the same for the same
/// feature.
///
/// The rules, on the first sentence of the feature and without a clause `so that ...`:
/// 1. `User(s)`, `Customer(s)`, `Visitor(s)`, `Everyone`, `I` or `As a ..., I` with `can`, `should`, `must`,
///    `will`, `want to` or `should be able to` is skipped, then one of `view`, `see`, `visit`, `open`, `read`,
///    then an article. The rest in sentence case is the heading: `User can view homepage` gives `Homepage`.
/// 2. A feature without one of these verbs is the heading itself.
/// 3. The heading is cut at a word to 80 bytes.
///
/// `path` is where it is to be seen; one that is no path of the site counts as `/`.
pub fn derive(feature: &str, path: &str) -> Vec<Criterion> {
    let path = grammar::path(path).unwrap_or_else(|_| "/".to_owned());
    vec![Criterion::Open(path), Criterion::SeeHeading(heading(feature))]
}

fn heading(feature: &str) -> String {
    let sentence = first_sentence(feature);
    let words: Vec<&str> = sentence.split(' ').collect();
    let seen = what_is_seen(&words).map(|rest| rest.join(" "));
    let heading = match seen.as_deref().map(bare) {
        Some(seen) if !seen.is_empty() => sentence_case(seen),
        _ => sentence_case(bare(&sentence)),
    };
    if heading.is_empty() { "Feature".to_owned() } else { cut(&heading) }
}

/// The first sentence on one line, without its purpose.
fn first_sentence(feature: &str) -> String {
    let line = feature.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("");
    let mut words: Vec<&str> = Vec::new();
    for word in line.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()) {
        words.push(word);
        if word.ends_with(['.', '!', '?']) {
            break;
        }
    }
    let purpose =
        words.windows(2).position(|pair| matches!(pair, [so, that] if is(so, "so") && is(that, "that")));
    words.truncate(purpose.filter(|at| *at > 0).unwrap_or(words.len()));
    words.join(" ")
}

/// What follows actor, helping verb, verb and article; `None` without such a verb.
fn what_is_seen<'a, 'b>(words: &'b [&'a str]) -> Option<&'b [&'a str]> {
    let mut rest = without_role(words);
    rest = without_article(rest);
    if let [actor, after @ ..] = rest
        && ACTORS.iter().any(|word| is(actor, word))
    {
        rest = after;
    }
    let modal = MODALS.iter().find(|modal| {
        rest.len() >= modal.len() && rest.iter().zip(**modal).all(|(word, expected)| is(word, expected))
    });
    rest = &rest[modal.map_or(0, |modal| modal.len())..];
    match rest {
        [verb, after @ ..] if VERBS.iter().any(|word| is(verb, word)) => Some(without_article(after)),
        _ => None,
    }
}

/// Without `As a returning customer,`.
fn without_role<'a, 'b>(words: &'b [&'a str]) -> &'b [&'a str] {
    /// Longest role, in words.
    const ROLE_WORDS: usize = 8;
    match words {
        [first, rest @ ..] if is(first, "as") => {
            let end = rest.iter().take(ROLE_WORDS).position(|word| word.ends_with(',') || is(word, "i"));
            match end {
                Some(at) if is(rest[at], "i") => &rest[at..],
                Some(at) => &rest[at + 1..],
                None => words,
            }
        }
        _ => words,
    }
}

fn without_article<'a, 'b>(words: &'b [&'a str]) -> &'b [&'a str] {
    match words {
        [first, rest @ ..] if grammar::ARTICLES.iter().any(|article| is(first, article)) => rest,
        _ => words,
    }
}

fn is(word: &str, expected: &str) -> bool {
    word.trim_end_matches([',', ':']).eq_ignore_ascii_case(expected)
}

/// Without quotes around it and punctuation at its end.
fn bare(text: &str) -> &str {
    const QUOTES: [char; 7] = ['"', '\'', '“', '”', '„', '«', '»'];
    text.trim_end_matches(['.', '!', '?', ',', ';', ':']).trim_matches(QUOTES).trim()
}

fn sentence_case(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// At most [`HEADING_BYTES`], cut between words where there are any.
fn cut(heading: &str) -> String {
    if heading.len() <= HEADING_BYTES {
        return heading.to_owned();
    }
    let fits = heading.char_indices().map(|(at, _)| at).take_while(|at| *at <= HEADING_BYTES);
    let end = fits.last().unwrap_or(0);
    heading[..heading[..end].rfind(' ').unwrap_or(end)].to_owned()
}

const _: () = assert!(HEADING_BYTES <= limits::CRITERION_BYTES && HEADING_BYTES <= super::VALUE_BYTES);
