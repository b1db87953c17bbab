//! What shows the whole product: the validation of a running daemon, and the demo.

use crate::real::{Site, git, tools_dir};
use serde_json::Value;

#[test]
fn validate_prints_the_five_steps_of_a_delivery() {
    let site = Site::new("");
    let daemon = site.start();
    let output = site.command().args(["validate", "--server", &daemon.url]).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", site.log());
    let id = text.split_whitespace().find(|word| word.starts_with("chimera-")).expect("an id").to_owned();
    let tidied: Vec<String> = text.lines().map(|line| settle(line, &id)).collect();
    insta::assert_snapshot!(tidied.join("\n"));
    let listed = daemon.get("/api/tasks?status=completed");
    assert_eq!(listed["items"][0]["task_id"], id, "what it prints is what happened");
}

/// A line without what differs between runs.
fn settle(line: &str, id: &str) -> String {
    let line = line.replace(id, "ID");
    let seconds = |word: &str| {
        let word = word.trim_matches(['(', ')']);
        word.strip_suffix('s').is_some_and(|number| number.parse::<f64>().is_ok())
    };
    let words = line.split(' ').map(|word| match word {
        word if seconds(word) => {
            word.replace(|c: char| c.is_ascii_digit() || c == '.', "").replace('s', "TIME")
        }
        word if word.starts_with("http://127.0.0.1:") => "URL".to_owned(),
        word => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn the_demo_delivers_a_branch_and_its_evidence() {
    let site = Site::new("");
    let mut demo = site.command();
    demo.args(["demo", "--dir", "demo", "--tools-dir"]).arg(tools_dir());
    let output = demo.output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let log = std::fs::read_to_string(site.path().join("demo/daemon.log")).unwrap_or_default();
    assert!(output.status.success(), "{text}\n{}\n{log}", String::from_utf8_lossy(&output.stderr));
    for told in [
        "status: completed",
        "test_path",
        "code_pr_id",
        "review_decision",
        "deployment_url",
        "validation_status",
    ] {
        assert!(text.contains(told), "{told} is missing:\n{text}");
    }
    let report = std::fs::read_to_string(site.path().join("demo/report.html")).expect("a report");
    assert!(report.contains("<html") && text.contains("demo/report.html"), "{text}");
    let evidence = std::fs::read_dir(site.path().join("demo/evidence")).expect("evidence").count();
    assert!(evidence >= 10 && text.contains(&format!("{evidence} files")), "{text}");
    assert!(!log.contains('\u{1b}'), "a log in a file has no colours");
    let repository = site.path().join("demo/bookshop");
    let branch =
        text.split_whitespace().find(|word| word.starts_with("chimera/")).expect("a branch").to_owned();
    let changed = git(&repository, &["diff", "--name-only", "main", &branch]);
    assert_eq!(
        changed,
        "index.html\nopening-hours.html\ntests/e2e/test_customers_can_find_the_opening_hours.py"
    );
    assert_eq!(git(&repository, &["status", "--porcelain"]), "", "the user's checkout is as it was");
    assert_eq!(git(&repository, &["branch", "--show-current"]), "main");
}

#[test]
fn the_demo_overwrites_nothing_but_a_demo() {
    let site = Site::new("");
    let own = site.path().join("demo");
    std::fs::create_dir(&own).expect("a directory");
    std::fs::write(own.join("thesis.txt"), "years of work").expect("written");
    let output = site.command().args(["demo", "--dir", "demo"]).output().expect("it runs");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("--dir"));
    assert!(own.join("thesis.txt").is_file());
}

#[test]
fn the_benchmark_prints_its_figures() {
    let site = Site::new("");
    let output = site
        .command()
        .args(["bench", "--tasks", "20", "--workers", "2,4", "--daemons", "2", "--depth", "1000", "--json"])
        .output()
        .expect("it runs");
    let figures: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let figures = figures["figures"].as_array().expect("a list");
    let value =
        |name: &str| figures.iter().find(|figure| figure["name"] == name).expect(name)["value"].as_f64();
    let names = [
        "start_p50",
        "workflows_2",
        "workflows_4",
        "workflows_2x2",
        "recovery",
        "claim_1000",
        "reopen",
        "size",
        "submissions",
        "submissions_http",
        "idle_memory",
        "load_memory",
        "idle_queries",
    ];
    for name in names {
        assert!(value(name).is_some_and(|value| value > 0.0), "{name}: {figures:?}");
    }
    let start = figures.iter().find(|figure| figure["name"] == "start_p50").expect("named above");
    assert_eq!(start["target"], "at most 1 ms");
    assert_eq!(start["met"].as_bool(), start["value"].as_f64().map(|value| value <= 1.0));
    for name in ["start_p50", "workflows_2", "workflows_2x2", "claim_1000", "submissions", "submissions_http"]
    {
        let raw =
            figures.iter().find(|figure| figure["name"] == name).and_then(|figure| figure["raw"].as_f64());
        assert!(raw.is_some_and(|raw| raw > 0.0), "{name}: {figures:?}");
    }
}
