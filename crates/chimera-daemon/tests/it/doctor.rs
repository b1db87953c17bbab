//! `doctor` tells the truth, and changes nothing.

use crate::real::{Site, repository};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;

/// What `doctor` says, by name; the exit code first.
fn doctor(site: &Site) -> (Option<i32>, Vec<Value>) {
    let output = site.command().env_remove("NOT_SET").args(["doctor", "--json"]).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let checks: Value = serde_json::from_str(&said).unwrap_or_else(|err| panic!("{err}: {said}"));
    (output.status.code(), checks.as_array().expect("a list").clone())
}

/// The status and the text of the check of this name whose detail says this.
fn found(checks: &[Value], name: &str, detail: &str) -> String {
    let says = |check: &&Value| {
        check["name"] == name && check["detail"].as_str().is_some_and(|text| text.contains(detail))
    };
    let check = checks.iter().find(says).unwrap_or_else(|| panic!("{name}: {detail}: {checks:#?}"));
    let ok = check["status"] == "ok";
    assert_eq!(
        check["remedy"].as_str().is_some_and(str::is_empty),
        ok,
        "a remedy where one is needed: {check}"
    );
    check["status"].as_str().expect("a status").to_owned()
}

#[test]
fn doctor_finds_what_a_delivery_would_fail_of() {
    let site = Site::new(
        r#"
        [agent.my-coder]
        protocol = "command"
        command = ["sh"]
        env = ["NOT_SET"]
        [agent.deployer]
        protocol = "command"
        command = ["no-such-program"]
        [agent.script]
        protocol = "command"
        command = ["./script.sh"]
        [agent.plain]
        protocol = "command"
        command = ["./chimera.toml"]
        [roles]
        guardian-agent = ["builtin", "script", "plain"]
        [[project]]
        name = "hollow"
        repo = "hollow"
        [[project]]
        name = "shop"
        repo = "shop"
        [[project]]
        name = "deployed"
        repo = "shop"
        base_branch = "trunk"
        urls = ["http://127.0.0.1:9"]
        test_target = true
        [project.staging]
        agent = "deployer"
        "#,
    );
    std::fs::create_dir(site.path().join("hollow")).expect("a directory");
    repository(&site.path().join("shop"), &[("index.html", "<p>x</p>")]);
    let script = site.path().join("script.sh");
    std::fs::write(&script, "#!/usr/bin/env no-such-interpreter\n").expect("a script");
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).expect("executable");
    let (code, checks) = doctor(&site);
    assert_eq!(code, Some(1));
    for (name, detail, status) in [
        ("project hollow", "git", "missing"),
        ("project shop", "branch main", "ok"),
        ("project deployed", "trunk", "missing"),
        ("agent deployer", "no-such-program", "missing"),
        ("agent script", "no-such-interpreter", "missing"),
        ("agent plain", "not executable", "missing"),
        ("agent my-coder", "no role uses it", "warning"),
        ("agent my-coder", "NOT_SET is not set", "warning"),
        ("coder-agent", "only scaffolds", "warning"),
        ("guardian-agent", "builtin, script, plain", "ok"),
        ("database", "made at the first start", "ok"),
        ("data directory", "made at the first start", "ok"),
        ("temporary directory", "free", "ok"),
        ("clock", "20", "ok"),
    ] {
        assert_eq!(found(&checks, name, detail), status, "{name}: {detail}");
    }
    assert!(!site.path().join("chimera-data").exists(), "it only looks");
}

#[test]
fn warnings_alone_do_not_fail_and_are_repeated_by_the_daemon() {
    let config = "[agent.my-coder]\nprotocol = \"command\"\ncommand = [\"sh\"]\n";
    let site = Site::new(config);
    let (code, checks) = doctor(&site);
    assert_eq!((code, found(&checks, "agent my-coder", "no role uses it").as_str()), (Some(0), "warning"));
    let daemon = site.start();
    site.until_logged("agent my-coder: no role uses it; name it in [roles]");
    drop(daemon);
    let (_, checks) = doctor(&site);
    assert_eq!(found(&checks, "database", "schema"), "ok");
}

#[test]
fn a_database_that_will_not_do_is_told() {
    let site = Site::new("");
    std::fs::create_dir(site.path().join("chimera-data")).expect("a directory");
    let file = site.path().join("chimera-data/tasks.db");
    std::fs::write(&file, "not a database, but long enough to be taken for one ".repeat(100))
        .expect("written");
    let (code, checks) = doctor(&site);
    assert_eq!((code, found(&checks, "database", "not a database").as_str()), (Some(1), "missing"));
}
