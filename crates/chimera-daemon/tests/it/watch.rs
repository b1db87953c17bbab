//! `watch` says why a task does not run, and when that changes.

use crate::api::api;
use crate::real::Site;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::Stdio;

#[test]
fn a_watch_says_what_the_task_waits_for_as_it_changes() {
    let site = Site::new("");
    let daemon = api(&site);
    let id = daemon.submit(&json!({"feature": "Visitors read this", "target_url": "https://example.com"}));
    let mut watch = site.command();
    watch.args(["watch", &id, "--server", &daemon.url]).stdout(Stdio::piped());
    let mut watch = watch.spawn().expect("it runs");
    let mut lines = BufReader::new(watch.stdout.take().expect("its output")).lines().map_while(Result::ok);
    let mut until = |text: &str| {
        let found = lines.by_ref().find(|line| line.contains(text));
        assert!(found.is_some(), "it ended without `{text}`");
    };
    until("waits: no daemon is running that takes tasks");
    let json = [("content-type", "application/json")];
    let pause = |body: &Value| daemon.call("POST", "/api/pauses", &json, body.to_string().as_bytes()).status;
    assert_eq!(pause(&json!({"reason": "holidays"})), 200);
    until("waits: the queue has been paused since");
    assert_eq!(daemon.call("DELETE", "/api/pauses/queue", &[], b"").status, 204);
    until("waits: no daemon is running that takes tasks");
    assert_eq!(daemon.call("POST", &format!("/api/tasks/{id}/cancel"), &json, b"").status, 200);
    until("cancelled");
    assert_eq!(watch.wait().expect("it ends").code(), Some(3));
}

#[test]
fn a_watch_in_json_says_it_too() {
    let site = Site::new("");
    let daemon = api(&site);
    let id = daemon.submit(&json!({"feature": "Visitors read this", "target_url": "https://example.com"}));
    let mut watch = site.command();
    watch.args(["watch", &id, "--json", "--server", &daemon.url]).stdout(Stdio::piped());
    let mut watch = watch.spawn().expect("it runs");
    let lines = BufReader::new(watch.stdout.take().expect("its output")).lines().map_while(Result::ok);
    let mut said = lines.map(|line| serde_json::from_str::<Value>(&line).expect("JSON"));
    let waits = said.find(|line| line["event"] == "waiting").expect("it waits");
    assert_eq!((&waits["waiting_for"]["kind"], &waits["task_id"]), (&json!("no_daemon"), &json!(id)));
    watch.kill().expect("killed");
    watch.wait().expect("reaped");
}
