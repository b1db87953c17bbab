//! The suite that the project already has: what it fails after the change and did not before sends the task back.
//!
//! It runs in a copy of the commit, after the change; only if something fails there, before it, too. Without a
//! JUnit report its exit code is all that is known of it.

use super::bench::Bench;
use super::halt::Halt;
use crate::process::{self, Exit, Spec};
use crate::spec::{Project, Suite};
use crate::workspace::Worktree;
use chimera_core::{Digest, EvidenceKind, Finding, Reason, Setback, Severity, limits};
use std::collections::BTreeMap;
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

/// Halts if the change makes something fail that did not fail before it.
pub(super) async fn must_hold(
    bench: &Bench<'_>,
    project: &Project,
    worktree: &Worktree,
    (base, head): (&Digest, &Digest),
) -> Result<(), Halt> {
    let Some(suite) = &project.suite else { return Ok(()) };
    let after = run(bench, suite, worktree, head, "suite-head").await?;
    if after.is_empty() {
        return Ok(());
    }
    let before = run(bench, suite, worktree, base, "suite-base").await?;
    let newly: Failures = after.into_iter().filter(|(name, _)| !before.contains_key(name)).collect();
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
    suite: &Suite,
    worktree: &Worktree,
    commit: &Digest,
    label: &str,
) -> Result<Failures, Halt> {
    let copy = bench.private_dir(label)?;
    worktree.export(commit, &copy).await?;
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
    let mut failures = match &suite.report {
        Some(path) => match junit(&copy, path) {
            Some(failures) => failures,
            None => BTreeMap::from([(WHOLE.to_owned(), format!("it left no JUnit report at {path}"))]),
        },
        None => BTreeMap::new(),
    };
    if exit != Exit::Code(0) && failures.is_empty() {
        let said = std::fs::read(&log).unwrap_or_default();
        let end = String::from_utf8_lossy(&said[said.len().saturating_sub(TAIL_BYTES)..]).into_owned();
        failures.insert(WHOLE.to_owned(), format!("it ended with {exit:?}:\n{end}"));
    }
    std::fs::remove_dir_all(&copy)?;
    Ok(failures)
}

/// The failed tests of a JUnit report in a directory; `None` if there is none, or none that names a test.
fn junit(dir: &Path, path: &str) -> Option<Failures> {
    let below =
        Path::new(path).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    let file = std::fs::canonicalize(dir.join(path)).ok()?;
    let inside = file.starts_with(std::fs::canonicalize(dir).ok()?);
    let meta = std::fs::symlink_metadata(&file).ok()?;
    if !below || !inside || !meta.is_file() || meta.len() > REPORT_BYTES {
        return None;
    }
    failed(&String::from_utf8_lossy(&std::fs::read(&file).ok()?))
}

/// The failed test cases of a JUnit report; `None` if it has no test case at all.
fn failed(xml: &str) -> Option<Failures> {
    let mut cases = xml.split("<testcase").skip(1).peekable();
    cases.peek()?;
    let failing = cases.filter_map(|case| {
        let case = case.split("</testcase>").next().unwrap_or_default();
        let (head, body) = case.split_once('>')?;
        let mark = ["<failure", "<error"].into_iter().find_map(|mark| body.split_once(mark))?;
        if head.ends_with('/') {
            return None;
        }
        let name = [attribute(head, "classname"), attribute(head, "name")];
        let name = name.into_iter().flatten().collect::<Vec<_>>().join(".");
        let message = attribute(mark.1.split('>').next().unwrap_or_default(), "message");
        Some((name, message.unwrap_or_else(|| "it fails".to_owned())))
    });
    Some(failing.collect())
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
    use super::{attribute, failed};

    #[test]
    fn failed_cases_of_a_report_are_found_by_name() {
        let xml = r#"<?xml version="1.0"?><testsuites><testsuite name="s" errors="1">
            <testcase classname="a.b" name="passes" time="0.1"/>
            <testcase classname="a.b" name="fails &lt;1&gt;"><failure message="no &amp; no">text</failure></testcase>
            <testcase name="breaks"><error message='boom'/></testcase>
            <testcase name="rests"><skipped/></testcase></testsuite></testsuites>"#;
        let found: Vec<(String, String)> = failed(xml).expect("it has cases").into_iter().collect();
        let expected = [("a.b.fails <1>", "no & no"), ("breaks", "boom")];
        assert_eq!(found, expected.map(|(name, message)| (name.to_owned(), message.to_owned())));
        assert_eq!(failed("<testsuites></testsuites>"), None);
        assert_eq!(attribute(" classname=\"c\" name=\"n\"", "name").as_deref(), Some("n"));
    }
}
