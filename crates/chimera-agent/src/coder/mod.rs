//! The demo coder: makes static pages meet acceptance criteria.
//!
//! It is for trying out, demonstrations and tests, and says so; it is no substitute for a coding agent. It walks
//! the criteria as a browser would: opens pages, follows links, sends forms, and adds to the page it is on what
//! a criterion wants to see. Map: [`apply`] is the walk, `site` knows the files, `html` reads and edits a page
//! as text, keeping what it does not touch byte for byte.

mod html;
mod site;
mod walk;

use crate::criteria::Criterion;
use std::path::{Path, PathBuf};

/// What the coder did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// For people.
    pub summary: String,
    /// The files that it wrote, relative to the root.
    pub changed: Vec<PathBuf>,
}

/// The coder cannot do it.
#[derive(Debug, thiserror::Error)]
pub enum CoderError {
    /// A criterion is beyond a demo coder.
    #[error("the demo coder cannot make `{criterion}` hold: {why}; use a coding agent")]
    Unable {
        /// The criterion, in the words of the grammar.
        criterion: String,
        /// Why not.
        why: String,
    },
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file, relative to the root.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Changes the static site below `root` so that the criteria hold. Doing it twice changes nothing.
///
/// `start_path` is where the walk begins, unless the criteria open another page first.
///
/// # Errors
/// [`CoderError`]; files may have been written then.
pub fn apply(
    root: &Path,
    criteria: &[Criterion],
    feature: &str,
    start_path: &str,
) -> Result<Applied, CoderError> {
    let site = walk::walk(site::Site::new(root, feature), criteria, start_path)?;
    let changed = site.write()?;
    let files: Vec<String> = changed.iter().map(|path| path.display().to_string()).collect();
    let what =
        if files.is_empty() { "changed nothing".to_owned() } else { format!("wrote {}", files.join(", ")) };
    let summary = format!(
        "Demo coder: {what}. It scaffolds static pages for trying out and is no substitute for a coding agent."
    );
    Ok(Applied { summary, changed })
}
