//! The log of the daemon.

use crate::api::api;
use crate::real::Site;
use serde_json::{Value, json};

/// The lines of a log in JSON whose message is this.
fn lines(site: &Site, message: &str) -> Vec<Value> {
    let log = site.log();
    let parsed = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    parsed.filter(|line| line["fields"]["message"] == message).collect()
}

#[test]
fn start_claims_ends_and_stop_are_logged_with_their_reasons() {
    let site = Site::new(
        "[executor]\nmax_retries = 1\nretry_base = \"10ms\"\n[[project]]\nname = \"hollow\"\nrepo = \"hollow\"\n",
    );
    std::fs::create_dir(site.path().join("hollow")).expect("a directory");
    let variables = [("CHIMERA_LOG_FORMAT", "json"), ("CHIMERA_LOG", "info")];
    let daemon = site.start_as(&["start-all", "--port", "0"], &variables);
    let id = daemon.submit(
        &json!({"feature": "Visitors read this", "target_url": "http://127.0.0.1:1/", "project": "hollow"}),
    );
    assert_eq!(daemon.ended(&id)["status"], "failed");
    let address = daemon.url.trim_start_matches("http://").to_owned();
    assert_eq!(daemon.terminate(), Some(0));
    let only = |message: &str| {
        let found = lines(&site, message);
        found.first().unwrap_or_else(|| panic!("no `{message}`:\n{}", site.log()))["fields"].clone()
    };
    let starting = only("starting");
    assert_eq!((&starting["version"], &starting["workers"]), (&json!(env!("CARGO_PKG_VERSION")), &json!(5)));
    assert!(starting["database"].as_str().is_some_and(|path| path.ends_with("tasks.db")), "{starting}");
    assert_eq!(only("listening")["address"], json!(address));
    let claimed = only("claimed");
    assert_eq!(
        (&claimed["task"], &claimed["project"], &claimed["epoch"]),
        (&json!(id), &json!("hollow"), &json!(1))
    );
    let ended = only("ended");
    assert_eq!((&ended["outcome"], &ended["reason"]), (&json!("failed"), &json!("config")));
    assert!(ended["error"].as_str().is_some_and(|error| error.contains("hollow")), "{ended}");
    assert!(ended["took_ms"].is_u64(), "{ended}");
    only("told to stop");
    only("shutting down: no new phase begins");
    only("stopped");
}

#[test]
fn a_request_is_logged_with_its_number_and_a_full_daemon_is_no_error() {
    let site = Site::new("");
    let variables =
        [("CHIMERA_LOG_FORMAT", "json"), ("CHIMERA_LOG", ""), ("RUST_LOG", "chimera_daemon=debug")];
    let daemon = site.start_as(&["api", "--port", "0"], &variables);
    assert_eq!(daemon.call("GET", "/api/tasks/nonsense", &[], b"").status, 404);
    site.until_logged("/api/tasks/nonsense");
    let request =
        lines(&site, "request").into_iter().find(|line| line["fields"]["path"] == "/api/tasks/nonsense");
    let request = request.expect("the request");
    assert_eq!((&request["level"], &request["fields"]["status"]), (&json!("DEBUG"), &json!(404)));
    assert!(request["fields"]["id"].is_u64() && request["fields"]["took_ms"].is_f64(), "{request}");
}

#[test]
fn a_wrong_filter_is_a_wrong_command_line_said_once() {
    let site = Site::new("");
    for (name, value) in
        [("CHIMERA_LOG", "chimera=loud=yes"), ("CHIMERA_LOG", "inof"), ("CHIMERA_LOG_FORMAT", "xml")]
    {
        let output = site.command().env(name, value).args(["api", "--port", "0"]).output().expect("it runs");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(name) && told.matches(value).count() == 1, "{told}");
    }
    let output = site.command().args(["list", "--config", "nope.toml"]).output().expect("it runs");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(told.matches("No such file").count(), 1, "{told}");
    drop(api(&site));
}
