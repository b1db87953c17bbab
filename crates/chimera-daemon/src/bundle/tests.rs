//! Bundles of small deliveries, honest and forged.

use super::archive::{Reader, Writer, occupied};
use super::dossier::{Criteria, Dossier, Exhibit, ProjectSheet, Source, TaskSheet, Tools, stretches};
use super::key::SigningKey;
use super::pack::{Package, Piece};
use super::verify::{Refused, Trusted, Verdict, verify};
use chimera_agent::spec::Staging;
use chimera_agent::vault::sha256;
use chimera_core::{
    Artifacts, Digest, Entry, EntryKind, Event, EvidenceKind, GreenProof, GreenRuns, Outcome, Phase,
    PhaseOutput, Policy, Reason, RedProof, RedRuns, Request, Setback, State, Status, TestReport, TestResult,
    TestStatus, Tick, UnixMillis, Usage, Workflow, step,
};
use std::path::Path;

const NOW: UnixMillis = UnixMillis(1_900_000_000_000);
const TEST: &[u8] = b"def test_it(page):\n    assert page\n";
const PATCH: &[u8] = b"diff --git a/x b/x\n";

/// A task, what is told of it, and its files.
pub(super) struct Case {
    pub(super) dossier: Dossier,
    pub(super) pieces: Vec<(String, Vec<u8>)>,
}

fn digest(n: u64) -> Digest {
    Digest::parse(&format!("{n:040x}")).expect("40 digits")
}

fn report(status: TestStatus) -> TestReport {
    let message = (status != TestStatus::Passed).then(|| "it is not there".to_owned());
    let test = TestResult { message, duration_ms: 3, ..TestResult::new("test_it", status, 1) };
    TestReport { tests: vec![test], error: None }
}

fn product(phase: Phase) -> PhaseOutput {
    let test_sha256 = sha256(TEST);
    let failed = report(TestStatus::AssertionFailed);
    let runs = RedRuns { base: &failed, blank: &failed, error: &failed };
    let red = || RedProof::judge(&runs, sha256(TEST), digest(1), NOW).expect("it is red");
    match phase {
        Phase::E2eTestGeneration => PhaseOutput::E2eTestGeneration {
            test_path: "tests/e2e/test_it.py".into(),
            test_sha256,
            base_commit: digest(1),
            test_commit: digest(2),
            red: red(),
            target_run: "unreachable".into(),
        },
        Phase::CodeImplementation => PhaseOutput::CodeImplementation {
            commit: digest(3),
            diff: sha256(PATCH),
            test_sha256,
            code_pr_id: "local-it".into(),
            restored: false,
        },
        Phase::GuardianReview => PhaseOutput::GuardianReview { commit: digest(3) },
        Phase::StagingDeployment => {
            PhaseOutput::StagingDeployment { url: "http://127.0.0.1:4000".into(), revision: digest(3) }
        }
        _ => {
            let passes = [report(TestStatus::Passed), report(TestStatus::Passed)];
            let runs = GreenRuns { passes: &passes, base_again: &failed };
            let green =
                GreenProof::judge(&red(), &runs, 2, test_sha256, digest(3), NOW).expect("it is green");
            PhaseOutput::E2eValidation { green }
        }
    }
}

/// The journal of a delivery, or of one that fails in that phase, and where it leads.
fn journal(fails_in: Option<Phase>) -> (Vec<Entry>, State) {
    let mut state = State { status: Status::Queued, workflow: Workflow::new() };
    let phase = state.workflow.phase;
    let mut journal = vec![Entry { at: NOW, phase, to: phase, attempt: 0, kind: EntryKind::Accepted }];
    let mut event = Event::Claimed { worker: "w".into(), epoch: 1 };
    loop {
        let tick = Tick { now: UnixMillis(NOW.0 + 1000 * journal.len() as i64), jitter: 0.0 };
        let after = step(&state, event, tick, &Policy::default()).expect("a legal event");
        journal.push(after.entry);
        state = after.state;
        if state.status.is_end() {
            return (journal, state);
        }
        let outcome = if fails_in == Some(state.workflow.phase) {
            Outcome::Failed(Setback::new(Reason::StaleStaging, "yesterday's page is served"))
        } else {
            Outcome::Passed { output: product(state.workflow.phase) }
        };
        event = Event::Settled { outcome, usage: Usage { cost_usd: 0.5, ..Usage::default() } };
    }
}

pub(super) fn case(fails_in: Option<Phase>) -> Case {
    let (journal, state) = journal(fails_in);
    let workflow = state.workflow;
    let json = |status| serde_json::to_vec_pretty(&report(status)).expect("it can be written");
    // Reports of their own: files with the same content share one place.
    let control = |label: &str| {
        let mut failed = report(TestStatus::AssertionFailed);
        failed.tests[0].message = Some(format!("not in {label}"));
        serde_json::to_vec_pretty(&failed).expect("it can be written")
    };
    let files: [(EvidenceKind, u32, &str, Vec<u8>); 9] = [
        (EvidenceKind::Test, 1, "test.py", TEST.to_vec()),
        (EvidenceKind::Report, 1, "red-report.json", json(TestStatus::AssertionFailed)),
        (EvidenceKind::Report, 1, "control-blank-report.json", control("control-blank")),
        (EvidenceKind::Report, 1, "control-error-report.json", control("control-error")),
        (EvidenceKind::Screenshot, 1, "red.png", b"\x89PNG".to_vec()),
        (EvidenceKind::Diff, 2, "change.patch", PATCH.to_vec()),
        (EvidenceKind::Report, 5, "green-1-report.json", json(TestStatus::Passed)),
        (EvidenceKind::Report, 5, "green-2-report.json", json(TestStatus::Passed)),
        (EvidenceKind::Report, 5, "control-base-report.json", control("control-base")),
    ];
    let request = Request::new("It is there", "http://127.0.0.1:1/");
    let mut case = Case {
        dossier: Dossier {
            task: TaskSheet {
                task_id: "chimera-0123456789ab".into(),
                status: state.status,
                reason: workflow.reason,
                error: workflow.error,
                failed_in: workflow.failed_in,
                created_at: NOW,
                started_at: Some(NOW),
                completed_at: Some(NOW),
                artifacts: workflow.artifacts,
                usage: workflow.usage,
            },
            criteria: Criteria { from: Source::Derived, sentences: vec!["open \"/\"".into()] },
            project: ProjectSheet {
                name: "shop".into(),
                branch: "chimera/chimera-0123456789ab".into(),
                staging: Some(Staging::Static { static_dir: ".".into(), build: None }),
                allow_hosts: Vec::new(),
            },
            phases: stretches(&journal),
            tools: Tools { daemon: "0".into(), programs: Vec::new() },
            request,
            journal,
            exhibits: Vec::new(),
        },
        pieces: Vec::new(),
    };
    for (kind, attempt, name, bytes) in files {
        case.add(kind, attempt, name, bytes);
    }
    case
}

impl Case {
    pub(super) fn add(&mut self, kind: EvidenceKind, attempt: u32, name: &str, bytes: Vec<u8>) {
        let sha256 = sha256(&bytes);
        let known = self.dossier.exhibits.iter().find(|exhibit| exhibit.sha256 == sha256);
        let path = known.map_or_else(
            || format!("evidence/{attempt}/{}-{name}", self.pieces.len()),
            |known| known.path.clone().expect("it is there"),
        );
        let phase = if attempt == 1 { Phase::E2eTestGeneration } else { Phase::E2eValidation };
        let size = bytes.len() as u64;
        if known.is_none() {
            self.pieces.push((path.clone(), bytes));
        }
        let (name, path) = (name.to_owned(), Some(path));
        self.dossier.exhibits.push(Exhibit {
            kind,
            name,
            phase,
            attempt,
            sha256,
            size,
            path,
            left_out: None,
        });
    }

    fn sealed(&self, seed: u8) -> Vec<u8> {
        let dir = tempfile::tempdir().expect("a directory");
        let piece = |(number, (path, bytes)): (usize, &(String, Vec<u8>))| {
            let file = dir.path().join(number.to_string());
            std::fs::write(&file, bytes).expect("written");
            Piece { path: path.clone(), file, sha256: sha256(bytes), size: bytes.len() as u64 }
        };
        let pieces = self.pieces.iter().enumerate().map(piece).collect();
        let package =
            Package::seal(&self.dossier, |_: &Digest| "<!doctype html>".to_owned(), pieces, &key(seed))
                .expect("sealed");
        let mut bytes = Vec::new();
        package.write(&mut bytes).expect("written");
        assert_eq!(bytes.len() as u64, package.size(), "the size is known before");
        bytes
    }
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32]).expect("a key")
}

fn checked(bytes: &[u8]) -> Result<Verdict, Refused> {
    verify(bytes, None).map(|checked| checked.verdict)
}

fn refusal(bytes: &[u8]) -> String {
    checked(bytes).expect_err("it is refused").to_string()
}

#[test]
fn a_delivery_is_proven_to_whoever_trusts_the_key() {
    let bytes = case(None).sealed(1);
    let verdict = checked(&bytes).expect("intact");
    assert!(verdict.proven && !verdict.key_trusted, "{verdict:?}");
    assert!(verdict.not_shown.iter().any(|line| line.starts_with("Whose key")));
    for trusted in [Trusted::Key(key(1).public().clone()), Trusted::Id(key(1).public().id())] {
        assert!(verify(&bytes[..], Some(&trusted)).expect("intact").verdict.key_trusted);
    }
    let other = Trusted::Key(key(2).public().clone());
    let refused = verify(&bytes[..], Some(&other)).map(|checked| checked.verdict).expect_err("another key");
    assert!(refused.to_string().starts_with("it is signed with another key"), "{refused}");
    assert_eq!(case(None).sealed(1), bytes, "the same task gives the same bytes");
}

#[test]
fn a_failed_task_is_intact_and_proves_nothing() {
    for phase in Phase::WORKING {
        let verdict = checked(&case(Some(phase)).sealed(1)).expect("intact");
        assert_eq!((verdict.proven, verdict.reason), (false, Some(Reason::StaleStaging)));
        assert!(verdict.shown.iter().any(|line| line.contains("yesterday's page")), "{verdict:?}");
        assert_eq!(verdict.not_shown[0], "A delivery: the task did not complete.");
    }
}

#[test]
fn a_flipped_bit_is_found_wherever_it_is() {
    /// Bits flipped in the middle; beginning and end are tried byte by byte.
    const MIDDLE: usize = 3000;
    const EDGE: usize = 1536;
    let mut bytes = case(None).sealed(1);
    let mut rng = fastrand::Rng::with_seed(4);
    let length = bytes.len();
    let edges = (0..EDGE).chain(length - EDGE..length);
    let middle: Vec<usize> = (0..MIDDLE).map(|_| rng.usize(..length)).collect();
    for at in edges.chain(middle) {
        let bit = 1 << rng.u8(..8);
        bytes[at] ^= bit;
        assert!(checked(&bytes).is_err(), "bit {bit:#x} of byte {at} of {length} can be flipped");
        bytes[at] ^= bit;
    }
    assert!(checked(&bytes).is_ok(), "and it was intact all the while");
}

#[test]
fn nothing_can_be_cut_off_or_added() {
    let bytes = case(None).sealed(1);
    for length in (0..bytes.len()).step_by(97).chain(bytes.len() - 3..bytes.len()) {
        assert!(checked(&bytes[..length]).is_err(), "cut to {length}");
    }
    for more in [&[0][..], &[0; 512], b"x", &bytes] {
        assert_eq!(refusal(&[&bytes[..], more].concat()), "there is something after the end of the archive");
    }
}

/// Takes an archive apart.
fn members(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let (mut reader, mut members) = (Reader::new(bytes), Vec::new());
    while let Some((name, size)) = reader.next().expect("an archive") {
        let mut content = Vec::new();
        reader.content(size, |part| content.extend_from_slice(part)).expect("an archive");
        members.push((name, content));
    }
    members
}

fn archive(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (name, content) in members {
        writer.add(name, content.len() as u64, &content[..]).expect("written");
    }
    writer.finish().expect("written")
}

#[test]
fn files_cannot_be_swapped_added_doubled_or_left_out() {
    let bytes = case(None).sealed(1);
    let whole = members(&bytes);
    assert_eq!(archive(&whole), bytes);
    for at in 0..whole.len() {
        let mut without = whole.clone();
        let file = without.remove(at);
        assert!(checked(&archive(&without)).is_err(), "{} can be left out", file.0);
        let mut doubled = whole.clone();
        doubled.insert(at, file.clone());
        assert!(checked(&archive(&doubled)).is_err(), "{} can be doubled", file.0);
        let mut swapped = whole.clone();
        swapped.swap(at, (at + 1) % whole.len());
        assert!(checked(&archive(&swapped)).is_err(), "{} can be moved", file.0);
        let mut changed = whole.clone();
        changed[at].1.push(b'\n');
        assert!(checked(&archive(&changed)).is_err(), "{} can be changed", file.0);
    }
    let mut more = whole;
    more.push(("evidence/1/more.txt".into(), Vec::new()));
    assert_eq!(refusal(&archive(&more)), "`evidence/1/more.txt` is not in the manifest");
}

/// The archive with other bytes in the header of the first file, under a right checksum.
fn with_header(bytes: &[u8], change: impl Fn(&mut [u8])) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    change(&mut bytes[..512]);
    bytes[148..156].fill(b' ');
    let sum: u32 = bytes[..512].iter().map(|byte| u32::from(*byte)).sum();
    bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    bytes
}

#[test]
fn hostile_archives_are_refused_before_anything_is_believed() {
    let bytes = case(None).sealed(1);
    for name in ["../evil", "/etc/passwd", "a/../../b", ".hidden", "a//b", "a\\b", "caf\u{e9}", "a b", ""] {
        let hostile = with_header(&bytes, |header| {
            header[..100].fill(0);
            header[..name.len()].copy_from_slice(name.as_bytes());
        });
        assert!(refusal(&hostile).contains("is no name of a file"), "{name}");
    }
    for kind in b"1234567xgLKS" {
        let link = with_header(&bytes, |header| header[156] = *kind);
        assert_eq!(refusal(&link), "the header at byte 0 is not as it is written", "type {kind}");
    }
    let owned = with_header(&bytes, |header| header[108..115].copy_from_slice(b"0001750"));
    assert_eq!(refusal(&owned), "the header at byte 0 is not as it is written");
    let sized =
        |digits: &'static [u8]| with_header(&bytes, |header| header[124..135].copy_from_slice(digits));
    assert!(refusal(&sized(b"77777777777")).contains("more than the 268435456 of a file"));
    assert!(refusal(&sized(b"01777777777")).contains("more than the 33554432 allowed"));
    assert!(refusal(&sized(b"0000000 644")).contains("header"), "blanks are no digits");
    for garbage in [&b""[..], b"\x1f\x8b\x08", b"PK\x03\x04", &[0; 1024], &[0xff; 4096]] {
        assert!(checked(garbage).is_err());
    }
    assert_eq!(occupied(0), 512);
}

#[test]
fn a_signer_cannot_claim_what_journal_and_reports_do_not_say() {
    let lie = |change: &dyn Fn(&mut Case)| {
        let mut case = case(None);
        change(&mut case);
        refusal(&case.sealed(1))
    };
    let has = |told: &str, part: &str| assert!(told.contains(part), "{told}");
    has(&lie(&|case| case.dossier.task.artifacts.head_commit = Some(digest(9))), "another result");
    has(&lie(&|case| case.dossier.task.artifacts = Artifacts::default()), "another result");
    has(&lie(&|case| case.dossier.task.status = Status::Failed), "another status");
    has(&lie(&|case| case.dossier.phases[0].duration_ms += 1), "phases.json");
    has(&lie(&|case| drop(case.dossier.journal.remove(4))), "entry 5 of the journal");
    has(&lie(&|case| case.dossier.journal.truncate(6)), "another status");
    let passed = serde_json::to_vec(&report(TestStatus::Passed)).expect("written");
    let failed = serde_json::to_vec(&report(TestStatus::AssertionFailed)).expect("written");
    has(&lie(&|case| replace(case, "red-report.json", &passed)), "prove no red: the test passes before");
    has(&lie(&|case| replace(case, "green-2-report.json", &failed)), "prove no green");
    has(&lie(&|case| replace(case, "red-report.json", b"{}")), "red-report.json");
    has(&lie(&|case| replace(case, "control-blank-report.json", &passed)), "passes on a blank page");
    has(&lie(&|case| case.add(EvidenceKind::Report, 1, "red-report.json", passed.clone())), "two reports");
    has(&lie(&|case| case.dossier.exhibits[0].size += 1), "is not the file in the bundle");
    has(&lie(&|case| drop(case.dossier.exhibits.remove(2))), "does not know");
}

/// Puts other bytes under an exhibit.
fn replace(case: &mut Case, name: &str, bytes: &[u8]) {
    let at = case.dossier.exhibits.iter().position(|exhibit| exhibit.name == name).expect("an exhibit");
    let old = case.dossier.exhibits.remove(at);
    let path = old.path.expect("it is there");
    if !case.dossier.exhibits.iter().any(|exhibit| exhibit.path.as_deref() == Some(&path)) {
        case.pieces.retain(|(known, _)| *known != path);
    }
    case.add(old.kind, old.attempt, name, bytes.to_vec());
}

#[test]
fn what_is_not_in_the_bundle_proves_nothing() {
    for name in [
        "test.py",
        "red-report.json",
        "change.patch",
        "control-error-report.json",
        "control-base-report.json",
    ] {
        let mut case = case(None);
        let exhibit =
            case.dossier.exhibits.iter_mut().find(|exhibit| exhibit.name == name).expect("an exhibit");
        let path = exhibit.path.take().expect("it was there");
        exhibit.left_out = Some("the file in the data directory is damaged".into());
        case.pieces.retain(|(known, _)| *known != path);
        let verdict = checked(&case.sealed(1)).expect("intact");
        assert!(!verdict.proven, "{name}");
        assert!(verdict.not_shown[0].contains("is not in the bundle"), "{verdict:?}");
        assert!(verdict.not_shown.iter().any(|line| line.contains("1 pieces of evidence")), "{verdict:?}");
    }
}

#[test]
fn any_tar_program_reads_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let bytes = case(None).sealed(1);
    std::fs::write(dir.path().join("it.tar"), &bytes).expect("written");
    let tar = std::process::Command::new("tar")
        .args(["-xf", "it.tar"])
        .current_dir(dir.path())
        .output()
        .expect("tar");
    assert!(tar.status.success() && tar.stderr.is_empty(), "{}", String::from_utf8_lossy(&tar.stderr));
    for (name, content) in members(&bytes) {
        assert_eq!(std::fs::read(dir.path().join(Path::new(&name))).expect("extracted"), content, "{name}");
    }
}

#[test]
fn a_page_that_tells_something_else_is_told() {
    let verdict = checked(&case(None).sealed(1)).expect("intact");
    let told = |line: &String| line.contains("report.html");
    assert!(!verdict.shown.iter().any(told) && verdict.not_shown.iter().any(told), "{verdict:?}");
}
