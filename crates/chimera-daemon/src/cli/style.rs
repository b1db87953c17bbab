//! How things look in a terminal.

use anstyle::{AnsiColor, Style};
use std::fmt::{self, Display};
use std::io::IsTerminal;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// A text in a style; without a terminal the style is left out on the way.
pub(super) struct Styled<T>(Style, T);

impl<T: Display> Display for Styled<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.0, self.1, self.0.render_reset())
    }
}

pub(super) fn bold<T: Display>(text: T) -> Styled<T> {
    Styled(Style::new().bold(), text)
}

pub(super) fn dim<T: Display>(text: T) -> Styled<T> {
    Styled(Style::new().dimmed(), text)
}

pub(super) fn good<T: Display>(text: T) -> Styled<T> {
    Styled(AnsiColor::Green.on_default().bold(), text)
}

pub(super) fn bad<T: Display>(text: T) -> Styled<T> {
    Styled(AnsiColor::Red.on_default().bold(), text)
}

pub(super) fn busy<T: Display>(text: T) -> Styled<T> {
    Styled(AnsiColor::Cyan.on_default(), text)
}

/// A status word in its colour; pad it before.
pub(super) fn status(padded: &str) -> String {
    match padded.trim_end() {
        "completed" => good(padded).to_string(),
        "failed" => bad(padded).to_string(),
        "running" => busy(padded).to_string(),
        _ => dim(padded).to_string(),
    }
}

/// True if standard output is a terminal that can redraw a line.
pub(super) fn live() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Without control characters: text of agents and requests must not steer the terminal.
pub(super) fn tame(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Cut to so many columns of a terminal, with an ellipsis.
pub(super) fn short(text: &str, most: usize) -> String {
    let text = tame(text);
    if text.width() <= most {
        return text;
    }
    let mut room = most.saturating_sub(1);
    let fits = |c: &char| {
        let width = c.width().unwrap_or(0);
        let fits = width <= room;
        room = room.saturating_sub(width);
        fits
    };
    let kept: String = text.chars().take_while(fits).collect();
    format!("{}…", kept.trim_end())
}

/// The columns of the terminal that standard output is, if it is one that says so.
pub(super) fn columns() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// Rows in columns as wide as their widest cell, two blanks apart; the last column is left as it is. `paint`
/// gets row, column and the padded cell.
pub(super) fn table(rows: &[Vec<String>], paint: impl Fn(usize, usize, &str) -> String) -> String {
    table_within(None, rows, paint)
}

/// The same, the last column cut so that a row fits into so many columns of a terminal.
pub(super) fn table_within(
    most: Option<usize>,
    rows: &[Vec<String>],
    paint: impl Fn(usize, usize, &str) -> String,
) -> String {
    /// The last column is not cut to less.
    const LEAST: usize = 12;
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let before: usize = widths.iter().rev().skip(1).map(|width| width + 2).sum();
    let room = most.map(|most| most.saturating_sub(before).max(LEAST));
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let last = row.len().saturating_sub(1);
        for (column, cell) in row.iter().enumerate() {
            let padded = match room {
                _ if column < last => {
                    let width = widths.get(column).copied().unwrap_or(0);
                    format!("{cell}{}", " ".repeat(width.saturating_sub(cell.width())))
                }
                Some(room) => short(cell, room),
                None => cell.clone(),
            };
            text.push_str(&paint(number, column, &padded));
            text.push_str(if column == last { "\n" } else { "  " });
        }
    }
    text
}

/// A size for people.
pub(super) fn bytes(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
    let mut size = bytes as f64;
    let mut units = ["bytes", "KB", "MB", "GB"].into_iter();
    let mut unit = units.next().unwrap_or_default();
    while size >= 1000.0 {
        let Some(larger) = units.next() else { break };
        (size, unit) = (size / 1000.0, larger);
    }
    if unit == "bytes" { format!("{bytes} bytes") } else { format!("{size:.1} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::{bytes, short, table, table_within};

    #[test]
    fn columns_line_up_and_long_texts_are_cut() {
        let rows = [vec!["a".to_owned(), "bb".to_owned()], vec!["ccc".to_owned(), "d".to_owned()]];
        assert_eq!(table(&rows, |_, _, cell| cell.to_owned()), "a    bb\nccc  d\n");
        assert_eq!([bytes(999), bytes(1500), bytes(2_000_000_000_000)], ["999 bytes", "1.5 KB", "2000.0 GB"]);
        assert_eq!(short("one two three", 8), "one two…");
        assert_eq!(short("a\u{1b}[31mb", 20), "a [31mb");
    }

    #[test]
    fn wide_characters_take_two_columns_and_the_last_column_gives_way() {
        let rows = [["本屋", "x", "one two three four"], ["shop", "y", "z"]];
        let rows = rows.map(|row| row.map(str::to_owned).to_vec());
        let plain = |_: usize, _: usize, cell: &str| cell.to_owned();
        assert_eq!(table(&rows, plain), "本屋  x  one two three four\nshop  y  z\n");
        assert_eq!(table_within(Some(21), &rows, plain), "本屋  x  one two thr…\nshop  y  z\n");
        assert_eq!(short("本屋本屋", 5), "本屋…");
    }
}
