//! The HTTP interface as readers meet it: lists, the journal, health, the description of itself.

use crate::api::api;
use crate::real::{Daemon, Site};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn wish(number: u32) -> Value {
    let team = if number.is_multiple_of(2) { "even" } else { "odd" };
    json!({"feature": format!("Visitors read wish {number}"), "target_url": "https://example.com", "labels": {"team": team}})
}

fn ids(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().unwrap_or_else(|| panic!("a page: {page}"));
    items.iter().map(|task| task["task_id"].as_str().expect("an id").to_owned()).collect()
}

#[test]
fn a_list_is_filtered_and_paged_without_gaps() {
    let site = Site::new("");
    let daemon = api(&site);
    let submitted: Vec<String> = (0..7).map(|number| daemon.submit(&wish(number))).collect();
    daemon.post(&format!("/api/tasks/{}/cancel", submitted[0]), &json!({}));
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = daemon.get(&format!("/api/tasks?limit=3{cursor}"));
        seen.extend(ids(&page));
        if seen.len() == 3 {
            daemon.submit(&wish(100));
        }
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let newest_first: Vec<String> = submitted.iter().rev().cloned().collect();
    assert_eq!(seen, newest_first, "what came meanwhile does not shift the pages");
    let count = |query: &str| ids(&daemon.get(&format!("/api/tasks?{query}"))).len();
    assert_eq!(count("status=cancelled"), 1);
    assert_eq!(count("status=cancelled,queued"), 8);
    assert_eq!(count("label=team=odd"), 3);
    assert_eq!(count("q=wish%203"), 1);
    assert_eq!(count("project=other"), 0);
    for (query, word) in [
        ("status=runing", "did you mean `running`?"),
        ("limit=0", "from 1 to 200"),
        ("cursor=zzz", "cursor"),
        ("statsu=queued", "did you mean `status`?"),
    ] {
        let answer = daemon.call("GET", &format!("/api/tasks?{query}"), &[], b"");
        assert_eq!(answer.status, 422, "{query}");
        assert!(answer.text.contains(word), "{}", answer.text);
    }
}

#[test]
fn the_journal_is_paged_and_streamed_from_any_place() {
    let site = Site::new("");
    let daemon = api(&site);
    let id = daemon.submit(&wish(1));
    for priority in 1..=4 {
        daemon.call(
            "PATCH",
            &format!("/api/tasks/{id}"),
            &[("content-type", "application/json")],
            json!({"priority": priority}).to_string().as_bytes(),
        );
    }
    daemon.post(&format!("/api/tasks/{id}/cancel"), &json!({}));
    let page = daemon.get(&format!("/api/tasks/{id}/events?limit=4"));
    let next = page["next"].as_i64().expect("there is more");
    let rest = daemon.get(&format!("/api/tasks/{id}/events?after={next}"));
    assert_eq!(
        (page["items"].as_array().map(Vec::len), rest["items"].as_array().map(Vec::len)),
        (Some(4), Some(2))
    );
    assert!(rest["next"].is_null());
    let stream =
        |headers: &[(&str, &str)]| daemon.call("GET", &format!("/api/tasks/{id}/events"), headers, b"");
    let whole = stream(&[("accept", "text/event-stream")]);
    assert_eq!(whole.kind, "text/event-stream");
    assert_eq!(whole.text.matches("\nid:").count() + 1, 6, "{}", whole.text);
    assert!(whole.text.contains("event: end\ndata: {\"status\":\"cancelled\"}"), "{}", whole.text);
    let from = stream(&[("accept", "text/event-stream"), ("last-event-id", &next.to_string())]);
    assert_eq!(from.text.matches("data: {\"at\"").count(), 2, "{}", from.text);
}

#[test]
fn a_stream_tells_what_another_process_does() {
    let site = Site::new("");
    let (reader, writer) = (api(&site), api(&site));
    let id = reader.submit(&wish(1));
    let cancelled = std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            reader.follow(&id, |event| {
                if event["event"] == "accepted" {
                    writer.post(&format!("/api/tasks/{id}/cancel"), &json!({}));
                }
                event["event"] == "cancelled"
            })
        });
        reading.join().expect("it reads")
    });
    assert!(cancelled);
}

#[test]
fn health_counts_and_readiness_answers() {
    let site = Site::new("");
    let daemon = api(&site);
    daemon.submit(&wish(1));
    let health = daemon.get("/health");
    let keys: BTreeSet<&str> = health.as_object().expect("an object").keys().map(String::as_str).collect();
    let documented = ["status", "uptime", "tasks_queued", "tasks_running", "tasks_completed", "tasks_failed"];
    assert_eq!(keys, BTreeSet::from(documented));
    assert_eq!((&health["status"], &health["tasks_queued"]), (&json!("no_engine"), &json!(1)));
    assert_eq!(daemon.call("GET", "/livez", &[], b"").status, 200);
    assert_eq!(daemon.get("/readyz")["status"], "ready");
}

#[test]
fn the_interface_describes_itself_without_the_internet() {
    let site = Site::new("");
    let daemon = api(&site);
    let described = daemon.get("/openapi.json");
    let paths = described["paths"].as_object().expect("paths");
    for path in ["/api/tasks", "/api/tasks/{task_id}", "/api/tasks/{task_id}/retry", "/health"] {
        assert!(paths.contains_key(path), "{path} is missing");
    }
    let page = daemon.call("GET", "/docs/", &[], b"");
    assert_eq!(page.status, 200);
    let linked = linked(&page.text);
    assert!(linked.len() >= 3, "{linked:?}");
    for link in linked {
        assert!(!link.contains("//"), "{link} leads elsewhere");
        let path =
            if link.starts_with('/') { link } else { format!("/docs/{}", link.trim_start_matches("./")) };
        assert_eq!(daemon.call("GET", &path, &[], b"").status, 200, "{path}");
    }
}

/// What a page loads.
fn linked(page: &str) -> Vec<String> {
    let after = |mark: &'static str| page.split(mark).skip(1).filter_map(|rest| rest.split('"').next());
    after("src=\"").chain(after("href=\"")).map(str::to_owned).collect()
}

/// Bytes of a log, as `logs --follow` reads them.
#[test]
fn a_log_is_read_from_any_place() {
    let site = Site::new("");
    let daemon: Daemon = api(&site);
    let id = daemon.submit(&wish(1));
    let logs = site.path().join("chimera-data/logs").join(&id);
    std::fs::create_dir_all(&logs).expect("a directory");
    std::fs::write(logs.join("001-E2E_TEST_GENERATION-red.log"), "one\ntwo\nthree\n").expect("written");
    let list = daemon.get(&format!("/api/tasks/{id}/logs"));
    assert_eq!(list["items"][0]["phase"], "E2E_TEST_GENERATION");
    let read = |query: &str| {
        daemon
            .call("GET", &format!("/api/tasks/{id}/logs/001-E2E_TEST_GENERATION-red.log?{query}"), &[], b"")
            .text
    };
    assert_eq!(read("tail=2"), "two\nthree\n");
    assert_eq!(read("from=4"), "two\nthree\n");
    assert_eq!(read("from=400"), "");
    assert_eq!(read(""), "one\ntwo\nthree\n");
}
