//! The look at a test before it is frozen: parsed by its own language's parser, never imported.
//!
//! What the rules are, and what a test author has to do for them, is in `docs/proof.md` and `docs/agents.md`.

pub(crate) mod rules;

use super::{JudgeError, playwright};
use crate::criteria;
use crate::process::{self, Exit, SpawnError, Spec};
use crate::scratch::Scratch;
use crate::spec::E2e;
use crate::toolchain::Toolchain;
use chimera_core::{Finding, Severity, limits};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Reads Python.
const PYTHON: &str = include_str!("chimera_check.py");
/// Reads TypeScript.
const TYPESCRIPT: &str = include_str!("chimera_check.cjs");
/// Longest look: parsing the largest test takes a fraction of a second.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Most output of a look: every finding of the largest test.
const OUTPUT_BYTES: u64 = 4 << 20;

/// What is wrong with a test, in the order of its lines.
///
/// # Errors
/// [`JudgeError`] if the parser cannot be started or does not answer.
pub(super) async fn inspect(
    (tools, scratch): (&Toolchain, &Scratch),
    e2e: E2e,
    test: &[u8],
    criteria: &[String],
    stop: &CancellationToken,
) -> Result<Vec<Finding>, JudgeError> {
    let Ok(source) = std::str::from_utf8(test) else {
        return Ok(vec![finding(1, "syntax", "the file is no UTF-8")]);
    };
    let dir = scratch.dir().map_err(JudgeError::io(scratch.place()))?;
    let log = dir.path().join("found");
    let criteria: Vec<(&str, bool)> =
        criteria.iter().map(|text| (text.as_str(), answered_by_an_action(text))).collect();
    let spec = Spec {
        argv: argv(tools, e2e, dir.path())?,
        cwd: dir.path().to_owned(),
        env: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
        stdin: serde_json::json!({ "source": source, "criteria": criteria }).to_string().into_bytes(),
        log: log.clone(),
        timeout: TIMEOUT,
        stall: None,
        grace: Duration::ZERO,
        output_cap: OUTPUT_BYTES,
    };
    match process::run(&spec, stop).await {
        Ok(Exit::Code(0)) => {}
        Ok(Exit::Stopped) => return Err(JudgeError::Stopped),
        Ok(Exit::TimedOut) => return Ok(vec![finding(1, "syntax", "the file cannot be read in time")]),
        Ok(exit) => return Err(broken(format!("{exit:?}: {}", super::report::tail(&log)))),
        Err(SpawnError::Program { program, source }) if process::is_passing(&source) => {
            return Err(JudgeError::Io { path: program.into(), source });
        }
        Err(err) => return Err(broken(err.to_string())),
    }
    let found = std::fs::read(&log).map_err(JudgeError::io(&log))?;
    let found: Vec<(u32, String, String)> =
        serde_json::from_slice(&found).map_err(|err| broken(err.to_string()))?;
    Ok(found.iter().take(limits::FINDINGS).map(|(line, rule, why)| finding(*line, rule, why)).collect())
}

/// Whether a criterion of our own grammar asks to do something: the doing itself fails where it cannot be done.
fn answered_by_an_action(criterion: &str) -> bool {
    criteria::parse(criterion).is_ok_and(|parsed| !parsed.is_assertion())
}

/// The reader of a language, with the parser that its test runner uses.
fn argv(tools: &Toolchain, e2e: E2e, dir: &Path) -> Result<Vec<String>, JudgeError> {
    let (program, flags, name, script, parser) = match e2e {
        E2e::Pytest => (&tools.python, &["-I", "-S"][..], "chimera_check.py", PYTHON, None),
        E2e::PlaywrightTest => {
            let installed = playwright::tools(tools)?;
            (&installed.node, &[][..], "chimera_check.cjs", TYPESCRIPT, Some(installed.parser()))
        }
    };
    let path = dir.join(name);
    std::fs::write(&path, script).map_err(JudgeError::io(&path))?;
    let mut argv = vec![program.display().to_string()];
    argv.extend(flags.iter().map(|flag| (*flag).to_owned()));
    argv.push(path.display().to_string());
    argv.extend(parser.map(|parser| parser.display().to_string()));
    Ok(argv)
}

fn broken(why: impl std::fmt::Display) -> JudgeError {
    JudgeError::Tool(format!("the test cannot be read before it is frozen: {why}"))
}

fn finding(line: u32, rule: &str, why: &str) -> Finding {
    let mut message = format!("{rule}: {why}");
    limits::truncate(&mut message, limits::SUMMARY_BYTES);
    Finding { file: None, line: Some(line), severity: Severity::Error, message }
}
