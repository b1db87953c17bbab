//! HTTP as machines speak it: probes, scripts, browsers' event sources.

use crate::api::{api, problem};
use crate::real::{Daemon, Site};
use serde_json::{Value, json};
use std::io::{Read, Write};

const JSON: (&str, &str) = ("content-type", "application/json");

/// The first line of what a daemon answers to these bytes.
fn raw(daemon: &Daemon, request: &str) -> String {
    let mut connection = daemon.connect();
    connection.write_all(request.as_bytes()).expect("sent");
    let mut bytes = [0; 64];
    let read = connection.read(&mut bytes).expect("an answer");
    String::from_utf8_lossy(&bytes[..read]).lines().next().unwrap_or_default().to_owned()
}

#[test]
fn probes_are_answered_under_any_host_and_nothing_else_is() {
    let site = Site::new("");
    let daemon = api(&site);
    for path in ["/livez", "/readyz"] {
        for request in ["HTTP/1.0\r\n\r\n", "HTTP/1.1\r\nHost: 10.1.2.3:8000\r\nConnection: close\r\n\r\n"] {
            let line = raw(&daemon, &format!("GET {path} {request}"));
            assert!(line.contains(" 200 "), "{path} {request}: {line}");
        }
    }
    for path in ["/health", "/api/tasks", "/livez/x"] {
        let line =
            raw(&daemon, &format!("GET {path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"));
        assert!(line.contains(" 421 "), "{path}: {line}");
    }
}

#[test]
fn a_doubled_key_is_refused_and_the_year_9999_is_not() {
    let site = Site::new("");
    let daemon = api(&site);
    let doubled: [(&str, &[u8]); 3] = [
        ("/api/tasks", br#"{"feature":"a","feature":"b","target_url":"https://a.example"}"#),
        ("/api/tasks/batch", br#"{"tasks":[{"feature":"a","target_url":"https://a.example","labels":{"feature":"1","feature":"2"}}]}"#),
        ("/api/pauses", br#"{"reason":"x","feature":1,"feature":1}"#),
    ];
    for (path, body) in doubled {
        problem(&daemon.call("POST", path, &[JSON], body), 400, &["`feature` is given twice"]);
    }
    let late =
        json!({"feature": "a", "target_url": "https://a.example", "not_before": "9999-12-31T23:59:59Z"});
    let id = daemon.submit(&late);
    assert_eq!(daemon.get(&format!("/api/tasks/{id}"))["not_before"], "9999-12-31T23:59:59.000Z");
}

#[test]
fn curl_need_not_name_a_type_but_a_web_page_must() {
    let site = Site::new("");
    let daemon = api(&site);
    let body = br#"{"feature": "User login", "target_url": "https://app.example"}"#;
    let form = ("content-type", "application/x-www-form-urlencoded");
    assert_eq!(daemon.call("POST", "/api/tasks", &[form], body).status, 200);
    assert_eq!(daemon.call("POST", "/api/tasks", &[], body).status, 200);
    let own = daemon.url.clone();
    problem(&daemon.call("POST", "/api/tasks", &[form, ("origin", &own)], body), 415, &["application/json"]);
    problem(&daemon.call("POST", "/api/tasks", &[form, ("origin", "https://evil.example")], body), 403, &[]);
    problem(&daemon.call("POST", "/api/tasks", &[form, ("sec-fetch-site", "cross-site")], body), 415, &[]);
}

#[test]
fn a_path_that_is_no_text_is_answered_with_a_problem_document() {
    let site = Site::new("");
    let daemon = api(&site);
    let id = daemon.submit(&json!({"feature": "a", "target_url": "https://a.example"}));
    let paths = [
        ("DELETE", "/api/pauses/%FF".to_owned()),
        ("DELETE", "/api/breakers/%FF".to_owned()),
        ("GET", format!("/api/tasks/{id}/evidence/%FF")),
        ("GET", format!("/api/tasks/{id}/logs/%FF")),
        ("GET", "/api/tasks/%FF".to_owned()),
    ];
    for (method, path) in paths {
        problem(&daemon.call(method, &path, &[], b""), 404, &[]);
    }
}

#[test]
fn an_event_source_is_told_when_nothing_will_come_any_more() {
    let site = Site::new("");
    let daemon = api(&site);
    let id = daemon.submit(&json!({"feature": "a", "target_url": "https://a.example"}));
    assert_eq!(daemon.call("POST", &format!("/api/tasks/{id}/cancel"), &[], b"").status / 100, 2);
    let path = format!("/api/tasks/{id}/events");
    let stream = ("accept", "text/event-stream");
    let all = daemon.call("GET", &path, &[stream, ("last-event-id", "0")], b"");
    assert!(all.text.contains("event: end") || all.text.contains("event:end"), "{}", all.text);
    let last = daemon.events(&id).last().expect("an entry")["id"].to_string();
    assert_eq!(daemon.call("GET", &path, &[stream, ("last-event-id", &last)], b"").status, 204);
    for unreadable in ["x", "-1", "1.5", ""] {
        let answer = daemon.call("GET", &path, &[stream, ("last-event-id", unreadable)], b"");
        problem(&answer, 400, &["last-event-id"]);
    }
    let page = daemon.call("GET", &path, &[("accept", "text/event-stream;q=0, application/json")], b"");
    assert!(page.json()["items"].is_array(), "{}", page.text);
}

#[test]
fn health_says_that_nobody_takes_tasks() {
    let site = Site::new("");
    let daemon = api(&site);
    assert_eq!(daemon.get("/health")["status"], Value::from("no_engine"));
    let engine = site.start();
    assert_eq!(engine.get("/health")["status"], "healthy");
}
