//! Answers as models write them, and agents that go on after they have answered.

use crate::command::{Place, assignment};
use chimera_agent::command::{Trouble, Verdict, means};
use chimera_core::{Digest, Severity, Usage};
use std::time::Duration;

#[tokio::test]
async fn an_answer_is_read_as_it_is_meant_whatever_its_form() {
    let said = async |text: &str| Place::new().answering(text.as_bytes()).await;
    let fenced =
        said("```json\n{\"outcome\": \"rejected\", \"summary\": \"no\"}\n```\n").await.expect("readable");
    assert_eq!((fenced.verdict, fenced.summary.as_str()), (Verdict::Rejected, "no"));
    let nothing = r#"{"outcome": "passed", "summary": null, "findings": null, "commit": null, "test_path": "",
        "usage": {"input_tokens": null, "output_tokens": 7.0, "cost_usd": null}, "retry_after": null}"#;
    let nothing = said(nothing).await.expect("readable");
    assert_eq!(nothing.usage, Usage { input_tokens: 0, output_tokens: 7, cost_usd: 0.0 });
    assert_eq!((nothing.commit, nothing.test_path, nothing.findings.len()), (None, None, 0));
    let free = r#"{"outcome": "passed", "usage": "unknown", "findings": "one remark"}"#;
    let free = said(free).await.expect("readable");
    assert_eq!((free.usage, free.findings[0].message.as_str()), (Usage::default(), "one remark"));
}

#[tokio::test]
async fn findings_keep_their_weight_whatever_it_is_called() {
    let found = async |outcome: &str| {
        let text = format!(
            r#"{{"outcome": "{outcome}", "findings": ["plain", {{"description": "untold", "line": "7", "path": "a.js"}},
            {{"severity": "critical", "message": "x"}}, {{"severity": "P1", "message": "x", "line": 0}},
            {{"severity": "Minor", "message": "x"}}, {{"severity": "nit", "message": "x"}}]}}"#
        );
        Place::new().answering(text.as_bytes()).await.expect("readable").findings
    };
    let no = found("rejected").await;
    let severities: Vec<Severity> = no.iter().map(|finding| finding.severity).collect();
    use Severity::{Error, Info, Warning};
    assert_eq!(severities, [Error, Error, Error, Error, Warning, Info]);
    assert_eq!((no[1].file.as_deref(), no[1].line, no[3].line), (Some("a.js"), Some(7), None));
    let remarks = found("passed").await;
    assert_eq!(remarks[0].severity, Warning, "what has no weight does not speak against the word");
    assert_eq!(remarks[2].severity, Error, "what has one does");
}

#[tokio::test]
async fn the_word_is_taken_as_it_is_and_what_is_wrong_is_said_in_plain_words() {
    let cases = [
        (r#"{"outcome": "success"}"#, "`outcome` is \"success\", which is none of `passed`, `failed`"),
        (r#"{"outcome": "Passed"}"#, "is none of"),
        (r#"{"outcome": ["passed"]}"#, "is none of"),
        (r#"{"outcome": "failed", "outcome": "passed"}"#, "duplicate field `outcome`"),
        (r#"{"verdict": "passed"}"#, "it has no `outcome`"),
        (r#"["passed"]"#, "it is not a JSON object"),
        ("All tests pass. ```json\n{\"outcome\": \"passed\"}\n```", "it is not JSON"),
        ("```json\n{\"outcome\": \"passed\"}\n", "it is not JSON"),
    ];
    for (text, told) in cases {
        match Place::new().answering(text.as_bytes()).await {
            Err(Trouble::Unreadable(why)) => {
                let inside = ["untagged", "Raw", "struct"].iter().any(|word| why.contains(word));
                assert!(why.contains(told) && !inside, "{text}: {why}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn control_characters_of_an_answer_are_replaced() {
    let text = r#"{"outcome": "failed", "summary": "quota\u0000 reached\r\n\u001b[2J\tend", "test_path": "a\u0000b",
        "findings": ["one\u0000", {"file": "x\u0007", "message": "two\u009b"}]}"#;
    let answer = Place::new().answering(text.as_bytes()).await.expect("readable");
    assert_eq!(answer.summary, "quota\u{fffd} reached\n\u{fffd}[2J\tend");
    assert_eq!(answer.test_path.as_deref(), Some("a\u{fffd}b"));
    let said: Vec<&str> = answer.findings.iter().map(|finding| finding.message.as_str()).collect();
    assert_eq!(said, ["one\u{fffd}", "two\u{fffd}"]);
    assert_eq!(answer.findings[1].file.as_deref(), Some("x\u{fffd}"));
}

#[test]
fn the_beginning_of_an_id_names_a_commit_if_it_is_long_enough() {
    let commit = Digest::parse("ab12cd34ef56ab12cd34ef56ab12cd34ef56ab12").expect("an id");
    for said in ["ab12cd3", "AB12CD34", commit.as_str()] {
        assert!(means(said, &commit), "{said}");
    }
    for other in ["", "ab12", "ab12cd35", "HEAD", "ab12cd34ef56ab12cd34ef56ab12cd34ef56ab123"] {
        assert!(!means(other, &commit), "{other}");
    }
}

#[tokio::test]
async fn an_agent_may_say_that_nobody_can_work_with_it() {
    let text =
        r#"{"outcome": "unavailable", "summary": "401", "retry_after": "90", "usage": {"cost_usd": 1}}"#;
    let usage = Usage { cost_usd: 1.0, ..Usage::default() };
    let retry_after = Some(Duration::from_secs(90));
    let expected = Trouble::Unavailable { summary: "401".to_owned(), retry_after, usage };
    assert_eq!(Place::new().answering(text.as_bytes()).await, Err(expected));
}

#[tokio::test]
async fn an_answer_that_is_complete_counts_although_the_process_lingers() {
    let script = r#"(sleep 600 & wait) & printf '{"outcome": "passed"}' > $CHIMERA_OUTCOME; sleep 600"#;
    let answer = Place::new().asked(&["sh", "-c", script]).await.expect("it has answered");
    assert_eq!(answer.verdict, Verdict::Passed);
}

#[tokio::test]
async fn half_an_answer_never_counts() {
    let script = r#"printf '{"outcome": "passed", "summ' > $CHIMERA_OUTCOME; sleep 600"#;
    let within = Duration::from_secs(2);
    let half = Place::new().asked_for(&["sh", "-c", script], &assignment(&[]), within).await;
    assert_eq!(half, Err(Trouble::TimedOut));
}

#[tokio::test]
async fn an_answer_that_changes_begins_the_wait_anew() {
    let script = r#"for i in 1 2 3 4 5 6 7 8 9; do
            printf '{"outcome": "passed", "summary": "draft %s"}' $i > $CHIMERA_OUTCOME; sleep 0.1
        done
        printf '{"outcome": "failed", "summary": "in the end"}' > $CHIMERA_OUTCOME; sleep 600"#;
    let answer = Place::new().asked(&["sh", "-c", script]).await.expect("it has answered");
    assert_eq!((answer.verdict, answer.summary.as_str()), (Verdict::Failed, "in the end"));
}
