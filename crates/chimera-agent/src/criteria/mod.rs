//! The language of acceptance criteria: plain sentences that a browser can check.
//!
//! [`parse`] reads one sentence, [`derive`] makes criteria from a feature sentence. The documented grammar is
//! in `docs/grammar.md`.

/// One thing to do or to see, in the order of the test.
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
