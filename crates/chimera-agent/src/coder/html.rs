//! Reading and editing a page as text.
//!
//! No parser: the pages are simple, and whatever is not touched has to stay byte for byte. Searches run over a
//! copy in lower case of the same length, so that positions fit both.

use std::ops::Range;

/// An element: where it stands, and where its content does.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Element {
    whole: Range<usize>,
    inner: Range<usize>,
}

/// The elements of a name, outermost first where they nest in others of other names.
fn elements(page: &str, name: &str) -> Vec<Element> {
    let lower = page.to_ascii_lowercase();
    let (open, close) = (format!("<{name}"), format!("</{name}"));
    let (mut found, mut from) = (Vec::new(), 0);
    while let Some(start) = lower[from..].find(&open).map(|at| at + from) {
        from = start + open.len();
        if !lower[from..].starts_with(['>', ' ', '\n', '\t', '\r', '/']) {
            continue;
        }
        let Some(inner) = lower[from..].find('>').map(|at| at + from + 1) else { break };
        let Some(end) = lower[inner..].find(&close).map(|at| at + inner) else { continue };
        let Some(whole) = lower[end..].find('>').map(|at| at + end + 1) else { break };
        found.push(Element { whole: start..whole, inner: inner..end });
    }
    found
}

/// What a person reads: without tags, entities resolved, white space collapsed.
fn text(html: &str) -> String {
    let (mut plain, mut in_tag) = (String::with_capacity(html.len()), false);
    for c in html.chars() {
        match c {
            '<' => (in_tag, plain) = (true, plain + " "),
            '>' if in_tag => in_tag = false,
            _ if !in_tag => plain.push(c),
            _ => {}
        }
    }
    let entities =
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&nbsp;", " "), ("&amp;", "&")];
    entities
        .iter()
        .fold(plain, |plain, (entity, c)| plain.replace(entity, c))
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// A text as HTML.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn named<'a>(page: &'a str, tags: &'a [&str], name: &'a str) -> impl Iterator<Item = Element> + 'a {
    let of = tags.iter().flat_map(move |tag| elements(page, tag));
    of.filter(move |element| text(&page[element.inner.clone()]) == collapse(name))
}

fn collapse(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(super) fn has_layout(page: &str) -> bool {
    !elements(page, "main").is_empty()
}

/// The page with an empty main part and another title.
pub(super) fn emptied(page: &str, title: &str) -> String {
    let mut page = page.to_owned();
    if let Some(main) = elements(&page, "main").into_iter().next() {
        page.replace_range(main.inner, "\n  ");
    }
    set_title(&mut page, title.lines().next().unwrap_or_default());
    page
}

/// The page for a place further down: its relative addresses lead back up.
pub(super) fn rebased(page: &str, up: &str) -> String {
    let mut page = page.to_owned();
    for attribute in ["href=\"", "src=\"", "action=\""] {
        let mut from = 0;
        while let Some(at) = page[from..].find(attribute).map(|at| at + from + attribute.len()) {
            from = at;
            let value = &page[at..];
            let absolute = value.starts_with(['/', '#', '"'])
                || value.split(['/', '"']).next().is_some_and(|part| part.contains(':'));
            if !absolute {
                page.insert_str(at, up);
                from += up.len();
            }
        }
    }
    page
}

pub(super) fn title_is(page: &str, title: &str) -> bool {
    named(page, &["title"], title).next().is_some()
}

pub(super) fn set_title(page: &mut String, title: &str) {
    let escaped = escape(&collapse(title));
    match elements(page, "title").into_iter().next() {
        Some(old) => page.replace_range(old.inner, &escaped),
        None => insert(page, "head", &format!("<title>{escaped}</title>\n")),
    }
}

pub(super) fn has_heading(page: &str, name: &str) -> bool {
    named(page, &["h1", "h2", "h3", "h4", "h5", "h6"], name).next().is_some()
}

pub(super) fn add_heading(page: &mut String, name: &str) {
    let main = elements(page, "main").into_iter().next();
    let first = main.is_none_or(|main| elements(&page[main.inner], "h1").is_empty());
    let tag = if first { "h1" } else { "h2" };
    insert(page, "main", &format!("<{tag}>{}</{tag}>\n", escape(name)));
}

/// Whether the text is on the page, as a part of it, in upper or lower case.
pub(super) fn has_text(page: &str, wanted: &str) -> bool {
    let body = elements(page, "body").into_iter().next().map_or(0..page.len(), |body| body.inner);
    text(&page[body]).to_lowercase().contains(&collapse(wanted).to_lowercase())
}

pub(super) fn add_text(page: &mut String, wanted: &str) {
    insert(page, "main", &format!("<p>{}</p>\n", escape(wanted)));
}

/// Removes the innermost elements that say exactly this. False if the text is still there.
pub(super) fn remove_text(page: &mut String, unwanted: &str) -> bool {
    for tag in ["p", "li", "h1", "h2", "h3", "a", "button", "span", "strong", "em", "td", "div"] {
        loop {
            let Some(element) = named(page, &[tag], unwanted).next() else { break };
            page.replace_range(element.whole, "");
        }
    }
    !has_text(page, unwanted)
}

/// Where the link of that name leads; empty if it has no address.
pub(super) fn link(page: &str, name: &str) -> Option<String> {
    let link = named(page, &["a"], name).next()?;
    Some(address(page, &link).map(|range| page[range].to_owned()).unwrap_or_default())
}

/// Adds a link, among the others of the navigation if there is one.
pub(super) fn add_link(page: &mut String, name: &str, to: &str) {
    let link = format!("<a href=\"{}\">{}</a>", escape(to), escape(name));
    let Some(nav) = elements(page, "nav").into_iter().next() else {
        return insert(page, "main", &format!("<p>{link}</p>\n"));
    };
    match elements(&page[nav.inner.clone()], "li").last() {
        Some(last) => {
            let (start, end) = (last.whole.start + nav.inner.start, last.whole.end + nav.inner.start);
            let line = line_start(page, start);
            let before = if line < start { format!("\n{}", &page[line..start]) } else { String::new() };
            page.insert_str(end, &format!("{before}<li>{link}</li>"));
        }
        None => append(page, &nav, &format!("{link}\n")),
    }
}

/// Lets the link of that name lead elsewhere.
pub(super) fn set_link(page: &mut String, name: &str, to: &str) {
    let Some(link) = named(page, &["a"], name).next() else { return };
    match address(page, &link) {
        Some(range) => page.replace_range(range, &escape(to)),
        None => page.insert_str(link.whole.start + "<a".len(), &format!(" href=\"{}\"", escape(to))),
    }
}

fn address(page: &str, link: &Element) -> Option<Range<usize>> {
    let tag = &page[link.whole.start..link.inner.start];
    let start = tag.find("href=\"")? + "href=\"".len();
    let end = tag[start..].find('"')? + start;
    Some(link.whole.start + start..link.whole.start + end)
}

pub(super) fn has_button(page: &str, name: &str) -> bool {
    named(page, &["button"], name).next().is_some()
}

pub(super) fn has_field(page: &str, label: &str) -> bool {
    let labelled = elements(page, "label").into_iter().any(|element| {
        let inner = &page[element.inner];
        // A label around its field: what the options of a list say is not its name.
        text(inner.split("<select").next().unwrap_or(inner)) == collapse(label)
    });
    labelled || page.contains(&format!("aria-label=\"{}\"", escape(label)))
}

/// Adds something to the main part.
pub(super) fn add(page: &mut String, html: &str) {
    insert(page, "main", html);
}

/// Adds something to the last form of the main part, made if there is none.
pub(super) fn add_to_form(page: &mut String, html: &str) {
    if elements(page, "form").is_empty() {
        insert(page, "main", "<form method=\"get\">\n</form>\n");
    }
    if let Some(form) = elements(page, "form").last().cloned() {
        append(page, &form, html);
    }
}

/// Lets the last form lead to an address.
pub(super) fn set_form_action(page: &mut String, to: &str) {
    let Some(form) = elements(page, "form").into_iter().next_back() else { return };
    let tag = page[form.whole.start..form.inner.start].to_owned();
    if let Some(start) = tag.find("action=\"").map(|at| at + "action=\"".len()) {
        let end = tag[start..].find('"').map_or(start, |at| at + start);
        page.replace_range(form.whole.start + start..form.whole.start + end, &escape(to));
    } else {
        page.insert_str(form.whole.start + "<form".len(), &format!(" action=\"{}\"", escape(to)));
    }
}

/// Inserts before the end of an element, else of the body, else of the page.
fn insert(page: &mut String, name: &str, html: &str) {
    match elements(page, name).into_iter().next().or_else(|| elements(page, "body").into_iter().next()) {
        Some(element) => append(page, &element, html),
        None => page.push_str(html),
    }
}

/// Inserts lines as the last children of an element, indented like its first child.
fn append(page: &mut String, element: &Element, html: &str) {
    let (inner, end) = (&page[element.inner.clone()], element.inner.end);
    if !inner.contains('\n') && !inner.trim().is_empty() {
        // All on one line: it stays so.
        return page.insert_str(end, &html.lines().collect::<String>());
    }
    let at = line_start(page, end);
    let child = inner.lines().skip(1).find(|line| !line.trim().is_empty());
    let indent = child.map_or_else(|| format!("{}  ", &page[at..end]), |line| blanks(line).to_owned());
    let lines: String = html.lines().map(|line| format!("{indent}{line}\n")).collect();
    page.insert_str(at, &lines);
}

/// What a line is indented by.
fn blanks(line: &str) -> &str {
    &line[..line.len() - line.trim_start().len()]
}

/// The start of the line, if only white space stands before the position.
fn line_start(page: &str, at: usize) -> usize {
    let start = page[..at].rfind('\n').map_or(0, |newline| newline + 1);
    if page[start..at].trim().is_empty() { start } else { at }
}
