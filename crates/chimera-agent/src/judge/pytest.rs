//! pytest with pytest-playwright, as the judge runs it.

use super::room::Room;
use super::{JudgeError, Trial};
use crate::toolchain::Toolchain;

/// Our parts inside of pytest, which lie beside each other.
const PARTS: [(&str, &str); 2] = [
    ("chimera_judge.py", include_str!("chimera_judge.py")),
    ("chimera_seen.py", include_str!("chimera_seen.py")),
];

/// Lays out everything but the test.
pub(super) fn lay_out(room: &Room) -> Result<(), JudgeError> {
    for (name, content) in PARTS {
        let path = room.at("plugin").join(name);
        std::fs::write(&path, content).map_err(JudgeError::io(&path))?;
    }
    Ok(())
}

pub(super) fn argv(room: &Room, trial: &Trial<'_>, tools: &Toolchain) -> Vec<String> {
    let mut argv = vec![tools.python.display().to_string()];
    let fixed = "-m pytest -q --tb=short --disable-warnings --color=no -c /dev/null --rootdir . --confcutdir . \
                 -p no:cacheprovider -p pytest_playwright.pytest_playwright -p chimera_judge \
                 -o enable_assertion_pass_hook=true --browser chromium --screenshot on";
    argv.extend(fixed.split_whitespace().map(str::to_owned));
    if trial.recorded {
        argv.extend(["--tracing", "on"].map(str::to_owned));
    }
    if trial.recorder(tools).is_some() {
        argv.extend(["--video", "on"].map(str::to_owned));
    }
    argv.extend(["--base-url".to_owned(), room.origin().to_owned()]);
    argv.extend(["--output".to_owned(), room.at("artifacts").display().to_string()]);
    argv.push(trial.test_name.to_owned());
    argv
}

/// Variables beside those of every run.
pub(super) fn env(room: &Room, tools: &Toolchain) -> Vec<(&'static str, String)> {
    vec![
        ("PYTHONPATH", room.at("plugin").display().to_string()),
        ("NODE_COMPILE_CACHE", tools.node_cache().display().to_string()),
        ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
        ("PYTHONNOUSERSITE", "1".to_owned()),
        ("PYTHONSAFEPATH", "1".to_owned()),
        ("PYTHONHASHSEED", "0".to_owned()),
        ("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1".to_owned()),
    ]
}

/// What the plugin is told on standard input, where no test sees it.
pub(super) fn instructions(room: &Room, trial: &Trial<'_>, tools: &Toolchain, port: u16) -> String {
    let mut told = room.instructions(trial, tools, port);
    told["token"] = room.token.as_str().into();
    told["report"] = serde_json::json!(room.report());
    told.to_string()
}
