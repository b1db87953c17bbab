//! What holds tasks back, as people see and change it.

use crate::api::api;
use crate::real::{Daemon, Site};
use serde_json::{Value, json};

fn waits(daemon: &Daemon, id: &str) -> (String, String) {
    let task = daemon.get(&format!("/api/tasks/{id}"));
    let listed = daemon.get("/api/tasks");
    assert_eq!(
        listed["items"][0]["waiting_for"]["kind"], task["waiting_for"]["kind"],
        "the list says the same"
    );
    let text = |name: &str| task["waiting_for"][name].as_str().unwrap_or_default().to_owned();
    (text("kind"), text("detail"))
}

fn pause(daemon: &Daemon, body: &Value) -> crate::real::Answer {
    let json = [("content-type", "application/json")];
    daemon.call("POST", "/api/pauses", &json, body.to_string().as_bytes())
}

#[test]
fn a_pause_shows_in_the_tasks_that_it_holds_back_until_it_ends() {
    let site = Site::new("");
    let daemon = api(&site);
    let id = daemon.submit(&json!({"feature": "Visitors read this", "target_url": "https://example.com"}));
    assert_eq!(waits(&daemon, &id).0, "no_daemon");
    assert_eq!(pause(&daemon, &json!({"role": "e2e-tester-agent", "reason": "new browsers"})).status, 200);
    let (kind, detail) = waits(&daemon, &id);
    assert_eq!(kind, "paused");
    assert!(
        detail.contains("the role e2e-tester-agent has been paused since") && detail.contains("new browsers"),
        "{detail}"
    );
    let pauses = daemon.get("/api/pauses");
    assert_eq!(pauses["items"][0]["id"], "role:e2e-tester-agent");
    let end = |id: &str| daemon.call("DELETE", &format!("/api/pauses/{id}"), &[], b"").status;
    assert_eq!(
        (end("role:e2e-tester-agent"), end("role:e2e-tester-agent"), end("nonsense")),
        (204, 404, 404)
    );
    assert_eq!(pause(&daemon, &json!({"project": "scratch-example.com"})).status, 200);
    assert_eq!(waits(&daemon, &id).0, "paused");
    assert_eq!(end("project:scratch-example.com"), 204);
    assert_eq!(waits(&daemon, &id).0, "no_daemon");
}

#[test]
fn what_there_is_not_cannot_be_paused() {
    let site = Site::new("");
    let daemon = api(&site);
    for (body, word) in [
        (json!({"role": "coder"}), "did you mean `coder-agent`?"),
        (json!({"agent": "bultin"}), "did you mean `builtin`?"),
        (json!({"project": "shop", "role": "coder-agent"}), "one after the other"),
        (json!({"projects": "shop"}), "did you mean `project`?"),
        (json!({"reason": 7}), "reason"),
    ] {
        let answer = pause(&daemon, &body);
        assert_eq!(answer.status, 422, "{body}");
        assert!(answer.text.contains(word), "{}", answer.text);
    }
}

#[test]
fn pausing_on_the_command_line_holds_for_the_daemon() {
    let site = Site::new("");
    let daemon = api(&site);
    let run = |args: &[&str]| {
        let mut command = site.command();
        let done = command.args(["--server", &daemon.url]).args(args).output().expect("it runs");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).into_owned()
    };
    assert!(run(&["pause", "--agent", "builtin", "--reason", "a look"]).contains("agent:builtin is paused"));
    assert!(run(&["gates"]).contains("a look"));
    assert!(run(&["resume", "--agent", "builtin"]).contains("goes on"));
    let all: Value = serde_json::from_str(&run(&["gates", "--json"])).expect("JSON");
    assert_eq!(all, json!({"pauses": [], "breakers": [], "daemons": []}));
}
