//! Times, dependencies and batches over HTTP and from the command line.

use crate::api::{api, problem};
use crate::real::{Daemon, Site};
use serde_json::{Value, json};

const JSON: (&str, &str) = ("content-type", "application/json");

fn wish(more: Value) -> Value {
    let mut wish = json!({"feature": "User can view homepage", "target_url": "https://example.com"});
    let Value::Object(more) = more else { panic!("an object") };
    wish.as_object_mut().expect("an object").extend(more);
    wish
}

fn refused(daemon: &Daemon, wish: &Value, words: &[&str]) {
    problem(&daemon.call("POST", "/api/tasks", &[JSON], wish.to_string().as_bytes()), 422, words);
}

#[test]
fn times_that_no_task_can_meet_are_refused_and_others_are_shown() {
    let site = Site::new("");
    let daemon = api(&site);
    let [morning, noon, night] = ["2090-01-01T06:00:00Z", "2090-01-01T12:00:00Z", "2090-01-01T22:00:00Z"];
    let swapped = wish(json!({"not_before": noon, "deadline": morning}));
    refused(&daemon, &swapped, &["deadline", "later than `not_before`"]);
    let swapped = wish(json!({"not_before": noon, "expires_at": noon}));
    refused(&daemon, &swapped, &["expires_at", "later than `not_before`"]);
    let swapped = wish(json!({"expires_at": night, "deadline": noon}));
    refused(&daemon, &swapped, &["expires_at", "not be later than `deadline`"]);
    let good = wish(json!({"not_before": morning, "expires_at": noon, "deadline": night}));
    let task = daemon.get(&format!("/api/tasks/{}", daemon.submit(&good)));
    assert_eq!(task["expires_at"], "2090-01-01T12:00:00.000Z");
    assert_eq!(task["deadline"], "2090-01-01T22:00:00.000Z");
    assert_eq!(task["waiting_for"]["kind"], "not_before");
}

#[test]
fn a_task_says_which_ones_it_waits_for() {
    let site = Site::new("");
    let daemon = api(&site);
    let first = daemon.submit(&wish(json!({})));
    let second = daemon.submit(&wish(json!({"after": [first]})));
    let waiting = || daemon.get(&format!("/api/tasks/{second}"))["waiting_for"].clone();
    assert_eq!(waiting()["kind"], "after");
    assert_eq!(waiting()["detail"], format!("waits for {first} (queued)"));
    assert!(waiting().get("until").is_none());
    daemon.post(&format!("/api/tasks/{first}/cancel"), &json!({}));
    let detail = waiting()["detail"].as_str().expect("a text").to_owned();
    assert!(
        detail.contains(&format!("{first} (cancelled)")) && detail.contains("retry that one"),
        "{detail}"
    );
    assert_eq!(daemon.get("/api/tasks?status=queued")["items"][0]["waiting_for"], waiting());
}

#[test]
fn a_batch_is_accepted_all_or_none() {
    let site = Site::new("");
    let daemon = api(&site);
    let send = |key: &str, tasks: &Value| {
        let headers = [JSON, ("idempotency-key", key)];
        daemon.call("POST", "/api/tasks/batch", &headers, json!({"tasks": tasks}).to_string().as_bytes())
    };
    let wrong = json!([
        wish(json!({"priority": 11})),
        wish(json!({"after": ["#0", "#1"]})),
        7,
        wish(json!({"colour": "red"})),
    ]);
    let answer = send("k", &wrong);
    problem(&answer, 422, &["tasks[0].priority", "tasks[1].after[1]", "tasks[2] must be", "tasks[3].colour"]);
    let unknown = json!([wish(json!({})), wish(json!({"after": ["#0", "chimera-0123456789ab"]}))]);
    problem(&send("k", &unknown), 422, &["tasks[1].after[1]", "chimera-0123456789ab"]);
    problem(&send("k", &json!([])), 422, &["tasks", "1 to 500"]);
    problem(&send("k", &json!(vec![wish(json!({})); 501])), 422, &["tasks", "501"]);
    problem(&send("k", &json!({})), 422, &["tasks", "list"]);
    assert_eq!(daemon.get("/health")["tasks_queued"], 0, "nothing of it was queued");

    let good = json!([wish(json!({})), wish(json!({"after": ["#0"]})), wish(json!({"after": ["#0", "#1"]}))]);
    let first = send("k", &good).json();
    let ids: Vec<&str> = first["tasks"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|task| task["task_id"].as_str())
        .collect();
    let last = daemon.get(&format!("/api/tasks/{}", ids[2]));
    assert_eq!(last["after"], json!([ids[0], ids[1]]));
    assert_eq!(send("k", &good).json(), first, "the same key gives the same tasks");
    problem(&send("k", &json!([wish(json!({}))])), 409, &["new key"]);
    assert_eq!(daemon.get("/health")["tasks_queued"], 3);
}

#[test]
fn requests_of_a_file_are_submitted_together() {
    let site = Site::new("");
    let daemon = api(&site);
    let lines = format!("{}\n{}\n", wish(json!({})), wish(json!({"after": ["#0"]})));
    let list = json!([wish(json!({"priority": 3}))]).to_string();
    let object = json!({"tasks": [wish(json!({"priority": 4}))]}).to_string();
    for (name, text, tasks) in [("a.jsonl", lines, 2), ("b.json", list, 1), ("c.json", object, 1)] {
        std::fs::write(site.path().join(name), text).expect("written");
        let mut command = site.command();
        command.env("CHIMERA_SERVER", &daemon.url).args(["submit", "--json", "--file", name]);
        let output = command.output().expect("it runs");
        let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(told["tasks"].as_array().map(Vec::len), Some(tasks), "{name}: {told}");
    }
    let first = daemon.submit(&wish(json!({})));
    let args = ["submit", "x", "--target-url", "https://example.com", "--after", &first, "--json"];
    let times = ["--deadline", "2090-01-01T12:00:00Z", "--expires-at", "2090-01-01T06:00:00Z"];
    let mut command = site.command();
    let output = command.env("CHIMERA_SERVER", &daemon.url).args(args).args(times).output().expect("it runs");
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let task = daemon.get(&format!("/api/tasks/{}", told["task_id"].as_str().expect("an id")));
    assert_eq!((&task["after"], &task["deadline"]), (&json!([first]), &json!("2090-01-01T12:00:00.000Z")));
}
