//! What a user does wrong, or what is missing: a clear answer, and nothing lost.

use crate::real::{Site, repository};
use serde_json::{Value, json};
use std::process::Output;

fn run(site: &Site, args: &[&str]) -> Output {
    site.command().args(args).output().expect("it runs")
}

fn complaint(site: &Site, args: &[&str]) -> String {
    let done = run(site, args);
    assert!(!done.status.success(), "it must refuse");
    String::from_utf8_lossy(&done.stderr).into_owned()
}

/// The end of a task on a project with this configuration.
fn ended(config: &str, prepare: impl FnOnce(&Site)) -> Value {
    let site = Site::new(config);
    prepare(&site);
    let daemon = site.start();
    let task = daemon.submit(&json!({"feature": "Visitors read this", "target_url": "http://127.0.0.1:1/"}));
    daemon.ended(&task)
}

fn failed_for(ended: &Value, reason: &str, told: &str) {
    assert_eq!(
        (ended["status"].as_str(), ended["reason"].as_str()),
        (Some("failed"), Some(reason)),
        "{ended:#}"
    );
    let error = ended["error"].as_str().unwrap_or_default();
    assert!(error.contains(told), "the error says what to do: {error}");
}

#[test]
fn an_unknown_key_is_named_with_a_suggestion() {
    let said = complaint(&Site::new("[api]\nprot = 9000\n"), &["start-all"]);
    assert!(said.contains("prot") && said.contains("did you mean `port`?"), "{said}");
}

#[test]
fn an_unknown_agent_in_a_role_is_named() {
    let said = complaint(&Site::new("[roles]\ncoder-agent = \"bultin\"\n"), &["start-all"]);
    assert!(said.contains("roles.coder-agent") && said.contains("did you mean `builtin`?"), "{said}");
}

#[test]
fn a_port_in_use_is_told_with_the_way_out() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let said = complaint(&Site::new(""), &["start-all", "--port", &port]);
    assert!(said.contains(&port) && said.contains("in use") && said.contains("--port"), "{said}");
}

#[test]
fn a_variable_that_nobody_reads_is_told_once_with_what_may_be_meant() {
    for command in ["api", "start-all"] {
        let site = Site::new("");
        let daemon =
            site.start_as(&[command, "--port", "0"], &[("CHIMERA_API_PROT", "1"), ("CHIMERA_LOG", "info")]);
        daemon.terminate();
        let log = site.log();
        let lines: Vec<&str> = log.lines().filter(|line| line.contains("CHIMERA_")).collect();
        assert_eq!(lines.len(), 1, "{command}: {log}");
        assert!(lines[0].contains("WARN") && lines[0].contains("did you mean CHIMERA_API_PORT?"), "{log}");
    }
}

#[test]
fn a_database_that_is_none_is_told_and_kept() {
    let site = Site::new("");
    let path = site.path().join("chimera-data/tasks.db");
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
    std::fs::write(&path, "this is no database, but somebody may need it".repeat(100)).expect("written");
    let before = std::fs::read(&path).expect("readable");
    let said = complaint(&site, &["start-all", "--port", "0"]);
    assert!(said.contains("tasks.db"), "{said}");
    assert_eq!(std::fs::read(&path).expect("readable"), before);
}

#[test]
fn a_missing_repository_fails_the_task_with_the_remedy() {
    let config = "[[project]]\nname = \"shop\"\nrepo = \"nowhere\"\nurls = [\"http://127.0.0.1:1\"]\n";
    failed_for(&ended(config, |_| ()), "config", "set `repo`");
}

#[test]
fn an_empty_repository_fails_the_task_with_the_remedy() {
    let config = "[[project]]\nname = \"shop\"\nrepo = \"repo\"\nurls = [\"http://127.0.0.1:1\"]\n";
    let empty = |site: &Site| {
        crate::real::git(site.path(), &["init", "--quiet", "repo"]);
    };
    failed_for(&ended(config, empty), "config", "no commits yet");
}

#[test]
fn a_missing_base_branch_fails_the_task_and_names_the_others() {
    let config = "[[project]]\nname = \"shop\"\nrepo = \"repo\"\nbase_branch = \"trunk\"\nurls = [\"http://127.0.0.1:1\"]\n";
    let prepare = |site: &Site| repository(&site.path().join("repo"), &[("index.html", "<p>x</p>")]);
    failed_for(&ended(config, prepare), "config", "it has main");
}

#[test]
fn tasks_wait_for_missing_tools_and_go_on_once_they_are_there() {
    let site = Site::new(
        "tools_dir = \"tools\"\n[roles]\ncoder-agent = \"vandal\"\n[agent.vandal]\nprotocol = \"command\"\n\
         command = [\"sh\", \"./coder.sh\"]\n",
    );
    let tools = site.path().join("tools");
    // Its arguments are as they are; only the program of a command is looked for beside the configuration.
    let script = format!(
        "rm '{}'\necho '<p>Visitors read this' > index.html\necho '{{\"outcome\": \"passed\"}}' > \"$CHIMERA_OUTCOME\"\n",
        tools.display()
    );
    let coder = site.path().join("coder.sh");
    std::fs::write(&coder, script).expect("a coder");
    let config = std::fs::read_to_string(site.path().join("chimera.toml")).expect("a configuration");
    let absolute = config.replace("./coder.sh", &coder.to_string_lossy());
    std::fs::write(site.path().join("chimera.toml"), absolute).expect("a configuration");
    let none = tools.to_string_lossy().into_owned();
    let daemon = site.start_as(&["start-all", "--port", "0"], &[("CHIMERA_TOOLS_DIR", &none)]);
    let request = json!({"feature": "Visitors read this", "target_url": "https://example.com",
        "acceptance": ["open \"/\"", "see text \"Visitors read this\""]});
    let id = daemon.submit(&request);
    let there = || std::os::unix::fs::symlink(crate::real::tools_dir(), &tools).expect("the tools come");
    let task = waits_for_tools(&site, &daemon, &id);
    assert_eq!((&task["phase"], &task["attempt"]), (&json!("E2E_TEST_GENERATION"), &json!(0)));
    let detail = task["waiting_for"]["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("Python environment") && detail.contains("chimera-daemon setup"), "{detail}");
    let daemons = daemon.get("/api/daemons");
    assert!(daemons["items"][0]["missing_tools"][0].is_string(), "{daemons}");
    there();
    // The coder removes them.
    let task = waits_for_tools_in(&site, &daemon, &id, "E2E_VALIDATION");
    assert_eq!(task["reason"], Value::Null);
    there();
    let task = daemon.ended(&id);
    assert_eq!(task["status"], "completed", "{task}\n{}", site.log());
    let outcomes = daemon.events(&id);
    let failed = outcomes.iter().filter(|event| event["result"]["outcome"] == "transient").count();
    assert_eq!(failed, 0, "no retry is used up: {outcomes:#?}");
}

fn waits_for_tools(site: &Site, daemon: &crate::real::Daemon, id: &str) -> Value {
    waits_for_tools_in(site, daemon, id, "E2E_TEST_GENERATION")
}

fn waits_for_tools_in(site: &Site, daemon: &crate::real::Daemon, id: &str, phase: &str) -> Value {
    for _ in 0..3000 {
        let task = daemon.get(&format!("/api/tasks/{id}"));
        if task["waiting_for"]["kind"] == "tools" && task["phase"] == phase {
            return task;
        }
        assert!(task["completed_at"].is_null(), "{task}\n{}", site.log());
        // tidy: polls: what a task waits for is computed, and no event tells it
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("it does not wait for tools: {}\n{}", daemon.get(&format!("/api/tasks/{id}")), site.log());
}

#[test]
fn doctor_names_missing_tools_with_the_remedy() {
    let site = Site::new("");
    let nowhere = site.path().join("nowhere");
    let mut daemon = site.command();
    daemon.env("CHIMERA_TOOLS_DIR", &nowhere).args(["doctor"]);
    let done = daemon.output().expect("it runs");
    let said = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    assert!(!done.status.success() && said.contains("chimera-daemon setup"), "{said}");
}

/// The end of a task whose coder is this command.
fn coded_by(command: &str, more: &str) -> Value {
    let config = format!(
        "[executor]\nmax_retries = 1\nretry_base = \"10ms\"\n[agent.odd]\nprotocol = \"command\"\ncommand = {command}\n{more}\n[roles]\ncoder-agent = \"odd\"\n"
    );
    ended(&config, |_| ())
}

#[test]
fn a_missing_agent_fails_the_task_with_its_name() {
    failed_for(&coded_by("[\"no-such-agent\"]", ""), "config", "no-such-agent");
}

#[test]
fn a_hanging_agent_is_ended_and_named() {
    failed_for(&coded_by("[\"sleep\", \"600\"]", "timeout = \"1s\""), "agent_error", "not done in time");
}

#[test]
fn a_silent_agent_is_ended_and_named() {
    failed_for(&coded_by("[\"sleep\", \"600\"]", "stall = \"1s\""), "agent_error", "said nothing");
}

#[test]
fn a_flooding_agent_is_ended_and_named() {
    failed_for(&coded_by("[\"yes\"]", ""), "agent_error", "too much output");
}

#[test]
fn an_agent_without_an_answer_has_not_passed() {
    failed_for(&coded_by("[\"true\"]", ""), "agent_error", "CHIMERA_OUTCOME");
}

#[test]
fn an_agent_with_a_broken_answer_has_not_passed() {
    let command = r#"["sh", "-c", "echo '{\"outcome\": \"passed\"' > $CHIMERA_OUTCOME"]"#;
    failed_for(&coded_by(command, ""), "agent_error", "cannot be read");
}

#[test]
fn an_agent_that_passes_and_fails_at_once_has_not_passed() {
    let command = r#"["sh", "-c", "echo '{\"outcome\": \"passed\"}' > $CHIMERA_OUTCOME; exit 3"]"#;
    failed_for(&coded_by(command, ""), "agent_error", "exit code 3");
}

#[test]
fn a_dead_key_pauses_its_agent_and_fails_no_task() {
    let site = Site::new("");
    let asked = site.path().join("asked");
    let script = format!(
        r#"echo >> {}; echo '{{"outcome": "unavailable", "summary": "401: the key has expired"}}' > $CHIMERA_OUTCOME"#,
        asked.display()
    );
    let config = format!(
        "[executor]\nmax_workers = 1\n[agent.dead]\nprotocol = \"command\"\ncommand = [\"sh\", \"-c\", {script:?}]\n[roles]\ne2e-tester-agent = \"dead\"\n"
    );
    std::fs::write(site.path().join("chimera.toml"), config).expect("a configuration");
    let daemon = site.start();
    let request = json!({"feature": "Visitors read this", "target_url": "http://127.0.0.1:1/"});
    let tasks: Vec<String> = (0..5).map(|_| daemon.submit(&request)).collect();
    let unavailable = |event: &Value| event["result"]["outcome"] == "unavailable";
    assert!(daemon.follow(&tasks[0], unavailable), "it says so");
    for task in &tasks {
        let task = daemon.get(&format!("/api/tasks/{task}"));
        assert_eq!(
            (task["status"].as_str(), task["waiting_for"]["kind"].as_str()),
            (Some("queued"), Some("paused"))
        );
        let told = task["waiting_for"]["detail"].as_str().unwrap_or_default();
        assert!(told.contains("the agent dead") && told.contains("401: the key has expired"), "{told}");
    }
    let times = || std::fs::read_to_string(&asked).expect("it was asked").lines().count();
    assert_eq!(times(), 1, "nobody asks it again");
    assert_eq!(daemon.call("DELETE", "/api/pauses/agent:dead", &[], b"").status, 204);
    let mut seen = 0;
    daemon.follow(&tasks[0], |event| {
        seen += u32::from(unavailable(event));
        seen == 2
    });
    assert_eq!((seen, times()), (2, 2), "once it is resumed, one task tries");
}

#[test]
fn a_database_whose_files_go_ends_the_daemon_and_is_told() {
    let put = json!({"feature": "Visitors read this", "target_url": "http://127.0.0.1:1/", "not_before": "2031-01-01T00:00:00Z"});
    for (suffix, kept) in [("-wal", true), ("-shm", true), ("", false)] {
        let site = Site::new("");
        let daemon = site.start();
        let task = daemon.submit(&put);
        let file = site.path().join(format!("chimera-data/tasks.db{suffix}"));
        std::fs::remove_file(&file).expect("removed");
        assert_eq!(daemon.exit_code(), Some(1), "{}", site.log());
        let told = format!("cannot be used any more: {} was deleted", file.display());
        assert!(site.log().contains(&told), "{}", site.log());
        if kept {
            assert_eq!(site.start().get(&format!("/api/tasks/{task}"))["status"], "queued", "{}", site.log());
        }
    }
}
