//! The language of acceptance criteria: plain sentences that a browser can check.
//!
//! [`parse`] reads one sentence, [`parse_all`] a request's list, [`derive`] makes criteria from a feature
//! sentence. The documented grammar is in `docs/grammar.md`. Map: `lexer` splits a sentence into words and
//! quoted values, `grammar` is the table of forms, `suggest` finds the form that was probably meant,
//! `derive` holds the rules for feature sentences. A sentence outside the grammar is always an error: what
//! cannot be understood must never become a weaker test.

mod derive;
mod grammar;
mod lexer;
mod suggest;

pub use derive::derive;
pub use grammar::parse;

use chimera_core::limits;
use std::fmt;

/// Longest quoted value, in bytes: a value is a label or a line on a page, not a page.
pub const VALUE_BYTES: usize = 512;

/// One thing to do or to see, in the order of the test.
///
/// Displayed as its canonical sentence, which [`parse`] reads back to the same criterion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Criterion {
    /// Go to a path of the site, such as `/books.html`.
    Open(String),
    /// A heading is visible.
    SeeHeading(String),
    /// A text is visible.
    SeeText(String),
    /// A link is visible.
    SeeLink(String),
    /// A button is visible.
    SeeButton(String),
    /// The title of the page.
    TitleIs(String),
    /// A text is not visible.
    NotSeeText(String),
    /// Click a link or a button, whichever has this name.
    Click(String),
    /// Click a link.
    ClickLink(String),
    /// Click a button.
    ClickButton(String),
    /// Type into a field found by its label.
    Fill {
        /// The label of the field.
        label: String,
        /// What to type.
        value: String,
    },
    /// Choose an option of a list found by its label.
    Choose {
        /// The text of the option.
        option: String,
        /// The label of the list.
        label: String,
    },
    /// Tick a box found by its label.
    Check(String),
    /// The path of the current page (with a query, if given).
    UrlIs(String),
}

impl Criterion {
    /// Whether it asserts something, rather than doing something.
    pub fn is_assertion(&self) -> bool {
        match self {
            Self::SeeHeading(_)
            | Self::SeeText(_)
            | Self::SeeLink(_)
            | Self::SeeButton(_)
            | Self::TitleIs(_)
            | Self::NotSeeText(_)
            | Self::UrlIs(_) => true,
            Self::Open(_)
            | Self::Click(_)
            | Self::ClickLink(_)
            | Self::ClickButton(_)
            | Self::Fill { .. }
            | Self::Choose { .. }
            | Self::Check(_) => false,
        }
    }
}

impl fmt::Display for Criterion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(path) => write!(f, "open {}", Quoted(path)),
            Self::SeeHeading(name) => write!(f, "see heading {}", Quoted(name)),
            Self::SeeText(text) => write!(f, "see text {}", Quoted(text)),
            Self::SeeLink(name) => write!(f, "see link {}", Quoted(name)),
            Self::SeeButton(name) => write!(f, "see button {}", Quoted(name)),
            Self::TitleIs(title) => write!(f, "title is {}", Quoted(title)),
            Self::NotSeeText(text) => write!(f, "not see text {}", Quoted(text)),
            Self::Click(name) => write!(f, "click {}", Quoted(name)),
            Self::ClickLink(name) => write!(f, "click link {}", Quoted(name)),
            Self::ClickButton(name) => write!(f, "click button {}", Quoted(name)),
            Self::Fill { label, value } => write!(f, "fill {} with {}", Quoted(label), Quoted(value)),
            Self::Choose { option, label } => write!(f, "choose {} from {}", Quoted(option), Quoted(label)),
            Self::Check(label) => write!(f, "check {}", Quoted(label)),
            Self::UrlIs(path) => write!(f, "url is {}", Quoted(path)),
        }
    }
}

/// A value in double quotes, as the lexer reads it back.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.replace('\\', "\\\\").replace('"', "\\\""))
    }
}

/// A sentence is no criterion. The messages are made for the person who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CriterionError {
    /// It matches no form of the grammar.
    #[error("no such form of sentence; the nearest is: {suggestion}")]
    Unknown {
        /// The nearest form, with the sentence's values filled in.
        suggestion: String,
    },
    /// It matches a form, but a value in it will not do.
    #[error("{0}")]
    Value(String),
    /// A quotation mark is opened and never closed.
    #[error("the value that starts with {0} is not closed; put it in a pair of quotation marks")]
    Unclosed(String),
}

/// A list of sentences makes no test.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CriteriaError {
    /// One of the sentences is no criterion.
    #[error("criterion {index} (`{sentence}`): {source}")]
    Sentence {
        /// Its position, from 1.
        index: usize,
        /// Its text, cut to a bound.
        sentence: String,
        /// What is wrong with it.
        source: CriterionError,
    },
    /// Nothing in the list can fail.
    #[error(
        "the criteria only do things and check nothing; add at least one such as `see heading \"Books\"`"
    )]
    NoAssertion,
    /// The list is too long.
    #[error("{0} criteria are too many; at most {max} are possible", max = limits::CRITERIA)]
    TooMany(usize),
}

/// Reads a list of sentences, which together must assert something.
///
/// # Errors
/// [`CriteriaError`]: the first sentence that is no criterion, a list of actions only (or an empty one), a
/// list longer than [`limits::CRITERIA`].
pub fn parse_all(sentences: &[String]) -> Result<Vec<Criterion>, CriteriaError> {
    if sentences.len() > limits::CRITERIA {
        return Err(CriteriaError::TooMany(sentences.len()));
    }
    let mut criteria = Vec::with_capacity(sentences.len());
    for (position, sentence) in sentences.iter().enumerate() {
        let criterion = parse(sentence).map_err(|source| CriteriaError::Sentence {
            index: position + 1,
            sentence: shown(sentence),
            source,
        })?;
        criteria.push(criterion);
    }
    if criteria.iter().any(Criterion::is_assertion) { Ok(criteria) } else { Err(CriteriaError::NoAssertion) }
}

/// A piece of somebody's text that is safe and short enough for a message.
fn shown(text: &str) -> String {
    /// Longest quotation in a message, in bytes: a line.
    const SHOWN_BYTES: usize = 120;
    let mut text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    limits::truncate(&mut text, SHOWN_BYTES);
    text
}
