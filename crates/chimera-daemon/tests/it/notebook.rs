//! A project that is not the example: a server-side application, with the example agents that users copy.

use crate::real::{Site, git, repository};
use serde_json::json;
use std::path::Path;

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");

const CONFIG: &str = r#"
[[project]]
name = "notes"
repo = "notes"
urls = ["http://127.0.0.1:1"]
checks = ["python3 -m py_compile app.py"]
[project.staging]
start = "exec python3 app.py"
ready = "/health"
revision = "/revision"
[agent.my-coder]
protocol = "command"
command = ["EXAMPLES/agents/coder.sh", "{prompt_file}"]
env = ["CODING_TOOL"]
[agent.my-reviewer]
protocol = "command"
command = ["EXAMPLES/agents/reviewer.py"]
[roles]
coder-agent = "my-coder"
guardian-agent = ["builtin", "my-reviewer"]
"#;

/// Stands in for a hosted model behind a headless coding tool: reads the prompt, edits the code, and forgets a
/// breakpoint until the reviewer says so.
const TOOL: &str = r#"#!/usr/bin/env python3
import pathlib, sys
prompt = sys.stdin.read()
assert "how many notes" in prompt
app = pathlib.Path("app.py")
text = app.read_text()
if "a breakpoint was left behind" in prompt:
    text = text.replace("    if False: breakpoint()\n", "")
else:
    text = text.replace("    items = ", "    if False: breakpoint()\n    count = f'<p>{len(NOTES)} notes</p>'\n    items = ")
    text = text.replace('body=f"<ul>', 'body=f"{count}\\n<ul>')
app.write_text(text)
"#;

fn notebook() -> Site {
    let site = Site::new(&CONFIG.replace("EXAMPLES", EXAMPLES));
    let app = std::fs::read_to_string(Path::new(EXAMPLES).join("server-app/app.py")).expect("the example");
    repository(&site.path().join("notes"), &[("app.py", &app)]);
    std::fs::write(site.path().join("tool.py"), TOOL).expect("written");
    site
}

#[test]
fn a_command_agent_delivers_to_a_server_side_application() {
    let site = notebook();
    let tool = format!("python3 {}", site.path().join("tool.py").display());
    let daemon = site.start_as(&["start-all", "--port", "0"], &[("CODING_TOOL", &tool)]);
    let task = daemon.submit(&json!({
        "feature": "Visitors can see how many notes there are",
        "target_url": "http://127.0.0.1:1/",
        "acceptance": ["open \"/\"", "see heading \"Notes\"", "see text \"3 notes\""]
    }));
    let ended = daemon.ended(&task);
    assert_eq!(ended["status"], "completed", "{ended:#}\n{}", site.log());
    assert_eq!(ended["iteration"], 4, "phase executions since the reviewer's no");
    let rejected: Vec<_> =
        daemon.events(&task).into_iter().filter(|event| event["result"]["outcome"] == "rejected").collect();
    assert_eq!(rejected.len(), 1);
    assert_eq!(rejected[0]["result"]["findings"][0]["file"], "app.py");
    let branch = format!("chimera/{task}");
    let patch = git(&site.path().join("notes"), &["diff", "main", &branch, "--", "app.py"]);
    assert!(patch.contains("len(NOTES)") && !patch.contains("breakpoint"), "{patch}");
}

#[test]
fn a_coding_tool_that_changes_nothing_has_not_passed() {
    let site = notebook();
    let daemon = site.start_as(&["start-all", "--port", "0"], &[("CODING_TOOL", "cat")]);
    let task = daemon.submit(&json!({
        "feature": "Visitors can see how many notes there are",
        "target_url": "http://127.0.0.1:1/",
        "acceptance": ["open \"/\"", "see text \"3 notes\""]
    }));
    let ended = daemon.ended(&task);
    assert_eq!((&ended["status"], &ended["reason"]), (&json!("failed"), &json!("no_change")), "{ended:#}");
    assert!(ended["error"].as_str().expect("told").contains("changed 0 files"), "{ended:#}");
}
