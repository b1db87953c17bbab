//! Dead letters and pruning over HTTP and from the command line.

use crate::api::{api, problem};
use crate::real::{Daemon, Site};
use chimera_core::{
    Event, Gates, Outcome, Policy, Reason, Request, Setback, State, TaskId, Tick, UnixMillis, Usage, step,
};
use chimera_store::queue::{self, Claim};
use chimera_store::settle::{Settlement, settle};
use chimera_store::submit::{NewTask, submit};
use chimera_store::{Database, Options, Store};
use serde_json::{Value, json};
use std::time::Duration;

const JSON: (&str, &str) = ("content-type", "application/json");

fn now() -> UnixMillis {
    chimera_daemon::seams::Clock::system().now()
}

fn id(number: u64) -> TaskId {
    TaskId::from_bits(number)
}

/// Puts tasks into the database of the site that failed `age` ago.
fn failed(site: &Site, numbers: std::ops::RangeInclusive<u64>, reason: Reason, age: Duration) {
    let database = Database::Sqlite(site.path().join("chimera-data/tasks.db"));
    std::fs::create_dir_all(site.path().join("chimera-data")).expect("a directory");
    let at = UnixMillis(now().0 - i64::try_from(age.as_millis()).expect("no age of the universe"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let store = Store::open(&database, &Options::default()).expect("a database");
        store
            .write(move |tx| numbers.into_iter().try_for_each(|number| fail(tx, number, reason, at)))
            .await
            .expect("failed");
        store.close().await;
    });
}

fn fail(
    tx: &mut chimera_store::Tx<'_>,
    number: u64,
    reason: Reason,
    at: UnixMillis,
) -> Result<(), chimera_store::StoreError> {
    let request = Request::new(format!("Wish {number}"), "https://example.com");
    let new = NewTask { id: id(number), request, project: "shop".to_owned(), now: at, idempotency: None };
    submit(tx, &new)?;
    let task =
        queue::claim(tx, &Claim { owner: "x", now: at, limit: 1, gates: &Gates::default() })?.remove(0);
    let state = State { status: task.status, workflow: task.workflow.clone() };
    let outcome = Outcome::Failed(Setback::new(reason, "no"));
    let event = Event::Settled { outcome, usage: Usage::default() };
    let end = step(&state, event, Tick { now: at, jitter: 0.0 }, &Policy::default()).expect("it settles");
    settle(tx, &Settlement::new(&task, 1, end, at)).map(drop)
}

fn treat(daemon: &Daemon, what: &str, body: &Value) -> crate::real::Answer {
    daemon.call("POST", &format!("/api/dead-letters/{what}"), &[JSON], body.to_string().as_bytes())
}

#[test]
fn dead_letters_are_found_retried_and_given_up_in_bulk() {
    let site = Site::new("");
    failed(&site, 1..=3, Reason::Budget, Duration::from_secs(10 * 86_400));
    failed(&site, 4..=5, Reason::NotGreen, Duration::from_secs(60));
    let daemon = api(&site);
    let found = |query: &str| {
        let page = daemon.get(&format!("/api/dead-letters{query}"));
        page["items"].as_array().unwrap_or_else(|| panic!("{page}")).len()
    };
    assert_eq!(
        [found(""), found("?reason=budget"), found("?older_than=7d"), found("?newer_than=1h")],
        [5, 3, 3, 2]
    );
    assert_eq!([found("?phase=E2E_TEST_GENERATION&limit=4"), found("?project=blog")], [4, 0]);
    problem(
        &daemon.call("GET", "/api/dead-letters?reason=not_gren", &[], b""),
        422,
        &["did you mean `not_green`?"],
    );
    problem(&treat(&daemon, "retry", &json!({})), 422, &["all", "reason"]);
    problem(&treat(&daemon, "retry", &json!({"all": false})), 422, &["all"]);
    problem(&treat(&daemon, "discard", &json!({"all": true, "from": "E2E_VALIDATION"})), 422, &["from"]);
    problem(&treat(&daemon, "retry", &json!({"reason": "budget", "limit": 201})), 422, &["limit", "200"]);
    problem(&treat(&daemon, "retry", &json!({"older_than": "old"})), 422, &["older_than", "30m"]);

    let dry = treat(&daemon, "retry", &json!({"older_than": "7d", "limit": 2, "dry_run": true})).json();
    assert_eq!((dry["dry_run"].clone(), dry["done"].as_array().map(Vec::len)), (json!(true), Some(2)));
    assert_eq!(found(""), 5);
    let done = treat(&daemon, "retry", &json!({"older_than": "7d", "limit": 2})).json();
    assert_eq!(done["done"], dry["done"]);
    assert!(done["next"].is_string());
    let named = treat(&daemon, "discard", &json!({"tasks": [id(4), id(77)]})).json();
    assert_eq!(named["done"], json!([id(4)]));
    assert_eq!(named["refused"][0]["task_id"], json!(id(77)));
    assert_eq!(found(""), 2);
    assert!(daemon.get(&format!("/api/tasks/{}", id(4)))["discarded_at"].is_string());
}

#[test]
fn the_command_line_goes_on_until_all_are_done() {
    let site = Site::new("");
    failed(&site, 1..=450, Reason::AgentError, Duration::from_secs(60));
    let daemon = api(&site);
    let run = |args: &[&str]| {
        let mut command = site.command();
        let output = command
            .env("CHIMERA_SERVER", &daemon.url)
            .arg("dead-letters")
            .args(args)
            .output()
            .expect("it runs");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (_, list) = run(&["list", "--limit", "3"]);
    let columns: Vec<&str> = list.lines().nth(1).expect("a task").split_whitespace().collect();
    assert_eq!(columns[1..3], ["agent_error", "E2E_TEST_GENERATION"]);
    let (code, told) = run(&["retry", "--reason", "agent_error", "--limit", "420", "--dry-run"]);
    assert!(code == Some(0) && told.contains("420 would be queued again"), "{told}");
    let (_, told) = run(&["retry", "--reason", "agent_error", "--limit", "420"]);
    assert!(told.contains("420 queued again") && told.contains("there are more"), "{told}");
    let (_, told) = run(&["discard", "--all"]);
    assert!(told.contains("30 given up"), "{told}");
    assert_eq!(run(&["list"]).1, "no dead letters\n");
    assert_eq!(daemon.get("/health")["tasks_queued"], 420);
    let (code, told) = run(&["discard", id(450).as_str(), id(1).as_str()]);
    assert!(
        code == Some(1) && told.contains("no dead letter"),
        "what is refused shows in the exit code: {told}"
    );
}

#[test]
fn pruning_by_hand_removes_rows_and_files_and_nothing_else() {
    let site = Site::new("[retention]\nfailed = \"180d\"\n");
    failed(&site, 1..=30, Reason::AgentError, Duration::from_secs(200 * 86_400));
    failed(&site, 40..=41, Reason::AgentError, Duration::from_secs(10 * 86_400));
    let logs = |number| site.path().join("chimera-data/logs").join(id(number).as_str());
    let unknown = site.path().join("chimera-data/logs/chimera-00000000dead");
    for dir in [logs(1), logs(40), unknown.clone()] {
        std::fs::create_dir_all(&dir).expect("a directory");
        std::fs::write(dir.join("001-x.log"), "printed").expect("written");
    }
    let daemon = api(&site);
    let run = |args: &[&str]| {
        let output = site.command().arg("prune").args(args).output().expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(run(&["--dry-run"]).contains("30 tasks would be removed"));
    assert!(logs(1).exists());
    assert_eq!(
        run(&[]),
        "removed 30 tasks, and 1 files and directories with 7 bytes\n",
        "while the daemon runs"
    );
    assert!(!logs(1).exists() && logs(40).exists());
    assert!(unknown.exists(), "what the database does not know is left alone");
    assert_eq!(daemon.get("/health")["tasks_failed"], 2);
    let told: Value = serde_json::from_str(&run(&["--older-than", "1d", "--json"])).expect("JSON");
    assert_eq!(told["removed"]["tasks"], 1, "the newest entry of the journal stays");
}

#[test]
fn retention_can_be_set_or_switched_off() {
    let refused = |config: &str| {
        let output = Site::new(config).command().args(["prune", "--dry-run"]).output().expect("it runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(refused("[retention]\nfailed = \"never\"\ncompleted = \"1d\"\n").0, Some(0));
    let (code, told) = refused("[retention]\nfailed = \"1s\"\n");
    assert!(code == Some(2) && told.contains("retention.failed") && told.contains("never"), "{told}");
    assert_eq!(refused("[retention]\nfailed = \"soon\"\n").0, Some(2));
}
