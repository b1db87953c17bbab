//! Writes HTML in which nothing of the world is markup.
//!
//! Markup comes from string literals only, by type; everything else goes through [`Page::text`]. So no text of a
//! request, a page or an agent can become a tag, an attribute or a link.

use std::fmt::{Display, Write as _};

/// A page in the making.
#[derive(Default)]
pub(super) struct Page(String);

impl Page {
    /// Markup of our own.
    pub(super) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Text of anybody, in an element or within the quotes of an attribute.
    pub(super) fn text(&mut self, text: impl Display) -> &mut Self {
        for c in text.to_string().chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                '\n' | '\t' => self.0.push(c),
                c if is_hidden(c) => {
                    let _ = write!(self.0, "[U+{:04X}]", u32::from(c));
                }
                c => self.0.push(c),
            }
        }
        self
    }

    /// The text between an opening and a closing tag.
    pub(super) fn put(&mut self, open: &'static str, text: impl Display, close: &'static str) -> &mut Self {
        self.raw(open).text(text).raw(close)
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

/// Characters that nobody sees and that change what others look like: controls, and marks of direction with which
/// a line of code can be made to read as another.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::Page;

    #[test]
    fn text_stays_text() {
        let mut page = Page::default();
        page.put("<a title=\"", "\"><script>alert('&')</script>", "\">").text("a\u{202e}b\u{0}c\r\n");
        let expected = "<a title=\"&quot;&gt;&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;\">a[U+202E]b[U+0000]c[U+000D]\n";
        assert_eq!(page.finish(), expected);
    }
}
