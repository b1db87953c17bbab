//! The page for people: one file that needs nothing else.
//!
//! No script, no font, no picture from elsewhere; a policy in the page forbids them besides. It is made of the
//! dossier and the files beside it and of nothing else, and proves nothing by itself, which it says. Map: [`page`]
//! escapes, `summary` is what is seen at a glance, `pictures` before and after, `timeline` when what happened, `rounds`
//! what was said no to, `diff` the change, `tables` runs, files and hashes; `style.css` how it looks.

mod diff;
mod page;
mod pictures;
mod rounds;
mod summary;
mod tables;
#[cfg(test)]
mod tests;
mod timeline;

use super::dossier::{Dossier, Exhibit};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chimera_core::{Digest, EvidenceKind, Replayed, Status, TestReport, replay};
use page::Page;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};

const STYLE: &str = include_str!("style.css");
/// Largest file that is shown in the page; larger ones are only named.
const SHOWN_BYTES: u64 = 4 << 20;
/// Most bytes of all files that are shown in the page: what a browser opens without a pause.
const SHOWN_TOTAL_BYTES: u64 = 16 << 20;

/// What is shown in the page, what matters most first.
const SHOWN_KINDS: [&[EvidenceKind]; 3] = [
    &[EvidenceKind::Report, EvidenceKind::Test, EvidenceKind::Diff, EvidenceKind::Review],
    &[EvidenceKind::Screenshot],
    &[EvidenceKind::Video],
];

/// What the page is made of.
struct Subject<'a> {
    dossier: &'a Dossier,
    files: &'a BTreeMap<String, Vec<u8>>,
    /// The files that are shown, by their places.
    shown: BTreeSet<&'a str>,
    replayed: Option<Replayed>,
    key_id: &'a str,
    journal_head: &'a Digest,
}

/// The exhibits whose content the page shows, as far as they fit into it.
pub(super) fn wanted(exhibits: &[Exhibit]) -> Vec<&Exhibit> {
    let mut room = SHOWN_TOTAL_BYTES;
    let mut wanted = Vec::new();
    for kinds in SHOWN_KINDS {
        for exhibit in exhibits.iter().filter(|exhibit| exhibit.path.is_some()) {
            let fits = exhibit.size <= SHOWN_BYTES && exhibit.size <= room;
            if fits && kinds.contains(&exhibit.kind) {
                room -= exhibit.size;
                wanted.push(exhibit);
            }
        }
    }
    wanted
}

/// Writes the page. `files` holds the content of what [`wanted`] names, by its place in the bundle; what else it holds
/// makes no difference.
pub(super) fn render(
    dossier: &Dossier,
    files: &BTreeMap<String, Vec<u8>>,
    key_id: &str,
    journal_head: &Digest,
) -> String {
    let replayed = replay(&dossier.journal).ok();
    let shown = wanted(&dossier.exhibits).into_iter().filter_map(|exhibit| exhibit.path.as_deref()).collect();
    let subject = Subject { dossier, files, shown, replayed, key_id, journal_head };
    let mut page = Page::default();
    page.raw("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    page.raw("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; media-src data:; base-uri 'none'; form-action 'none'; style-src 'sha256-");
    page.put("", STANDARD.encode(Sha256::digest(STYLE)), "'\">");
    page.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
    page.raw(
        "<meta name=\"color-scheme\" content=\"light dark\"><meta name=\"referrer\" content=\"no-referrer\">",
    );
    page.put("<title>", &dossier.request.feature, "</title><style>").raw(STYLE).raw("</style></head><body>");
    summary::write(&mut page, &subject);
    page.raw("<main>");
    pictures::write(&mut page, &subject);
    summary::criteria(&mut page, &subject);
    timeline::write(&mut page, &subject);
    rounds::write(&mut page, &subject);
    diff::write(&mut page, &subject);
    tables::runs(&mut page, &subject);
    tables::test(&mut page, &subject);
    pictures::others(&mut page, &subject);
    tables::files(&mut page, &subject);
    tables::hashes(&mut page, &subject);
    page.raw("</main>");
    tables::footer(&mut page, &subject);
    page.raw("</body></html>\n");
    page.finish()
}

impl<'a> Subject<'a> {
    fn completed(&self) -> bool {
        self.dossier.task.status == Status::Completed
    }

    fn content(&self, exhibit: &Exhibit) -> Option<&'a [u8]> {
        let path = exhibit.path.as_deref().filter(|path| self.shown.contains(path))?;
        self.files.get(path).map(Vec::as_slice)
    }

    fn of_kind(&self, kind: EvidenceKind) -> impl DoubleEndedIterator<Item = &'a Exhibit> {
        self.dossier.exhibits.iter().filter(move |exhibit| exhibit.kind == kind)
    }

    /// The attempt whose red run counts; of a task that has none, the last one that tried.
    fn red_attempt(&self) -> Option<u32> {
        self.replayed.as_ref().and_then(|replayed| replayed.red_attempt).or_else(|| self.last("red"))
    }

    /// The attempt whose green runs count; of a task that has none, the last one that tried.
    fn green_attempt(&self) -> Option<u32> {
        self.replayed.as_ref().and_then(|replayed| replayed.green_attempt).or_else(|| self.last("green"))
    }

    fn last(&self, label: &str) -> Option<u32> {
        self.dossier
            .exhibits
            .iter()
            .rev()
            .find(|exhibit| exhibit.label().starts_with(label))
            .map(|it| it.attempt)
    }

    fn report(&self, exhibit: &Exhibit) -> Option<TestReport> {
        serde_json::from_slice(self.content(exhibit)?).ok()
    }

    /// The report of a run of that attempt.
    fn run(&self, attempt: Option<u32>, label: &str) -> Option<TestReport> {
        let mut reports = self.of_kind(EvidenceKind::Report);
        let found = reports.find(|exhibit| Some(exhibit.attempt) == attempt && exhibit.label() == label)?;
        self.report(found)
    }
}

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A length of time for people.
fn duration(millis: u64) -> String {
    let seconds = millis / 1000;
    match (millis, seconds) {
        (0..=999, _) => format!("{millis} ms"),
        (_, 0..=59) => format!("{seconds}.{} s", millis % 1000 / 100),
        (_, 60..=3599) => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// A size for people.
fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", bytes.div_ceil(1024)),
        _ => format!("{}.{} MiB", bytes >> 20, ((bytes & 0xf_ffff) * 10) >> 20),
    }
}
