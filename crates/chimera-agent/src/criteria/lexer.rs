//! Splits a sentence into words and quoted values.

use super::{CriterionError, shown};

/// A piece of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A bare word without punctuation at its end.
    Word {
        /// In lower case; every way to say "not" is `not`.
        plain: String,
        /// As it was written.
        written: String,
    },
    /// A value: quoted, or a bare path such as `/books.html`.
    Value(String),
}

/// The ways to say "not" in one word.
const NEGATIONS: [&str; 7] = ["don't", "doesn't", "can't", "cannot", "shouldn't", "mustn't", "won't"];

/// Splits `sentence`. Quotation marks count at the start of a word only, so that `don't` stays a word; a
/// single quote closes only before white space, punctuation or the end, so that `'Don't panic'` is one
/// value. Between straight double quotes `\"` and `\\` are escapes.
///
/// # Errors
/// [`CriterionError::Unclosed`].
pub(super) fn tokens(sentence: &str) -> Result<Vec<Token>, CriterionError> {
    let mut tokens = Vec::new();
    let mut rest = sentence.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, after) = match closing(first) {
            Some(closing) => {
                let inside = &rest[first.len_utf8()..];
                let (value, after) =
                    quoted(inside, closing).ok_or_else(|| CriterionError::Unclosed(shown(rest)))?;
                (Some(Token::Value(value)), after)
            }
            None => {
                let (bare, after) = rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len()));
                (word(bare), after)
            }
        };
        tokens.extend(token);
        rest = after.trim_start_matches(is_punctuation).trim_start();
    }
    Ok(tokens)
}

fn word(bare: &str) -> Option<Token> {
    let bare = bare.trim_end_matches(is_punctuation);
    if bare.is_empty() {
        return None;
    }
    if bare.starts_with('/') {
        return Some(Token::Value(bare.to_owned()));
    }
    let mut plain = bare.replace('’', "'").to_lowercase();
    if NEGATIONS.contains(&plain.as_str()) {
        "not".clone_into(&mut plain);
    }
    Some(Token::Word { plain, written: bare.to_owned() })
}

/// The marks that close what `opening` opens; none if it opens nothing.
fn closing(opening: char) -> Option<&'static [char]> {
    match opening {
        '"' => Some(&['"']),
        '\'' => Some(&['\'']),
        '“' | '”' | '„' => Some(&['”', '“']),
        '‘' | '’' | '‚' => Some(&['’', '‘']),
        '«' => Some(&['»']),
        '»' => Some(&['«']),
        _ => None,
    }
}

/// The value up to its closing mark, and what follows the mark.
fn quoted<'a>(inside: &'a str, closing: &[char]) -> Option<(String, &'a str)> {
    let escapes = closing == ['"'];
    let apostrophe = closing.iter().any(|mark| matches!(mark, '\'' | '’'));
    let mut value = String::new();
    let mut chars = inside.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let next = chars.peek().map(|(_, next)| *next);
        if escapes && c == '\\' && matches!(next, Some('"' | '\\')) {
            value.extend(next);
            chars.next();
        } else if closing.contains(&c) && (!apostrophe || next.is_none_or(ends_word)) {
            return Some((value, &inside[at + c.len_utf8()..]));
        } else {
            value.push(c);
        }
    }
    None
}

fn ends_word(c: char) -> bool {
    c.is_whitespace() || is_punctuation(c)
}

fn is_punctuation(c: char) -> bool {
    matches!(c, '.' | ',' | ';' | ':' | '!')
}
