//! Playwright Test, as the judge runs it.
//!
//! Our main process (`chimera_run.cjs`) reads its instructions from standard input and starts the runner, with our
//! configuration and our reporter. The test runs in a worker of the runner's, which knows neither of them.

use super::room::Room;
use super::{JudgeError, Trial};
use crate::toolchain::{PlaywrightTest, Toolchain};
use std::path::PathBuf;

/// Our parts of a run, which lie beside each other.
const PARTS: [(&str, &str); 6] = [
    (MAIN, include_str!("chimera_run.cjs")),
    ("chimera_reporter.cjs", include_str!("chimera_reporter.cjs")),
    ("chimera.config.cjs", include_str!("chimera.config.cjs")),
    ("chimera_worker.cjs", include_str!("chimera_worker.cjs")),
    ("chimera_still.cjs", include_str!("chimera_still.cjs")),
    ("chimera_seen.cjs", include_str!("chimera_seen.cjs")),
];
const MAIN: &str = "chimera_run.cjs";
/// What stands for the files of a project that the runner looks for in every directory above the test.
const NOTHING: &str = "{}\n";

/// The tools, or what to do about their lack.
pub(super) fn tools(tools: &Toolchain) -> Result<&PlaywrightTest, JudgeError> {
    tools.playwright_test.as_ref().ok_or_else(|| {
        let setup = "run `chimera-daemon setup --playwright-test`";
        JudgeError::Tool(format!("Playwright Test is not installed: {setup}"))
    })
}

/// Lays out everything but the test.
pub(super) fn lay_out(room: &Room, installed: &Toolchain) -> Result<(), JudgeError> {
    let modules = installed_modules(installed)?;
    let link = room.at("node_modules");
    std::os::unix::fs::symlink(modules, &link).map_err(JudgeError::io(&link))?;
    let plugin = room.at("plugin");
    let nothing = [(room.at("package.json"), NOTHING), (plugin.join("tsconfig.json"), NOTHING)];
    let parts = PARTS.map(|(name, content)| (plugin.join(name), content));
    for (path, content) in parts.into_iter().chain(nothing) {
        std::fs::write(&path, content).map_err(JudgeError::io(&path))?;
    }
    Ok(())
}

fn installed_modules(installed: &Toolchain) -> Result<PathBuf, JudgeError> {
    let modules = tools(installed)?.dir.join("node_modules");
    if modules.is_dir() {
        return Ok(modules);
    }
    Err(JudgeError::Tool(format!("Playwright Test is gone from {}", modules.display())))
}

/// Leaves what the configuration reads. The worker reads it, too: there is no token in it.
pub(super) fn settings(
    room: &Room,
    trial: &Trial<'_>,
    tools: &Toolchain,
    port: u16,
) -> Result<(), JudgeError> {
    let mut settings = room.instructions(trial, tools, port);
    settings["test_dir"] = serde_json::json!(room.at("test"));
    settings["seen"] = serde_json::json!(seen(room));
    settings["artifacts"] = serde_json::json!(room.at("artifacts"));
    settings["trace"] = trial.recorded.into();
    settings["video"] = trial.recorder(tools).is_some().into();
    let path = room.at("plugin").join("settings.json");
    std::fs::write(&path, settings.to_string()).map_err(JudgeError::io(&path))
}

pub(super) fn argv(room: &Room, installed: &Toolchain) -> Result<Vec<String>, JudgeError> {
    let node = &tools(installed)?.node;
    Ok([node, &room.at("plugin").join(MAIN)].map(|path: &PathBuf| path.display().to_string()).to_vec())
}

/// Variables beside those of every run.
pub(super) fn env(installed: &Toolchain) -> Result<Vec<(&'static str, String)>, JudgeError> {
    let cache = tools(installed)?.cache().display().to_string();
    Ok(vec![("NODE_COMPILE_CACHE", cache), ("NO_COLOR", "1".to_owned()), ("FORCE_COLOR", "0".to_owned())])
}

/// What our main process is told on standard input, where no test sees it.
pub(super) fn instructions(room: &Room, trial: &Trial<'_>) -> String {
    let mut told = super::report::bounds();
    told["token"] = room.token.as_str().into();
    told["report"] = serde_json::json!(room.report());
    told["seen"] = serde_json::json!(seen(room));
    told["test_file"] = trial.test_name.into();
    told.to_string()
}

/// Where the worker notes what its pages were like, for the reporter. No verdict rests on it.
fn seen(room: &Room) -> PathBuf {
    room.at("tmp").join("seen.jsonl")
}
