//! Finds the form that was probably meant.

use super::lexer::Token;
use super::{Quoted, grammar};

/// The canonical forms; `…` stands for a value.
const FORMS: [&str; 14] = [
    "see text …",
    "see heading …",
    "see link …",
    "see button …",
    "title is …",
    "not see text …",
    "open …",
    "click …",
    "click link …",
    "click button …",
    "fill … with …",
    "choose … from …",
    "check …",
    "url is …",
];

/// Words that mean one of the grammar's.
const SYNONYMS: [(&str, &str); 23] = [
    ("shows", "see"),
    ("show", "see"),
    ("view", "see"),
    ("read", "see"),
    ("find", "see"),
    ("visible", "see"),
    ("display", "see"),
    ("displays", "see"),
    ("headline", "heading"),
    ("h1", "heading"),
    ("message", "text"),
    ("navigate", "open"),
    ("browse", "open"),
    ("press", "click"),
    ("tap", "click"),
    ("push", "click"),
    ("type", "fill"),
    ("enter", "fill"),
    ("into", "with"),
    ("select", "choose"),
    ("pick", "choose"),
    ("tick", "check"),
    ("address", "url"),
];

/// Two words at least this alike count as the same with a slip of the pen in it.
const ALIKE: f64 = 0.75;

/// The nearest form as a sentence, with the values of the sentence where they fit.
pub(super) fn nearest(tokens: &[Token]) -> String {
    let mut words = Vec::new();
    let mut values = Vec::new();
    for token in tokens {
        match token {
            Token::Word { plain, .. } if grammar::ARTICLES.contains(&plain.as_str()) => {}
            Token::Word { plain, written } => words.push(Word { meant: meant(plain), written }),
            Token::Value(value) => values.push(value.as_str()),
        }
    }
    /// Below this the sentence shares next to nothing with a form.
    const NOTHING: f64 = -0.1;
    let mut best = (NOTHING, FORMS[0]);
    for form in FORMS {
        let score = score(form, &words, values.len());
        if score > best.0 {
            best = (score, form);
        }
    }
    filled(best.1, &words, &values)
}

/// A word of the sentence.
struct Word<'a> {
    meant: &'a str,
    written: &'a str,
}

fn meant(plain: &str) -> &str {
    SYNONYMS.iter().find(|(from, _)| *from == plain).map_or(plain, |(_, to)| to)
}

/// How well a form fits: alike words for it, its other words and a wrong number of values against it.
fn score(form: &str, words: &[Word<'_>], values: usize) -> f64 {
    /// A keyword that the sentence lacks weighs less than one that it has.
    const MISSING: f64 = 0.4;
    /// A missing or additional value weighs little: people forget quotes.
    const VALUES: f64 = 0.2;
    /// The opposite of what was written is never near.
    const OPPOSITE: f64 = 10.0;
    let keywords = form.split(' ').filter(|word| *word != "…");
    let words_score: f64 = keywords
        .map(|keyword| match words.iter().map(|word| likeness(word.meant, keyword)).fold(0.0, f64::max) {
            alike if alike >= ALIKE => alike,
            _ => -MISSING,
        })
        .sum();
    let denied = words.iter().any(|word| word.meant == "not");
    let opposite = if denied == form.starts_with("not ") { 0.0 } else { OPPOSITE };
    words_score - opposite - VALUES * places(form).abs_diff(values) as f64
}

fn places(form: &str) -> usize {
    form.matches('…').count()
}

/// 1 for the same word, 0 for words with nothing in common.
fn likeness(left: &str, right: &str) -> f64 {
    strsim::normalized_damerau_levenshtein(left, right)
}

/// The form with values: those of the sentence; if it has none, the words that are no keywords.
fn filled(form: &str, words: &[Word<'_>], values: &[&str]) -> String {
    /// Most bare words taken for a forgotten value; more is a story.
    const BARE_WORDS: usize = 8;
    let bare: Vec<&str> = words.iter().filter(|word| is_content(form, word)).map(|w| w.written).collect();
    let forgotten = bare.join(" ");
    let forgot = values.is_empty() && places(form) == 1 && (1..=BARE_WORDS).contains(&bare.len());
    let mut values = if forgot { vec![forgotten.as_str()] } else { values.to_vec() }.into_iter();
    form.split(' ')
        .map(|word| match word {
            "…" => values.next().map_or_else(|| "\"…\"".to_owned(), |v| Quoted(v).to_string()),
            keyword => keyword.to_owned(),
        })
        .collect::<Vec<_>>()
        .join(" ")
}

/// Whether a bare word is none of the grammar's.
fn is_content(form: &str, word: &Word<'_>) -> bool {
    let lead = [&grammar::JOINTS[..], &grammar::ACTORS[..], &grammar::MODALS[..]].concat();
    !lead.contains(&word.meant) && form.split(' ').all(|keyword| likeness(word.meant, keyword) < ALIKE)
}
