//! The files of a static site, as a browser asks for them.

use super::CoderError;
use super::html;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// Largest page that is edited: a demo coder has no business in larger ones.
const PAGE_BYTES: u64 = 1 << 20;
/// Most pages of one walk.
const PAGES: usize = 50;
/// The page of a project that has no layout of its own.
const TEMPLATE: &str = include_str!("template.html");

/// A site being changed; nothing is written before [`Site::write`].
pub(super) struct Site {
    root: PathBuf,
    feature: String,
    pages: BTreeMap<PathBuf, Page>,
}

struct Page {
    before: Option<String>,
    now: String,
}

impl Site {
    pub(super) fn new(root: &Path, feature: &str) -> Self {
        Self { root: root.to_owned(), feature: feature.to_owned(), pages: BTreeMap::new() }
    }

    /// The text of the page at a path of the site, made if there is none.
    pub(super) fn page(&mut self, path: &str) -> Result<&mut String, CoderError> {
        let file = self.locate(path)?;
        if !self.pages.contains_key(&file) {
            if self.pages.len() >= PAGES {
                return Err(unable(path, &format!("more than {PAGES} pages")));
            }
            let before = self.read(&file)?;
            let now = match &before {
                Some(text) => text.clone(),
                None => self.fresh(&file)?,
            };
            self.pages.insert(file.clone(), Page { before, now });
        }
        match self.pages.get_mut(&file) {
            Some(page) => Ok(&mut page.now),
            None => Err(unable(path, "the page is gone")),
        }
    }

    /// Writes what has changed, and gives the files.
    pub(super) fn write(self) -> Result<Vec<PathBuf>, CoderError> {
        let mut changed = Vec::new();
        for (file, page) in self.pages {
            if page.before.as_ref() == Some(&page.now) {
                continue;
            }
            let place = self.root.join(&file);
            let written = std::fs::create_dir_all(place.parent().unwrap_or(&self.root))
                .and_then(|()| std::fs::write(&place, &page.now));
            written.map_err(|source| CoderError::Io { path: file.clone(), source })?;
            changed.push(file);
        }
        Ok(changed)
    }

    /// The file behind a path: `/` is `index.html`, `/login` is `login/index.html` if that is there, else
    /// `login.html`, which is served under that very address.
    fn locate(&self, path: &str) -> Result<PathBuf, CoderError> {
        let plain = path.split(['?', '#']).next().unwrap_or_default();
        let relative = PathBuf::from(plain.trim_matches('/'));
        if !relative.components().all(|part| matches!(part, Component::Normal(_)))
            || plain.contains(['%', '\\', '\0'])
        {
            return Err(unable(path, "only plain paths within the site can be changed"));
        }
        if relative.as_os_str().is_empty() {
            return Ok("index.html".into());
        }
        if relative.extension().is_some() {
            return Ok(relative);
        }
        let directory = relative.join("index.html");
        if self.root.join(&directory).is_file() { Ok(directory) } else { Ok(relative.with_extension("html")) }
    }

    /// The text of an existing page.
    fn read(&self, file: &Path) -> Result<Option<String>, CoderError> {
        let shown = file.display().to_string();
        let mut place = self.root.clone();
        for part in file.components() {
            place.push(part);
            match std::fs::symlink_metadata(&place) {
                Err(err) if err.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                Err(source) => return Err(CoderError::Io { path: file.to_owned(), source }),
                Ok(metadata) if metadata.is_symlink() => return Err(unable(&shown, "a link is in the way")),
                Ok(metadata) if metadata.is_file() && metadata.len() > PAGE_BYTES => {
                    return Err(unable(&shown, &format!("the page has more than {PAGE_BYTES} bytes")));
                }
                Ok(_) => {}
            }
        }
        let text =
            std::fs::read(&place).map_err(|source| CoderError::Io { path: file.to_owned(), source })?;
        String::from_utf8(text).map(Some).map_err(|_| unable(&shown, "the page is no UTF-8 text"))
    }

    /// A new page in the layout of the front page.
    fn fresh(&self, file: &Path) -> Result<String, CoderError> {
        let front = self.read(Path::new("index.html"))?;
        let layout = front.filter(|text| html::has_layout(text)).unwrap_or_else(|| TEMPLATE.to_owned());
        let up = "../".repeat(file.components().count().saturating_sub(1));
        let page = html::emptied(&layout, &self.feature);
        Ok(if up.is_empty() { page } else { html::rebased(&page, &up) })
    }
}

fn unable(criterion: &str, why: &str) -> CoderError {
    CoderError::Unable { criterion: criterion.to_owned(), why: why.to_owned() }
}
