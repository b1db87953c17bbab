//! The suite that the project already has: what it fails after the change and did not before sends the task back.
//!
//! It runs in a copy of the commit, after the change, and before it, too, if there is something to compare. With a JUnit
//! report that is every test: one that passed and is gone or skipped now is as bad as one that fails. Without a
//! report the exit code is all that is known of it. Frozen tests are not in that copy: they are no part of the suite.

use super::bench::Bench;
use super::halt::Halt;
use super::place;
use crate::process::{self, Exit, Spec};
use crate::spec::{Project, Suite};
use crate::workspace::Worktree;
use chimera_core::{Digest, EvidenceKind, Finding, Reason, Setback, Severity, limits};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};
use std::time::Duration;

/// Most output kept of a run.
const OUTPUT_CAP: u64 = 16 << 20;
/// Largest JUnit report that is read.
const REPORT_BYTES: u64 = 16 << 20;
/// Between TERM and KILL.
const GRACE: Duration = Duration::from_secs(2);
/// What stands for the suite as a whole, in place of a test's name.
const WHOLE: &str = "the suite";
/// Bytes of the end of a run's output that its finding shows.
const TAIL_BYTES: usize = 2_000;

/// What fails, by name, with what is to be said of it.
type Failures = BTreeMap<String, String>;

/// What a run of the suite showed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Ran {
    failures: Failures,
    /// The tests that passed, as far as a report names them.
    passed: BTreeSet<String>,
}

impl Ran {
    /// Nothing but that the suite as a whole is no good.
    fn broken(why: String) -> Self {
        Self { failures: BTreeMap::from([(WHOLE.to_owned(), why)]), passed: BTreeSet::new() }
    }

    /// What fails here and did not before, and what passed before and is not run any more.
    fn newly(self, before: &Self) -> Failures {
        let Self { failures, passed } = self;
        let known = !failures.contains_key(WHOLE);
        let gone = before.passed.iter().filter(|name| known && !passed.contains(*name));
        let gone = gone.filter(|name| !failures.contains_key(*name));
        let gone: Vec<(String, String)> =
            gone.map(|name| (name.clone(), "it passed before, and is not run any more".to_owned())).collect();
        let failures = failures.into_iter().filter(|(name, _)| !before.failures.contains_key(name));
        failures.chain(gone).collect()
    }
}

/// Halts if the change makes something fail that did not fail before it, or go away that passed before it.
pub(super) async fn must_hold(
    bench: &Bench<'_>,
    project: &Project,
    worktree: &Worktree,
    (base, head): (&Digest, &Digest),
) -> Result<(), Halt> {
    let Some(suite) = &project.suite else { return Ok(()) };
    let after = run(bench, (project, suite), worktree, head, "suite-head").await?;
    if after.failures.is_empty() && suite.report.is_none() {
        return Ok(());
    }
    let before = run(bench, (project, suite), worktree, base, "suite-base").await?;
    let newly = after.newly(&before);
    if newly.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = newly.keys().map(String::as_str).collect();
    let why =
        format!("{} fails with the change and did not without it (see suite-head.log)", names.join(", "));
    let known = !newly.contains_key(WHOLE);
    let fingerprint = known.then(|| crate::vault::sha256(names.join("\0").as_bytes()));
    let findings = newly.iter().take(limits::FINDINGS).map(|(name, message)| {
        let mut message = format!("{name}: {message}");
        limits::truncate(&mut message, limits::SUMMARY_BYTES);
        Finding { file: None, line: None, severity: Severity::Error, message }
    });
    let findings = findings.collect();
    Err(Halt::rejected(Setback { findings, fingerprint, ..Setback::new(Reason::NotGreen, why) }))
}

/// Runs the suite in a copy of a commit.
async fn run(
    bench: &Bench<'_>,
    (project, suite): (&Project, &Suite),
    worktree: &Worktree,
    commit: &Digest,
    label: &str,
) -> Result<Ran, Halt> {
    let copy = bench.private_dir(label)?;
    place::copy_for_commands(bench, project, worktree, commit, &copy).await?;
    let log = bench.log(label);
    let spec = Spec {
        argv: vec!["sh".to_owned(), "-c".to_owned(), suite.command.clone()],
        cwd: copy.clone(),
        env: bench.project_environment(&bench.private_dir("suite-home")?),
        stdin: Vec::new(),
        log: log.clone(),
        timeout: bench.attempt.timeout,
        stall: None,
        grace: GRACE,
        output_cap: OUTPUT_CAP,
    };
    let exit = process::run(&spec, &bench.stop)
        .await
        .map_err(|err| Halt::failed(Reason::Config, err.to_string()))?;
    if exit == Exit::Stopped {
        return Err(Halt::interrupted());
    }
    bench.keep_file(EvidenceKind::Log, &format!("{label}.log"), &log);
    let mut ran = match &suite.report {
        Some(path) => {
            junit(&copy, path).unwrap_or_else(|| Ran::broken(format!("it left no JUnit report at {path}")))
        }
        None => Ran::default(),
    };
    if exit != Exit::Code(0) && ran.failures.is_empty() {
        let said = std::fs::read(&log).unwrap_or_default();
        let end = String::from_utf8_lossy(&said[said.len().saturating_sub(TAIL_BYTES)..]).into_owned();
        ran.failures.insert(WHOLE.to_owned(), format!("it ended with {exit:?}:\n{end}"));
    }
    std::fs::remove_dir_all(&copy)?;
    Ok(ran)
}

/// The tests of a JUnit report in a directory; `None` if there is none, or none that names a test.
fn junit(dir: &Path, path: &str) -> Option<Ran> {
    let below =
        Path::new(path).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    let file = std::fs::canonicalize(dir.join(path)).ok()?;
    let inside = file.starts_with(std::fs::canonicalize(dir).ok()?);
    let meta = std::fs::symlink_metadata(&file).ok()?;
    if !below || !inside || !meta.is_file() || meta.len() > REPORT_BYTES {
        return None;
    }
    cases(&String::from_utf8_lossy(&std::fs::read(&file).ok()?))
}

/// The test cases of a JUnit report; `None` if it has none at all.
fn cases(xml: &str) -> Option<Ran> {
    let mut cases = xml.split("<testcase").skip(1).peekable();
    cases.peek()?;
    let mut ran = Ran::default();
    for case in cases {
        let case = case.split("</testcase>").next().unwrap_or_default();
        let Some((head, body)) = case.split_once('>') else { continue };
        let name = [attribute(head, "classname"), attribute(head, "name")];
        let name = name.into_iter().flatten().collect::<Vec<_>>().join(".");
        // What follows an element without a body belongs to the next one, or to the suite.
        let body = if head.ends_with('/') { "" } else { body };
        if let Some((_, mark)) = ["<failure", "<error"].into_iter().find_map(|mark| body.split_once(mark)) {
            let message = attribute(mark.split('>').next().unwrap_or_default(), "message");
            ran.failures.insert(name, message.unwrap_or_else(|| "it fails".to_owned()));
        } else if !body.contains("<skipped") {
            ran.passed.insert(name);
        }
    }
    Some(ran)
}

/// The value of an attribute in the head of an element.
fn attribute(head: &str, name: &str) -> Option<String> {
    let at = head.find(&format!(" {name}="))? + name.len() + 2;
    let quote = head[at..].chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let value = head[at + 1..].split(quote).next()?;
    let marks = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    Some(marks.into_iter().fold(value.to_owned(), |text, (mark, plain)| text.replace(mark, plain)))
}

#[cfg(test)]
mod tests {
    use super::{Ran, WHOLE, attribute, cases};

    #[test]
    fn cases_of_a_report_are_found_by_name() {
        let xml = r#"<?xml version="1.0"?><testsuites><testsuite name="s" errors="1">
            <testcase classname="a.b" name="passes" time="0.1"/>
            <testcase classname="a.b" name="fails &lt;1&gt;"><failure message="no &amp; no">text</failure></testcase>
            <testcase name="breaks"><error message='boom'/></testcase>
            <testcase name="rests"><skipped/></testcase></testsuite></testsuites>"#;
        let ran = cases(xml).expect("it has cases");
        assert_eq!(ran.passed.into_iter().collect::<Vec<_>>(), ["a.b.passes"]);
        let found: Vec<(String, String)> = ran.failures.into_iter().collect();
        let expected = [("a.b.fails <1>", "no & no"), ("breaks", "boom")];
        assert_eq!(found, expected.map(|(name, message)| (name.to_owned(), message.to_owned())));
        assert_eq!(cases("<testsuites></testsuites>"), None);
        assert_eq!(attribute(" classname=\"c\" name=\"n\"", "name").as_deref(), Some("n"));
    }
    #[test]
    fn what_passed_before_and_is_gone_or_skipped_now_counts_as_newly_failing() {
        let case = |name: &str, body: &str| format!("<testcase name=\"{name}\">{body}</testcase>");
        let red = "<failure message=\"no\"/>";
        let all = |bodies: [&str; 4]| {
            let names = ["fails", "was-red", "rests", "stays"];
            names.into_iter().zip(bodies).map(|(name, body)| case(name, body)).collect::<String>()
        };
        let ran = |xml: &str| cases(xml).expect("it has cases");
        let before = || ran(&(all(["", red, "", ""]) + &case("goes", "")));
        let after = ran(&(all([red, red, "<skipped/>", ""]) + &case("comes", "")));
        let newly: Vec<String> = after.newly(&before()).into_keys().collect();
        assert_eq!(newly, ["fails", "goes", "rests"]);
        let broken = Ran::broken("no report".to_owned()).newly(&before());
        assert_eq!(broken.into_keys().collect::<Vec<_>>(), [WHOLE], "nothing is known of the tests");
    }
}
