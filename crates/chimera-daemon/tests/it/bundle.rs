//! Bundles of the real product, checked where nothing of it is.

use crate::api::api;
use crate::real::{Site, git, repository, tools_dir};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};

/// Runs `verify` in an empty directory, with an empty environment.
fn verify(bundle: &Path, more: &[&str]) -> Output {
    let nowhere = tempfile::tempdir().expect("a directory");
    let mut command = Command::new(env!("CARGO_BIN_EXE_chimera-daemon"));
    command.env_clear().current_dir(nowhere.path()).arg("verify").arg(bundle).args(more);
    let output = command.output().expect("it runs");
    let left = std::fs::read_dir(nowhere.path()).expect("readable").count();
    assert_eq!(left, 0, "checking writes nothing");
    output
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Delivers the demo's feature, and gives a site whose `chimera.toml` leads to it, with the name of the task.
fn demo() -> (Site, String) {
    let site = Site::new("");
    let mut demo = site.command();
    demo.args(["demo", "--dir", "demo", "--json", "--tools-dir"]).arg(tools_dir());
    let output = demo.output().expect("it runs");
    assert!(output.status.success(), "{}", said(&output));
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let last: Value = serde_json::from_str(lines.lines().last().expect("a line")).expect("JSON");
    (site, last["task"]["task_id"].as_str().expect("an id").to_owned())
}

#[test]
fn the_demo_is_bundled_and_proven_on_a_machine_that_has_nothing_else() {
    let (site, task) = demo();
    let daemon = site.start_with(&["api", "--port", "0", "--config", "demo/chimera.toml"]);
    let ask = |args: &[&str]| {
        let output = site.command().args(["--server", &daemon.url]).args(args).output().expect("it runs");
        assert!(output.status.success(), "{}", said(&output));
        output
    };
    let written = said(&ask(&["evidence", &task, "-o", "it.tar"]));
    assert!(written.contains("it proves the delivery if you trust the key"), "{written}");
    assert!(written.contains("report.html tells what the other files tell"), "{written}");
    let streamed = ask(&["evidence", &task, "-o", "-"]).stdout;
    let bundle = site.path().join("it.tar");
    assert_eq!(std::fs::read(&bundle).expect("readable"), streamed, "the same task gives the same bytes");
    let key = ask(&["key"]).stdout;
    std::fs::write(site.path().join("key.txt"), &key).expect("written");
    let id = daemon.get("/api/key")["key_id"].as_str().expect("an id").to_owned();
    assert!(String::from_utf8_lossy(&key).contains(&id));
    daemon.kill();
    std::fs::remove_dir_all(site.path().join("demo")).expect("removed");

    let unknown = verify(&bundle, &[]);
    assert_eq!(unknown.status.code(), Some(0), "{}", said(&unknown));
    assert!(said(&unknown).contains("Whose key that is."), "{}", said(&unknown));
    let key_file = site.path().join("key.txt");
    let key_text = String::from_utf8_lossy(&key).lines().nth(1).expect("the key").to_owned();
    for trusted in [id.as_str(), key_file.to_str().expect("a plain path"), &key_text] {
        let known = verify(&bundle, &["--key", trusted]);
        assert_eq!(known.status.code(), Some(0), "{}", said(&known));
        assert!(said(&known).contains("signed with the key that you named"), "{}", said(&known));
    }
    let told: Value = serde_json::from_slice(&verify(&bundle, &["--json"]).stdout).expect("JSON");
    assert_eq!((&told["intact"], &told["proven"]), (&json!(true), &json!(true)), "{told:#}");
    let other = verify(&bundle, &["--key", &"0".repeat(64)]);
    assert_eq!(other.status.code(), Some(1), "{}", said(&other));
    assert!(said(&other).contains("it is signed with another key"), "{}", said(&other));
    assert_eq!(verify(&bundle, &["--key", "nonsense"]).status.code(), Some(1));
    found_where_it_is_flipped(&bundle, &streamed);
    a_page_of_its_own(&streamed);
}

/// A few places all over the real archive; the many are flipped within the library.
fn found_where_it_is_flipped(bundle: &Path, whole: &[u8]) {
    for part in 0..20 {
        let mut bytes = whole.to_vec();
        let at = part * bytes.len() / 20 + 300;
        bytes[at] ^= 0x10;
        std::fs::write(bundle, &bytes).expect("written");
        let output = verify(bundle, &[]);
        assert_eq!(output.status.code(), Some(1), "byte {at}: {}", said(&output));
        assert!(said(&output).contains("not to be trusted"), "{}", said(&output));
    }
}

/// The report of a bundle.
fn report(bundle: &[u8]) -> String {
    let text = String::from_utf8_lossy(bundle);
    let page = text.split("<!doctype html>").nth(1).expect("a page");
    page.split("</html>").next().expect("it ends").to_owned()
}

/// The report shows both pictures and loads nothing.
fn a_page_of_its_own(bundle: &[u8]) {
    let page = report(bundle);
    assert!(page.matches("src=\"data:image/png;base64,").count() >= 2, "before and after");
    assert!(!page.contains("<script") && !page.contains("<link") && !page.contains("src=\"http"));
    assert!(page.contains("default-src 'none'") && page.contains(">Proven"));
    for asked in
        ["Customers can find the opening hours", "see text &quot;Sunday: closed&quot;", "E2E_VALIDATION"]
    {
        assert!(page.contains(asked), "{asked}");
    }
}

#[test]
fn a_task_without_a_proof_has_a_bundle_that_says_so() {
    let site = Site::new("");
    let daemon = api(&site);
    let wish =
        json!({"feature": "Visitors see <script>alert(1)</script>", "target_url": "https://example.com"});
    let task = daemon.submit(&wish);
    let bundle = format!("/api/tasks/{task}/bundle");
    let early = daemon.call("GET", &bundle, &[], b"");
    assert_eq!((early.status, early.json()["detail"].as_str().is_some()), (409, true), "{}", early.text);
    assert_eq!(daemon.call("GET", "/api/tasks/chimera-000000000000/bundle", &[], b"").status, 404);
    daemon.post(&format!("/api/tasks/{task}/cancel"), &json!({}));
    let mut evidence = site.command();
    evidence.args(["--server", &daemon.url, "evidence", &task]);
    let output = evidence.output().expect("it runs");
    assert!(output.status.success(), "{}", said(&output));
    let output = verify(&site.path().join(format!("{task}.tar")), &[]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(said(&output).contains("The task is cancelled."), "{}", said(&output));
    let page = report(daemon.call("GET", &bundle, &[], b"").text.as_bytes());
    assert!(
        page.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && !page.contains("<script"),
        "it is escaped"
    );
}

/// An application that is started with a command, and serves the directory that a file beside the repository names.
const STARTED: &str = r#"
[[project]]
name = "shop"
repo = "repo"
urls = ["http://127.0.0.1:1"]
[project.staging]
start = "cd \"$(cat HERE/which)\" && exec python3 -m http.server --bind 127.0.0.1 $PORT"
ready = "/"
[agent.quick]
protocol = "command"
command = ["sh", "-c", "echo '<p>once more</p>' >> index.html; echo '{\"outcome\": \"passed\"}' > $CHIMERA_OUTCOME"]
[roles]
coder-agent = "quick"
"#;

#[test]
fn red_and_green_are_repeated_from_the_bundle_and_the_repository() {
    let site = Site::new("");
    let here = site.path().to_str().expect("a plain path");
    std::fs::write(site.path().join("chimera.toml"), STARTED.replace("HERE", here)).expect("written");
    std::fs::write(site.path().join("which"), ".").expect("written");
    repository(
        &site.path().join("repo"),
        &[("index.html", "<!doctype html><title>Shop</title><h1>Shop</h1>\n")],
    );
    let daemon = site.start();
    let task = daemon.submit(&json!({
        "feature": "Visitors read it once more", "target_url": "http://127.0.0.1:1/",
        "acceptance": ["open \"/\"", "see text \"once more\""]
    }));
    let ended = daemon.ended(&task);
    assert_eq!(ended["status"], "completed", "{ended:#}\n{}", site.log());
    let written = site.command().args(["--server", &daemon.url, "evidence", &task, "-o", "it.tar"]).output();
    assert!(written.expect("it runs").status.success());
    daemon.kill();
    let rerun = |more: &[&str]| {
        let mut command = site.command();
        command.args(["verify", "it.tar", "--rerun", "--repo", "repo"]).args(more);
        command.output().expect("it runs")
    };
    let asked = rerun(&[]);
    assert_eq!(asked.status.code(), Some(1), "{}", said(&asked));
    for shown in ["exec python3 -m http.server", "def test_visitors_read_it_once_more", "--yes"] {
        assert!(said(&asked).contains(shown), "{shown} is not shown first: {}", said(&asked));
    }
    let repeated = rerun(&["--yes"]);
    assert_eq!(repeated.status.code(), Some(0), "{}", said(&repeated));
    assert!(
        said(&repeated).contains("Red again") && said(&repeated).contains("Green again: it passes 2 times")
    );

    // The same commits, but another page is served.
    std::fs::write(site.path().join("which"), format!("{here}/elsewhere")).expect("written");
    std::fs::create_dir(site.path().join("elsewhere")).expect("a directory");
    std::fs::write(site.path().join("elsewhere/index.html"), "<h1>Shop</h1>").expect("written");
    let other = rerun(&["--yes", "--json"]);
    assert_eq!(other.status.code(), Some(5), "{}", said(&other));
    let told: Value = serde_json::from_slice(&other.stdout).expect("JSON");
    assert!(told["rerun"]["why"].as_str().expect("told").starts_with("no green on"), "{told:#}");

    git(&site.path().join("repo"), &["update-ref", "-d", &format!("refs/heads/chimera/{task}")]);
    let gone = rerun(&["--yes"]);
    assert_eq!(gone.status.code(), Some(1), "{}", said(&gone));
    assert!(said(&gone).contains("cannot be repeated here"), "{}", said(&gone));
}
