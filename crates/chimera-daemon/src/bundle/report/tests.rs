//! The page of hostile tasks.

use super::{SHOWN_BYTES, render, wanted};
use crate::bundle::chain;
use crate::bundle::tests::{Case, case};
use chimera_core::{EntryKind, EvidenceKind, Finding, Outcome, Phase, Severity};
use std::collections::BTreeMap;

/// What an agent, a page or a request could bring.
const HOSTILE: &str =
    "</pre></style><script>alert(1)</script><img src=x onerror=alert(2)>\"'&\u{202e}\u{0}\u{1b}[31m";

fn page(case: &Case) -> String {
    let all: BTreeMap<String, Vec<u8>> = case.pieces.iter().cloned().collect();
    let shown = wanted(&case.dossier.exhibits);
    let files =
        shown.into_iter().filter_map(|it| it.path.clone()).map(|path| (path.clone(), all[&path].clone()));
    let (_, head) = chain::forge(&case.dossier.journal).expect("a journal");
    render(&case.dossier, &files.collect(), "key", &head)
}

/// A task of which every text is hostile.
fn hostile(fails_in: Option<Phase>) -> Case {
    let mut case = case(fails_in);
    let dossier = &mut case.dossier;
    HOSTILE.clone_into(&mut dossier.request.feature);
    HOSTILE.clone_into(&mut dossier.request.target_url);
    HOSTILE.clone_into(&mut dossier.project.name);
    HOSTILE.clone_into(&mut dossier.project.branch);
    HOSTILE.clone_into(&mut dossier.task.task_id);
    HOSTILE.clone_into(&mut dossier.tools.daemon);
    dossier.task.error = Some(HOSTILE.to_owned());
    dossier.criteria.sentences.push(HOSTILE.to_owned());
    dossier.phases[0].outcome = HOSTILE.to_owned();
    dossier.exhibits[2].name = format!("{HOSTILE}.png");
    for entry in &mut dossier.journal {
        if let EntryKind::Settled { result: Outcome::Failed(setback), .. } = &mut entry.kind {
            HOSTILE.clone_into(&mut setback.summary);
            let file = Some(HOSTILE.to_owned());
            let message = HOSTILE.to_owned();
            setback.findings = vec![Finding { file, line: Some(1), severity: Severity::Error, message }];
        }
    }
    let patch = format!(
        "diff --git a/{HOSTILE} b/{HOSTILE}\n+++ b/{HOSTILE}\n@@ -1 +1 @@ {HOSTILE}\n-{HOSTILE}\n+{HOSTILE}\n"
    );
    case.add(EvidenceKind::Diff, 2, "change.patch", patch.clone().into_bytes());
    case.dossier.task.artifacts.diff = Some(chimera_agent::vault::sha256(patch.as_bytes()));
    case.add(EvidenceKind::Test, 1, HOSTILE, HOSTILE.as_bytes().to_vec());
    case.dossier.task.artifacts.test_sha256 = Some(chimera_agent::vault::sha256(HOSTILE.as_bytes()));
    case
}

#[test]
fn no_text_becomes_markup() {
    for fails_in in [None, Some(Phase::GuardianReview), Some(Phase::E2eValidation)] {
        let page = page(&hostile(fails_in));
        assert!(page.matches("&lt;script&gt;alert(1)").count() >= 9, "the texts are shown:\n{page}");
        for forbidden in
            ["<script", "<img src=x", "\u{202e}", "\u{0}", "\u{1b}", "&lt;script&gt;alert(1)</style>"]
        {
            assert!(!page.contains(forbidden), "{forbidden:?} is in the page");
        }
        assert_eq!(page.matches("</style>").count(), 1);
    }
}

#[test]
fn only_pictures_are_shown_as_pictures() {
    let mut case = case(None);
    case.add(EvidenceKind::Screenshot, 5, "green-1.png", b"<svg onload=alert(1)>".to_vec());
    let page = page(&case);
    assert!(
        !page.contains("data:image") && page.contains("no picture"),
        "neither four bytes nor an SVG is a PNG"
    );
}

#[test]
fn the_video_of_a_run_is_shown_beside_its_picture_if_it_is_one_and_small_enough() {
    let webm = |bytes: usize| [b"\x1a\x45\xdf\xa3".to_vec(), vec![0; bytes]].concat();
    let shown = |video: Vec<u8>| {
        let mut case = case(None);
        case.add(EvidenceKind::Screenshot, 5, "green-1.png", b"\x89PNG\r\n\x1a\n".to_vec());
        case.add(EvidenceKind::Video, 5, "green-1.webm", video);
        page(&case).matches("<video controls").count()
    };
    assert_eq!(shown(webm(100)), 1);
    assert_eq!(shown(b"<svg onload=alert(1)>".to_vec()), 0);
    assert_eq!(shown(webm(SHOWN_BYTES as usize)), 0);
}

#[test]
fn a_failed_task_says_so_at_the_top() {
    let page = page(&case(Some(Phase::E2eValidation)));
    let top = page.split("<main>").next().expect("a header");
    assert!(top.contains("Not proven") && top.contains("stale_staging"), "{top}");
    assert!(top.contains("Ended in E2E_VALIDATION: yesterday&#39;s page is served"), "{top}");
    assert!(!page.contains("chip good\">holds"), "nothing holds");
}
