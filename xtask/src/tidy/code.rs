//! Rules about Rust syntax.

use super::{Complaint, Source, Tree};
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use syn::visit::Visit;

/// Longest function, in lines from `fn` to the closing brace: what fits a screen.
const FUNCTION_LINES: usize = 70;
/// The crate that may speak SQL.
const SQL_CRATE: &str = "chimera-store";
/// How statements begin. Upper case only: prose may select something from somewhere.
const SQL: [&str; 12] = [
    "SELECT ",
    "INSERT INTO ",
    "INSERT OR ",
    "UPDATE ",
    "DELETE FROM ",
    "CREATE TABLE ",
    "CREATE INDEX ",
    "CREATE UNIQUE ",
    "ALTER TABLE ",
    "DROP ",
    "PRAGMA ",
    "WITH RECURSIVE ",
];
/// The mark beside a wait in a test for which the world offers no signal; the reason follows it.
const POLL_MARK: &str = "// tidy: polls";

/// Every file is Rust that can be read; the other rules pass over those that are not.
pub(super) fn rust_can_be_parsed(tree: &Tree) -> Vec<Complaint> {
    tree.rust()
        .filter_map(|source| syn::parse_file(&source.text).err().map(|error| (source, error)))
        .map(|(source, error)| Complaint::line(source, error.span().start().line, error.to_string()))
        .collect()
}

/// Functions fit a screen.
pub(super) fn functions_fit(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for source in tree.rust() {
        let Ok(file) = syn::parse_file(&source.text) else { continue };
        let mut lengths = Lengths { source, complaints: &mut complaints };
        lengths.visit_file(&file);
    }
    complaints
}

struct Lengths<'a> {
    source: &'a Source,
    complaints: &'a mut Vec<Complaint>,
}

impl Lengths<'_> {
    fn measure(&mut self, signature: &syn::Signature, body: &syn::Block) {
        let first = signature.fn_token.span.start().line;
        let lines = body.brace_token.span.close().end().line + 1 - first;
        if lines > FUNCTION_LINES {
            let text = format!("`{}` has {lines} lines, {FUNCTION_LINES} are the limit", signature.ident);
            self.complaints.push(Complaint::line(self.source, first, text));
        }
    }
}

impl<'ast> Visit<'ast> for Lengths<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.measure(&item.sig, &item.block);
        syn::visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.measure(&item.sig, &item.block);
        syn::visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(body) = &item.default {
            self.measure(&item.sig, body);
        }
        syn::visit::visit_trait_item_fn(self, item);
    }
}

/// Every file says at its top what it is for.
pub(super) fn modules_are_documented(tree: &Tree) -> Vec<Complaint> {
    tree.rust()
        .filter(|source| source.krate().is_some())
        .filter(|source| !source.text.trim_start().starts_with("//!"))
        .map(|source| Complaint::file(source, "begin with a `//!` comment that says what the module is for"))
        .collect()
}

/// Nothing is left for later, and no test is switched off.
pub(super) fn nothing_is_unfinished(tree: &Tree) -> Vec<Complaint> {
    let unfinished = |words: &[Word]| match words {
        [Word::Ident(name), Word::Punct('!'), ..] if ["todo", "unimplemented", "dbg"].contains(&&**name) => {
            Some(format!("`{name}!` must not stay"))
        }
        [Word::Punct('#'), Word::Open(Delimiter::Bracket), Word::Ident(name), ..] if name == "ignore" => {
            Some("a test that does not run proves nothing: mend it or remove it".to_owned())
        }
        _ => None,
    };
    each_place(tree, |_| true, |words, _| unfinished(words))
}

/// Lints are switched off with a reason, and only where they would speak: `#[expect(.., reason = "..")]`.
pub(super) fn nothing_is_allowed_silently(tree: &Tree) -> Vec<Complaint> {
    let text =
        || Some("use `#[expect(.., reason = \"..\")]`, which says why and goes when it can".to_owned());
    each_place(
        tree,
        |_| true,
        |words, _| match words {
            [Word::Open(Delimiter::Bracket), Word::Ident(name), ..] if name == "allow" => text(),
            [Word::Punct(','), Word::Ident(name), Word::Open(Delimiter::Parenthesis), ..]
                if name == "allow" =>
            {
                text()
            }
            _ => None,
        },
    )
}

/// Tests wait on signals. Where the world offers none, the line of a bounded poll says so.
pub(super) fn tests_do_not_sleep(tree: &Tree) -> Vec<Complaint> {
    let sleeps = |words: &[Word], source: &Source, line: usize| match words {
        [Word::Ident(name), Word::Open(Delimiter::Parenthesis), ..] if name == "sleep" => {
            let excused = |line: &str| line.contains(POLL_MARK);
            let mut near = source.text.lines().skip(line.saturating_sub(2)).take(2);
            (!near.any(excused)).then(|| {
                format!("a test waits on a signal; a bounded poll of what has none says `{POLL_MARK}: why`")
            })
        }
        _ => None,
    };
    each_place(tree, Source::is_test, |words, (source, line)| sleeps(words, source, line))
}

/// SQL is in one crate only.
pub(super) fn sql_stays_in_the_store(tree: &Tree) -> Vec<Complaint> {
    let elsewhere =
        |source: &Source| source.krate().is_some_and(|krate| krate != SQL_CRATE && krate != "xtask");
    each_place(tree, elsewhere, |words, _| match words {
        [Word::Text(text), ..] if SQL.iter().any(|sql| text.trim_start().starts_with(sql)) => {
            Some(format!("SQL belongs into {SQL_CRATE}"))
        }
        _ => None,
    })
}

/// A token, flattened: groups become an opening and what follows.
enum Word {
    Ident(String),
    Punct(char),
    Text(String),
    Open(Delimiter),
    Close,
}

/// Asks at each token of each chosen file whether a complaint begins there. Comments are no tokens, doc
/// comments are passed over, texts are [`Word::Text`], so that rules can speak of what they forbid.
fn each_place(
    tree: &Tree,
    chosen: impl Fn(&Source) -> bool,
    complain: impl Fn(&[Word], (&Source, usize)) -> Option<String>,
) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for source in tree.rust().filter(|source| chosen(source)) {
        let Ok(tokens) = source.text.parse::<TokenStream>() else { continue };
        let (mut words, mut lines) = (Vec::new(), Vec::new());
        flatten(tokens, &mut words, &mut lines);
        for (at, line) in lines.into_iter().enumerate() {
            if let Some(text) = complain(&words[at..], (source, line)) {
                complaints.push(Complaint::line(source, line, text));
            }
        }
    }
    complaints
}

fn flatten(tokens: TokenStream, words: &mut Vec<Word>, lines: &mut Vec<usize>) {
    for token in tokens {
        let line = token.span().start().line;
        let word = match token {
            TokenTree::Group(group) if is_doc(&group) => continue,
            TokenTree::Group(group) => {
                lines.push(line);
                words.push(Word::Open(group.delimiter()));
                flatten(group.stream(), words, lines);
                Word::Close
            }
            TokenTree::Ident(ident) => Word::Ident(ident.to_string()),
            TokenTree::Punct(punct) => Word::Punct(punct.as_char()),
            TokenTree::Literal(literal) => match syn::parse_str::<syn::LitStr>(&literal.to_string()) {
                Ok(text) => Word::Text(text.value()),
                Err(_) => continue,
            },
        };
        lines.push(line);
        words.push(word);
    }
}

/// True for what a doc comment becomes: `[doc = ".."]`.
fn is_doc(group: &Group) -> bool {
    group.delimiter() == Delimiter::Bracket
        && matches!(group.stream().into_iter().next(), Some(TokenTree::Ident(first)) if first == "doc")
}
