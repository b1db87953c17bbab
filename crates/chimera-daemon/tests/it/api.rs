//! The HTTP interface as scripts meet it: accepting, refusing, steering.

use crate::real::{Answer, Daemon, Site};
use serde_json::{Value, json};

const JSON: (&str, &str) = ("content-type", "application/json");

/// An interface without an engine: what is submitted stays queued.
pub(crate) fn api(site: &Site) -> Daemon {
    site.start_with(&["api", "--port", "0"])
}

fn wish() -> Value {
    json!({"feature": "User can view homepage", "target_url": "https://example.com"})
}

fn with(field: &str, value: Value) -> Value {
    let mut wish = wish();
    wish[field] = value;
    wish
}

/// Asserts a problem document of this status whose detail holds all these words.
pub(crate) fn problem(answer: &Answer, status: u16, words: &[&str]) {
    assert_eq!(
        (answer.status, answer.kind.as_str()),
        (status, "application/problem+json"),
        "{}",
        answer.text
    );
    let document = answer.json();
    assert_eq!(document["status"], status);
    let detail = document["detail"].as_str().expect("a detail");
    assert!(words.iter().all(|word| detail.contains(word)), "{words:?} in {detail}");
}

#[test]
fn a_plain_request_is_answered_as_documented() {
    let site = Site::new("");
    let daemon = api(&site);
    let (status, answer) = daemon.post("/api/tasks", &wish());
    assert_eq!((status, &answer["status"]), (200, &json!("queued")));
    let id = answer["task_id"].as_str().expect("an id");
    assert!(id.starts_with("chimera-") && id.len() >= 20, "{id}");
    assert!(answer["created_at"].as_str().expect("a time").ends_with('Z'));
    let task = daemon.get(&format!("/api/tasks/{id}"));
    assert_eq!(task["phase"], "E2E_TEST_GENERATION");
    assert_eq!(task["progress"], "1/7 phases complete");
    assert_eq!(task["priority"], 5);
    assert_eq!(task["project"], "scratch-example.com");
    assert_eq!(task["waiting_for"]["kind"], "no_daemon");
}

#[test]
fn every_wrong_field_is_named_with_what_to_do() {
    let site = Site::new("");
    let daemon = api(&site);
    let long = "x".repeat(17_000);
    let cases: [(Value, &[&str]); 27] = [
        (with("feature", json!("")), &["feature", "must not be empty"]),
        (with("feature", json!("  \n ")), &["feature", "must not be empty"]),
        (with("feature", json!(long)), &["feature", "17000 bytes"]),
        (with("feature", json!("bell \u{7}")), &["feature", "control character"]),
        (with("feature", json!(7)), &["feature", "must be"]),
        (json!({"target_url": "https://example.com"}), &["feature", "is required"]),
        (json!({"feature": "x"}), &["target_url", "is required"]),
        (with("target_url", json!("example dot com")), &["target_url"]),
        (with("target_url", json!("file:///etc/passwd")), &["target_url", "http"]),
        (with("target_url", json!("javascript:alert(1)")), &["target_url", "http"]),
        (with("target_url", json!("https://user:secret@example.com")), &["target_url", "credentials"]),
        (with("staging_url", json!("ftp://example.com")), &["staging_url", "http"]),
        (with("priority", json!(0)), &["priority", "1", "10", "not 0"]),
        (with("priority", json!(11)), &["priority", "not 11"]),
        (with("priority", json!("high")), &["priority", "not"]),
        (with("priority", json!(5.5)), &["priority", "whole number"]),
        (with("prioritty", json!(5)), &["prioritty", "did you mean `priority`?"]),
        (with("project", json!("shop")), &["project", "shop"]),
        (with("deadline", json!("tomorrow")), &["deadline", "RFC 3339"]),
        (with("deadline", json!("2001-01-01T00:00:00Z")), &["deadline", "in the past"]),
        (with("expires_at", json!("2001-01-01T00:00:00Z")), &["expires_at", "in the past"]),
        (with("after", json!("chimera-0123456789ab")), &["after", "list of task ids"]),
        (with("after", json!(["chimera-1"])), &["after[0]", "not a valid task id"]),
        (with("after", json!(["#0"])), &["after[0]", "not"]),
        (with("after", json!(["chimera-0123456789ab"])), &["after[0]", "no task chimera-0123456789ab"]),
        (with("after", json!(vec!["chimera-0123456789ab"; 2])), &["after[1]", "already"]),
        (with("acceptance", json!(["see headng \"Books\""])), &["acceptance", "headng", "see heading"]),
    ];
    for (body, words) in cases {
        let answer = daemon.call("POST", "/api/tasks", &[JSON], body.to_string().as_bytes());
        problem(&answer, 422, words);
    }
    let both = json!({"feature": "", "target_url": "file:///x", "priority": 99});
    let answer = daemon.call("POST", "/api/tasks", &[JSON], both.to_string().as_bytes()).json();
    let fields: Vec<_> =
        answer["errors"].as_array().expect("a list").iter().map(|error| &error["field"]).collect();
    assert_eq!(fields, ["feature", "target_url", "priority"], "all are told at once");
    assert!(!answer.to_string().contains("secret"));
    assert_eq!(daemon.get("/health")["tasks_queued"], 0, "nothing of it was queued");
}

#[test]
fn bodies_that_cannot_be_read_are_refused() {
    let site = Site::new("");
    let daemon = api(&site);
    let post = |headers: &[(&str, &str)], body: &[u8]| daemon.call("POST", "/api/tasks", headers, body);
    problem(&post(&[JSON], b"{\"feature\": "), 400, &["line 1", "column"]);
    problem(&post(&[JSON], b""), 400, &["JSON"]);
    problem(&post(&[JSON], b"[1]"), 422, &["body", "object"]);
    problem(&post(&[JSON], &[0xff, 0xfe]), 400, &["JSON"]);
    problem(&post(&[("content-type", "text/plain")], b"{}"), 415, &["application/json", "text/plain"]);
    let huge = json!({"feature": "x".repeat(1 << 20), "target_url": "https://example.com"}).to_string();
    problem(&post(&[JSON], huge.as_bytes()), 413, &["524288"]);
    assert_eq!(daemon.get("/health")["tasks_queued"], 0);
}

#[test]
fn an_idempotency_key_makes_a_repetition_harmless() {
    let site = Site::new("");
    let daemon = api(&site);
    let post = |body: &Value, key: &str| {
        daemon.call("POST", "/api/tasks", &[JSON, ("idempotency-key", key)], body.to_string().as_bytes())
    };
    let first = post(&wish(), "nightly-1");
    let again = post(&wish(), "nightly-1");
    assert_eq!((first.status, again.status), (200, 200));
    assert_eq!(first.json()["task_id"], again.json()["task_id"]);
    let daemon_two = api(&site);
    let from_another = daemon_two.call(
        "POST",
        "/api/tasks",
        &[JSON, ("idempotency-key", "nightly-1")],
        wish().to_string().as_bytes(),
    );
    assert_eq!(from_another.json()["task_id"], first.json()["task_id"]);
    problem(&post(&with("priority", json!(9)), "nightly-1"), 409, &["another request", "new key"]);
    assert_ne!(post(&wish(), "nightly-2").json()["task_id"], first.json()["task_id"]);
    problem(&post(&wish(), &"k".repeat(300)), 422, &["Idempotency-Key", "255"]);
    assert_eq!(daemon.get("/health")["tasks_queued"], 2);
}

#[test]
fn what_is_not_there_is_told() {
    let site = Site::new("");
    let daemon = api(&site);
    let id = daemon.submit(&wish());
    for path in
        ["/api/tasks/chimera-000000000000", "/api/tasks/nonsense", "/api/tasks/chimera-000000000000/events"]
    {
        problem(&daemon.call("GET", path, &[], b""), 404, &["task"]);
    }
    problem(&daemon.call("GET", &format!("/api/tasks/{id}/evidence/{}", "0".repeat(64)), &[], b""), 404, &[]);
    problem(
        &daemon.call("GET", &format!("/api/tasks/{id}/logs/..%2f..%2ftasks.db"), &[], b""),
        404,
        &["no log"],
    );
    problem(&daemon.call("GET", "/api/task", &[], b""), 404, &["/docs"]);
    problem(&daemon.call("DELETE", &format!("/api/tasks/{id}"), &[], b""), 405, &["DELETE"]);
}

#[test]
fn a_waiting_task_can_be_cancelled_retried_and_reprioritised() {
    let site = Site::new("");
    let daemon = api(&site);
    let id = daemon.submit(&wish());
    let path = |what: &str| format!("/api/tasks/{id}{what}");
    let patch = |body: Value| daemon.call("PATCH", &path(""), &[JSON], body.to_string().as_bytes());
    assert_eq!(patch(json!({"priority": 9})).json()["priority"], 9);
    problem(&patch(json!({"priority": 12})), 422, &["priority"]);
    problem(&patch(json!({"feature": "other"})), 422, &["feature"]);
    problem(&daemon.call("POST", &path("/retry"), &[], b""), 409, &["queued"]);
    let cancelled = daemon.call("POST", &path("/cancel"), &[], b"");
    assert_eq!((cancelled.status, &cancelled.json()["status"]), (200, &json!("cancelled")));
    problem(&daemon.call("POST", &path("/cancel"), &[], b""), 409, &["cancelled"]);
    problem(&patch(json!({"priority": 1})), 409, &["cancelled"]);
    let retry = |body: &[u8]| daemon.call("POST", &path("/retry"), &[JSON], body);
    problem(&retry(br#"{"from": "COMPLETE"}"#), 422, &["from", "E2E_TEST_GENERATION"]);
    problem(&retry(br#"{"from": "E2E_VALIDATION"}"#), 409, &["from that phase", "E2E_TEST_GENERATION"]);
    assert_eq!(retry(b"").json()["status"], "queued");
    let told: Vec<Value> = daemon.events(&id).into_iter().map(|event| event["event"].clone()).collect();
    assert_eq!(told, ["accepted", "priority_changed", "cancelled", "requeued"]);
}

#[test]
fn other_hosts_and_other_sites_are_refused() {
    let site = Site::new("[api]\nallowed_hosts = [\"chimera.example\"]\n");
    let daemon = api(&site);
    let host = |name: &str| daemon.call("GET", "/health", &[("host", name)], b"");
    assert_eq!(host("localhost:1").status, 200);
    assert_eq!(host("chimera.example").status, 200);
    problem(&host("evil.example"), 421, &["allowed_hosts"]);
    let body = wish().to_string();
    let from = |origin: &str| daemon.call("POST", "/api/tasks", &[JSON, ("origin", origin)], body.as_bytes());
    problem(&from("https://evil.example"), 403, &["origin"]);
    problem(&from("null"), 403, &["origin"]);
    assert_eq!(from(&daemon.url).status, 200, "its own pages may");
}
