//! Reads a unified diff of git, whatever a file name or its content holds.

/// A file of a change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct File {
    /// Its path in the repository.
    pub(super) path: String,
    /// Lines that were added, with their numbers.
    pub(super) added: Vec<(u32, String)>,
    /// How many lines were taken away.
    pub(super) removed: u32,
    /// Its content is not text.
    pub(super) binary: bool,
    /// It is a symbolic link now.
    pub(super) link: bool,
    /// It is a repository within the repository now.
    pub(super) repository: bool,
}

/// The files of a diff. Within a hunk the counts of its head decide, so that a line which looks like a head is
/// never taken for one.
pub(super) fn parse(diff: &[u8]) -> Vec<File> {
    let text = String::from_utf8_lossy(diff);
    let mut files: Vec<File> = Vec::new();
    let (mut minus, mut plus, mut line) = (0u32, 0u32, 0u32);
    for raw in text.split('\n') {
        if minus + plus > 0 {
            let Some(file) = files.last_mut() else { continue };
            match raw.as_bytes().first() {
                Some(b'+') if plus > 0 => {
                    file.added.push((line, raw[1..].to_owned()));
                    (plus, line) = (plus - 1, line + 1);
                }
                Some(b'-') if minus > 0 => {
                    file.removed += 1;
                    minus -= 1;
                }
                Some(b' ') => {
                    (minus, plus, line) = (minus.saturating_sub(1), plus.saturating_sub(1), line + 1);
                }
                _ => {}
            }
        } else if let Some(names) = raw.strip_prefix("diff --git ") {
            files.push(File { path: path_of(names), ..File::default() });
        } else if let Some(file) = files.last_mut() {
            match head(raw, file) {
                Some((taken, given, from)) => (minus, plus, line) = (taken, given, from),
                None => continue,
            }
        }
    }
    files
}

/// A line outside of any hunk; the counts, if it begins one.
fn head(raw: &str, file: &mut File) -> Option<(u32, u32, u32)> {
    if let Some(mode) = raw.strip_prefix("new file mode ").or_else(|| raw.strip_prefix("new mode ")) {
        (file.link, file.repository) = (mode == "120000", mode == "160000");
    } else if raw.starts_with("Binary files ") || raw == "GIT binary patch" {
        file.binary = true;
    } else if let Some(ranges) = raw.strip_prefix("@@ -") {
        let mut ranges = ranges.split(' ');
        let (_, taken) = range(ranges.next()?)?;
        let (from, given) = range(ranges.next()?.strip_prefix('+')?)?;
        return Some((taken, given, from));
    }
    None
}

/// `12,3` or `12`, which means one line.
fn range(text: &str) -> Option<(u32, u32)> {
    match text.split_once(',') {
        Some((from, count)) => Some((from.parse().ok()?, count.parse().ok()?)),
        None => Some((text.parse().ok()?, 1)),
    }
}

/// The path in `a/x b/x`, where both are the same because renames are not looked for; quoted if it is odd.
fn path_of(names: &str) -> String {
    if let Some(quoted) = names.strip_prefix('"') {
        let end = quoted.find("\" \"").unwrap_or(quoted.len());
        return unquote(&quoted[..end]).strip_prefix("a/").unwrap_or_default().to_owned();
    }
    let half = names.len() / 2;
    names.get(..half).and_then(|first| first.strip_prefix("a/")).unwrap_or(names).to_owned()
}

/// C-style escapes of git: `\n`, `\"`, `\303`.
fn unquote(text: &str) -> String {
    let (mut out, mut bytes) = (Vec::new(), text.bytes().peekable());
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match bytes.next() {
            Some(digit @ b'0'..=b'3') => {
                let mut value = u32::from(digit - b'0');
                for _ in 0..2 {
                    if let Some(digit @ b'0'..=b'7') = bytes.peek().copied() {
                        value = value * 8 + u32::from(digit - b'0');
                        bytes.next();
                    }
                }
                out.push(u8::try_from(value).unwrap_or(b'?'));
            }
            Some(b'n') => out.push(b'\n'),
            Some(b't') => out.push(b'\t'),
            Some(b'r') => out.push(b'\r'),
            Some(other) => out.push(other),
            None => {}
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
