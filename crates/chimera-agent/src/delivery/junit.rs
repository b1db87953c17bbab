//! What a JUnit report tells of a suite.

use crate::command::FailedCase;
use chimera_core::limits;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

/// Largest report that is read.
const REPORT_BYTES: u64 = 16 << 20;
/// Longest details kept of one case: the end of a long traceback, which names the error.
const DETAILS_BYTES: usize = 4 * 1024;
/// What stands for the suite as a whole, in place of a test's name.
pub(super) const WHOLE: &str = "the suite";

/// What fails, by name.
pub(super) type Failures = BTreeMap<String, FailedCase>;

/// What a run of the suite showed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Ran {
    pub(super) failures: Failures,
    /// The tests that passed, as far as a report names them.
    passed: BTreeSet<String>,
}

impl Ran {
    /// Nothing but that the suite as a whole is no good.
    pub(super) fn broken(message: String, details: String) -> Self {
        let case = FailedCase { name: WHOLE.to_owned(), message, details };
        Self { failures: BTreeMap::from([(WHOLE.to_owned(), case)]), passed: BTreeSet::new() }
    }

    /// What fails here and did not before, and what passed before and is not run any more.
    pub(super) fn newly(self, before: &Self) -> Failures {
        let Self { failures, passed } = self;
        let known = !failures.contains_key(WHOLE);
        let gone = before.passed.iter().filter(|name| known && !passed.contains(*name));
        let gone = gone.filter(|name| !failures.contains_key(*name));
        let gone: Vec<(String, FailedCase)> = gone
            .map(|name| {
                let message = "it passed before, and is not run any more".to_owned();
                (name.clone(), FailedCase { name: name.clone(), message, details: String::new() })
            })
            .collect();
        let failures = failures.into_iter().filter(|(name, _)| !before.failures.contains_key(name));
        failures.chain(gone).collect()
    }
}

/// The tests of a JUnit report in a directory; `None` if there is none, or none that names a test.
pub(super) fn read(dir: &Path, report: &str) -> Option<Ran> {
    cases(&String::from_utf8_lossy(&std::fs::read(path(dir, report)?).ok()?))
}

/// Where the report is; `None` if there is none that may be read.
pub(super) fn path(dir: &Path, path: &str) -> Option<PathBuf> {
    let below =
        Path::new(path).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    let file = std::fs::canonicalize(dir.join(path)).ok()?;
    let inside = file.starts_with(std::fs::canonicalize(dir).ok()?);
    let meta = std::fs::symlink_metadata(&file).ok()?;
    (below && inside && meta.is_file() && meta.len() <= REPORT_BYTES).then_some(file)
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
        if let Some(mark) = ["failure", "error"].into_iter().find(|mark| body.contains(&format!("<{mark}"))) {
            ran.failures.insert(name.clone(), failed(name, body, mark));
        } else if !body.contains("<skipped") {
            ran.passed.insert(name);
        }
    }
    Some(ran)
}

/// A case that failed, with what its elements say.
fn failed(name: String, body: &str, mark: &str) -> FailedCase {
    let (head, text) = element(body, mark).unwrap_or_default();
    let mut details = text;
    for (output, title) in
        [("system-err", "what it wrote to standard error:"), ("system-out", "what it printed:")]
    {
        if let Some((_, text)) = element(body, output).filter(|(_, text)| !text.trim().is_empty()) {
            details = format!("{}\n\n{title}\n{}", details.trim_end(), text.trim());
        }
    }
    let message = attribute(&head, "message").filter(|message| !message.is_empty());
    FailedCase {
        name,
        message: message.unwrap_or_else(|| "it fails".to_owned()),
        details: last(details.trim().to_owned()),
    }
}

/// The head and the text of the first element of this name.
fn element(body: &str, name: &str) -> Option<(String, String)> {
    let (_, after) = body.split_once(&format!("<{name}"))?;
    let (head, rest) = after.split_once('>')?;
    let text =
        if head.ends_with('/') { "" } else { rest.split(&format!("</{name}>")).next().unwrap_or_default() };
    Some((format!(" {}", head.trim()), plain(text)))
}

/// A text as it was before it went into XML.
fn plain(text: &str) -> String {
    const OPEN: &str = "<![CDATA[";
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, data)) = rest.split_once(OPEN) {
        let (data, after) = data.split_once("]]>").unwrap_or((data, ""));
        out += &unescaped(before);
        out += data;
        rest = after;
    }
    out + &unescaped(rest)
}

fn unescaped(text: &str) -> String {
    let marks = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&#10;", "\n"),
        ("&#xA;", "\n"),
        ("&#9;", "\t"),
        ("&amp;", "&"),
    ];
    marks.into_iter().fold(text.to_owned(), |text, (mark, plain)| text.replace(mark, plain))
}

/// The end of a long text: a traceback says there what went wrong.
fn last(text: String) -> String {
    if text.len() <= DETAILS_BYTES {
        return text;
    }
    let mut begin = text.len() - DETAILS_BYTES;
    while !text.is_char_boundary(begin) {
        begin += 1;
    }
    format!("…{}", &text[begin..])
}

/// The value of an attribute in the head of an element.
fn attribute(head: &str, name: &str) -> Option<String> {
    let at = head.find(&format!(" {name}="))? + name.len() + 2;
    let quote = head[at..].chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let value = head[at + 1..].split(quote).next()?;
    let mut value = unescaped(value);
    limits::truncate(&mut value, limits::SUMMARY_BYTES);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::{DETAILS_BYTES, FailedCase, Ran, WHOLE, attribute, cases};

    #[test]
    fn cases_of_a_report_are_found_by_name() {
        let xml = r#"<?xml version="1.0"?><testsuites><testsuite name="s" errors="1">
            <testcase classname="a.b" name="passes" time="0.1"/>
            <testcase classname="a.b" name="fails &lt;1&gt;"><failure message="no &amp; no">text</failure></testcase>
            <testcase name="breaks"><error message='boom'/></testcase>
            <testcase name="rests"><skipped/></testcase></testsuite></testsuites>"#;
        let ran = cases(xml).expect("it has cases");
        assert_eq!(ran.passed.into_iter().collect::<Vec<_>>(), ["a.b.passes"]);
        let found: Vec<(String, String)> =
            ran.failures.into_iter().map(|(name, case)| (name, case.message)).collect();
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
        let broken = Ran::broken("no report".to_owned(), String::new()).newly(&before());
        assert_eq!(broken.into_keys().collect::<Vec<_>>(), [WHOLE], "nothing is known of the tests");
    }

    fn only(xml: &str) -> FailedCase {
        cases(xml).expect("it has cases").failures.into_values().next().expect("it fails")
    }

    #[test]
    fn a_failing_case_tells_its_traceback_and_what_it_wrote() {
        let pytest = "<testcase classname=\"\" name=\"tests.test_it\"><error message=\"collection failure\">tests/test_it.py:1: in &lt;module&gt;\n\
            E   ModuleNotFoundError: No module named 'x'</error></testcase>";
        let case = only(pytest);
        assert_eq!(case.message, "collection failure");
        assert_eq!(
            case.details,
            "tests/test_it.py:1: in <module>\nE   ModuleNotFoundError: No module named 'x'"
        );
        let vitest = "<testcase name=\"t\"><failure message=\"m\"><![CDATA[AssertionError: 1 < 2 & so on]]></failure>\
            <system-out> </system-out><system-err><![CDATA[Warning: key]]></system-err></testcase>";
        let details = "AssertionError: 1 < 2 & so on\n\nwhat it wrote to standard error:\nWarning: key";
        assert_eq!(only(vitest).details, details);
    }

    #[test]
    fn of_long_details_the_end_is_kept() {
        let long = format!(
            "<testcase name=\"t\"><failure>{}the error</failure></testcase>",
            "ü".repeat(DETAILS_BYTES)
        );
        let case = only(&long);
        assert!(
            case.details.ends_with("the error") && case.details.len() <= DETAILS_BYTES + 4,
            "{}",
            case.details.len()
        );
    }
}
