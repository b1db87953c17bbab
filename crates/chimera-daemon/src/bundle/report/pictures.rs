//! Before and after, side by side, with their videos, and all other pictures.

use super::page::Page;
use super::{Subject, tables};
use crate::bundle::dossier::Exhibit;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chimera_core::EvidenceKind;

/// How pictures begin that a browser may be given.
const FORMATS: [(&[u8], &str); 2] =
    [(b"\x89PNG\r\n\x1a\n", "data:image/png;base64,"), (b"\xff\xd8\xff", "data:image/jpeg;base64,")];

/// How a video in WebM begins.
const WEBM: &[u8] = b"\x1a\x45\xdf\xa3";

pub(super) fn write(page: &mut Page, subject: &Subject<'_>) {
    let (before, after) = pair(subject);
    if before.is_none() && after.is_none() {
        return;
    }
    let have = &subject.dossier.task.artifacts;
    let base = have.base_commit.as_ref().map_or("", |commit| commit.short());
    let head = have.head_commit.as_ref().map_or("", |commit| commit.short());
    page.raw("<section><h2>Before and after</h2><div class=\"pair\">");
    figure(page, subject, before, ("Before", base));
    figure(page, subject, after, ("After", head));
    page.raw("</div></section>");
}

/// The first picture of the red run and of the green ones.
fn pair<'a>(subject: &Subject<'a>) -> (Option<&'a Exhibit>, Option<&'a Exhibit>) {
    let first = |attempt: Option<u32>, label: &str| {
        subject
            .of_kind(EvidenceKind::Screenshot)
            .find(|exhibit| Some(exhibit.attempt) == attempt && exhibit.label().starts_with(label))
    };
    (first(subject.red_attempt(), "red"), first(subject.green_attempt(), "green"))
}

fn figure(page: &mut Page, subject: &Subject<'_>, shown: Option<&Exhibit>, (name, commit): (&str, &str)) {
    page.raw("<figure>");
    let drawn = shown.is_some_and(|exhibit| image(page, subject, exhibit));
    if !drawn {
        page.raw("<div class=\"blank\">no picture</div>");
    }
    page.put("<figcaption><b>", name, "</b> ").put("<code>", commit, "</code>");
    if let Some(report) = shown.and_then(|exhibit| subject.run(Some(exhibit.attempt), exhibit.label())) {
        let (class, word) = tables::showed(&report);
        page.raw(" <span class=\"chip ").raw(class).put("\">", word, "</span>");
    }
    page.raw("</figcaption>");
    if let Some(exhibit) = shown {
        video(page, subject, exhibit);
    }
    page.raw("</figure>");
}

/// The video of the run that a picture is of, if there is one and it is small enough to be shown.
fn video(page: &mut Page, subject: &Subject<'_>, picture: &Exhibit) {
    let of_the_run = |video: &&Exhibit| video.attempt == picture.attempt && video.label() == picture.label();
    let found = subject.of_kind(EvidenceKind::Video).find(of_the_run);
    let Some(bytes) = found.and_then(|exhibit| subject.content(exhibit)) else { return };
    if bytes.starts_with(WEBM) {
        page.raw("<video controls preload=\"metadata\" src=\"data:video/webm;base64,");
        page.text(STANDARD.encode(bytes)).raw("\"></video>");
    }
}

/// Draws a picture, if it is one.
fn image(page: &mut Page, subject: &Subject<'_>, exhibit: &Exhibit) -> bool {
    let Some(bytes) = subject.content(exhibit) else { return false };
    let Some((_, prefix)) = FORMATS.iter().find(|(magic, _)| bytes.starts_with(magic)) else { return false };
    page.raw("<img alt=\"").text(&exhibit.name).raw("\" src=\"").text(prefix);
    page.text(STANDARD.encode(bytes)).raw("\">");
    true
}

/// Every other picture, folded away.
pub(super) fn others(page: &mut Page, subject: &Subject<'_>) {
    let (before, after) = pair(subject);
    let shown = |exhibit: &&Exhibit| {
        let same = |other: Option<&Exhibit>| other.is_some_and(|other| other.sha256 == exhibit.sha256);
        !same(before) && !same(after) && subject.content(exhibit).is_some()
    };
    let others: Vec<&Exhibit> = subject.of_kind(EvidenceKind::Screenshot).filter(shown).collect();
    if others.is_empty() {
        return;
    }
    page.put("<section><details><summary>", others.len(), " more pictures</summary><div class=\"pair\">");
    for exhibit in others {
        page.raw("<figure>");
        image(page, subject, exhibit);
        page.put("<figcaption><b>", exhibit.label(), "</b> attempt ").text(exhibit.attempt);
        page.raw("</figcaption></figure>");
    }
    page.raw("</div></details></section>");
}
