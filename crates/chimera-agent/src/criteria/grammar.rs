//! The table of forms.

use super::lexer::{self, Token};
use super::{Criterion, CriterionError, VALUE_BYTES, shown, suggest};

/// Words that say nothing, wherever they stand outside of quotes.
pub(super) const ARTICLES: [&str; 3] = ["the", "a", "an"];
/// Words that may join a sentence to the one before it.
pub(super) const JOINTS: [&str; 5] = ["and", "then", "given", "when", "also"];
/// Who does it, if it is said.
pub(super) const ACTORS: [&str; 8] =
    ["user", "users", "visitor", "visitors", "customer", "customers", "i", "they"];
/// Helping verbs, if there are any.
pub(super) const MODALS: [&str; 7] = ["can", "should", "must", "will", "shall", "do", "does"];

/// Reads one sentence.
///
/// Keywords are case-insensitive; values stand in quotes (`"`, `'` or typographic ones); a leading
/// `User can`, `I`, `then` or `and` is skipped.
///
/// # Errors
/// [`CriterionError`] if the sentence has no form of the grammar, or a value in it is empty, longer than
/// [`VALUE_BYTES`], has control characters, or is no path where one is needed.
pub fn parse(sentence: &str) -> Result<Criterion, CriterionError> {
    let tokens = lexer::tokens(sentence)?;
    match form(core(&words_and_values(&tokens))) {
        Some(criterion) => criterion,
        None => Err(CriterionError::Unknown { suggestion: suggest::nearest(&tokens) }),
    }
}

/// A token to match on.
#[derive(Clone, Copy)]
enum T<'a> {
    /// A word.
    W(&'a str),
    /// A value.
    V(&'a str),
}

fn words_and_values(tokens: &[Token]) -> Vec<T<'_>> {
    tokens
        .iter()
        .filter_map(|token| match token {
            Token::Word { plain, .. } if ARTICLES.contains(&plain.as_str()) => None,
            Token::Word { plain, .. } => Some(T::W(plain)),
            Token::Value(value) => Some(T::V(value)),
        })
        .collect()
}

/// The sentence without joints, actor and helping verb at its start.
fn core<'a, 'b>(tokens: &'b [T<'a>]) -> &'b [T<'a>] {
    let mut rest = tokens;
    while let [T::W(word), after @ ..] = rest
        && JOINTS.contains(word)
    {
        rest = after;
    }
    for optional in [ACTORS.as_slice(), MODALS.as_slice()] {
        if let [T::W(word), after @ ..] = rest
            && optional.contains(word)
        {
            rest = after;
        }
    }
    rest
}

/// The form of a sentence; `None` if it has none.
fn form(tokens: &[T<'_>]) -> Option<Result<Criterion, CriterionError>> {
    use T::{V, W};
    Some(match tokens {
        [W("open" | "opens" | "visit" | "visits"), V(p)] | [W("go" | "goes"), W("to"), V(p)] => {
            path(p).map(Criterion::Open)
        }
        [W("see" | "sees"), W("heading"), V(v)] => text(v).map(Criterion::SeeHeading),
        [W("see" | "sees"), W("text"), V(v)] => text(v).map(Criterion::SeeText),
        [W("see" | "sees"), W("link"), V(v)] => text(v).map(Criterion::SeeLink),
        [W("see" | "sees"), W("button"), V(v)] => text(v).map(Criterion::SeeButton),
        [W("see" | "sees"), W("title"), V(v)] | [W("title"), W("is"), V(v)] => {
            text(v).map(Criterion::TitleIs)
        }
        [W("not"), W("see" | "sees"), W("text"), V(v)] => text(v).map(Criterion::NotSeeText),
        [W("click" | "clicks"), V(v)] => text(v).map(Criterion::Click),
        [W("click" | "clicks"), W("link"), V(v)] => text(v).map(Criterion::ClickLink),
        [W("click" | "clicks"), W("button"), V(v)] => text(v).map(Criterion::ClickButton),
        [W("fill" | "fills"), V(label), W("with"), V(value)]
        | [W("fill" | "fills"), W("in"), V(label), W("with"), V(value)] => {
            text(label).and_then(|label| Ok(Criterion::Fill { label, value: verbatim(value)? }))
        }
        [W("choose" | "chooses"), V(option), W("from"), V(label)] => {
            text(option).and_then(|option| Ok(Criterion::Choose { option, label: text(label)? }))
        }
        [W("check" | "checks"), V(v)] => text(v).map(Criterion::Check),
        [W("url"), W("is"), V(p)] => path(p).map(Criterion::UrlIs),
        _ => return None,
    })
}

/// What a page shows: white space is folded as browsers do.
fn text(value: &str) -> Result<String, CriterionError> {
    verbatim(value)?;
    Ok(value.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// What somebody types.
fn verbatim(value: &str) -> Result<String, CriterionError> {
    if value.trim().is_empty() {
        Err(CriterionError::Value("a value is empty; say what is to be seen or done".to_owned()))
    } else if value.len() > VALUE_BYTES {
        Err(CriterionError::Value(format!(
            "a value has {} bytes; at most {VALUE_BYTES} are possible",
            value.len()
        )))
    } else if value.chars().any(char::is_control) {
        Err(CriterionError::Value("a value has control characters; write it in one line".to_owned()))
    } else {
        Ok(value.to_owned())
    }
}

/// The path of a page of the site. Nothing that a browser could take for another site: no scheme, no `//`,
/// no backslash.
pub(super) fn path(value: &str) -> Result<String, CriterionError> {
    verbatim(value)?;
    let plain = value.starts_with('/')
        && !value.starts_with("//")
        && !value.contains(|c: char| c == '\\' || c.is_whitespace())
        && !value.split(['/', '?', '#']).any(|segment| matches!(segment, "." | ".."));
    if plain {
        Ok(value.to_owned())
    } else {
        Err(CriterionError::Value(format!(
            "`{}` is no path of the site; write one such as \"/books.html\"",
            shown(value)
        )))
    }
}
