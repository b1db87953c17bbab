//! File names from sentences.

/// Longest slug, in bytes: leaves room for a prefix and a suffix in every file system.
pub const SLUG_BYTES: usize = 60;

/// A feature sentence as a file name: `User can view homepage` gives `user_can_view_homepage`.
///
/// Lower-case ASCII letters, digits and single underscores; other characters separate words. Words that do not fit are left out, a first one is cut. A sentence
/// without any usable character gives `feature`.
pub fn slug(sentence: &str) -> String {
    let mut out = String::new();
    for word in sentence.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty()) {
        if out.is_empty() {
            out = word[..word.len().min(SLUG_BYTES)].to_ascii_lowercase();
            continue;
        }
        if out.len() + 1 + word.len() > SLUG_BYTES {
            break;
        }
        out.push('_');
        out.push_str(&word.to_ascii_lowercase());
    }
    if out.is_empty() { "feature".to_owned() } else { out }
}
