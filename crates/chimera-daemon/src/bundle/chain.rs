//! The journal as a chain: each line names the SHA-256 of the line before it.
//!
//! The hash of the last line, the head, is in the signed statement. So no line can be changed, left out or moved
//! without another head.

use chimera_agent::vault::sha256;
use chimera_core::{Digest, Entry};
use serde::{Deserialize, Serialize};

/// What the first line names as the one before it: nothing.
const NOTHING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// A journal that was read.
#[derive(Debug, PartialEq)]
pub(super) struct Chain {
    /// The entries.
    pub(super) entries: Vec<Entry>,
    /// The hash of the last line.
    pub(super) head: Digest,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    seq: usize,
    previous: Digest,
    entry: Entry,
}

/// The chain of a journal: its text and its head.
///
/// # Errors
/// If an entry cannot be written.
pub(super) fn forge(entries: &[Entry]) -> Result<(String, Digest), serde_json::Error> {
    let (mut text, mut previous) = (String::new(), nothing());
    for (seq, entry) in (1..).zip(entries) {
        let line = serde_json::to_string(&Line { seq, previous, entry: entry.clone() })?;
        previous = sha256(line.as_bytes());
        text.push_str(&line);
        text.push('\n');
    }
    Ok((text, previous))
}

/// Reads a chain link by link.
///
/// # Errors
/// Which line does not hold, and why.
pub(super) fn follow(text: &str) -> Result<Chain, String> {
    let (mut entries, mut head) = (Vec::new(), nothing());
    for (seq, line) in (1..).zip(text.split_terminator('\n')) {
        let link: Line = serde_json::from_str(line).map_err(|err| format!("line {seq}: {err}"))?;
        if link.seq != seq {
            return Err(format!("line {seq} calls itself {}", link.seq));
        }
        if link.previous != head {
            return Err(format!("line {seq} does not name the line before it"));
        }
        head = sha256(line.as_bytes());
        entries.push(link.entry);
    }
    Ok(Chain { entries, head })
}

fn nothing() -> Digest {
    Digest::parse(NOTHING).unwrap_or_else(|err| unreachable!("64 digits are a digest: {err}"))
}

#[cfg(test)]
mod tests {
    use super::{follow, forge};
    use chimera_core::{Entry, EntryKind, Phase, UnixMillis};

    #[test]
    fn no_line_can_be_changed_left_out_or_moved() {
        let phase = Phase::E2eTestGeneration;
        let entry =
            |at| Entry { at: UnixMillis(at), phase, to: phase, attempt: 0, kind: EntryKind::Accepted };
        let (text, head) = forge(&[entry(1), entry(2), entry(3)]).expect("it can be written");
        assert_eq!(follow(&text).expect("it holds").head, head);
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let without = [lines[0], lines[2]].concat();
        assert_eq!(follow(&without).expect_err("a gap"), "line 2 calls itself 3");
        let swapped = [lines[1], lines[0], lines[2]].concat();
        assert!(follow(&swapped).is_err());
        let changed = text.replacen("\"at\":1", "\"at\":4", 1);
        assert_eq!(follow(&changed).expect_err("changed"), "line 2 does not name the line before it");
        assert!(follow(&text.replacen(':', ": ", 1)).is_err(), "blanks are bytes, too");
        let shorter = follow(&lines[..2].concat()).expect("a chain of its own");
        assert!(shorter.head != head, "its head is another");
    }
}
