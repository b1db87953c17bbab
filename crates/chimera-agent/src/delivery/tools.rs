//! Which tools are missing here, so that tasks wait for them instead of failing.
//!
//! The disk is looked at often, which costs nothing. Once a tool that is there did not work, each look also starts the
//! tools to see whether they do, until they do.

use super::Settings;
use crate::spec::E2e;
use crate::toolchain::{self, Missing, Status};
use chimera_core::Phase;
use chimera_core::gates::MissingTool;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::watch;

/// The phases in which the judge works.
const JUDGED: [Phase; 2] = [Phase::E2eTestGeneration, Phase::E2eValidation];
/// What a delivery goes on without: the interpreter that made our environment, and what records videos.
const UNNEEDED: [&str; 2] = ["Python", "ffmpeg"];

/// What is known about the tools.
pub(super) struct Tools {
    missing: watch::Sender<Vec<MissingTool>>,
    /// A tool that is there did not work.
    suspect: AtomicBool,
}

impl Tools {
    pub(super) fn new() -> Self {
        Self { missing: watch::Sender::new(Vec::new()), suspect: AtomicBool::new(false) }
    }

    pub(super) fn missing(&self) -> watch::Receiver<Vec<MissingTool>> {
        self.missing.subscribe()
    }

    /// Looks at the disk and, if a tool did not work, whether it does now. True if nothing is missing.
    pub(super) async fn look(&self, settings: &Settings) -> bool {
        let mut missing = on_disk(settings);
        if missing.is_empty() && self.suspect.load(Ordering::Relaxed) {
            missing = started(settings).await;
            self.suspect.store(!missing.is_empty(), Ordering::Relaxed);
        }
        self.set(missing)
    }

    /// Looks at the disk at once, as something was just not found there.
    pub(super) fn not_found(&self, settings: &Settings) {
        self.set(on_disk(settings));
    }

    /// A tool did not work although it is there: the next looks start it.
    pub(super) fn did_not_work(&self) {
        self.suspect.store(true, Ordering::Relaxed);
    }

    fn set(&self, missing: Vec<MissingTool>) -> bool {
        let none = missing.is_empty();
        self.missing.send_if_modified(|known| {
            let changes = *known != missing;
            *known = missing;
            changes
        });
        none
    }
}

fn on_disk(settings: &Settings) -> Vec<MissingTool> {
    match toolchain::locate(&settings.tools) {
        Err(missing) => missing.iter().map(not_there).collect(),
        Ok(tools) if tools.playwright_test.is_some() => Vec::new(),
        Ok(_) => without_playwright_test(
            settings,
            "Playwright Test is missing: run `chimera-daemon setup --playwright-test`",
        ),
    }
}

fn not_there(missing: &Missing) -> MissingTool {
    MissingTool { detail: missing.to_string(), phases: phases(missing.name), project: None }
}

/// The tools that do not start.
async fn started(settings: &Settings) -> Vec<MissingTool> {
    let checks = toolchain::inspect(&settings.tools).await;
    let broken =
        checks.into_iter().filter(|check| check.status == Status::Missing && !UNNEEDED.contains(&check.name));
    let mut missing = Vec::new();
    for check in broken {
        let detail = format!("{}: {}: {}", check.name, check.detail, check.remedy);
        if check.name == "Playwright Test" {
            missing.extend(without_playwright_test(settings, &detail));
        } else {
            missing.push(MissingTool { detail, phases: phases(check.name), project: None });
        }
    }
    missing
}

/// Only some projects need it.
fn without_playwright_test(settings: &Settings, detail: &str) -> Vec<MissingTool> {
    let needing = settings.projects.iter().filter(|project| project.e2e == E2e::PlaywrightTest);
    let missing = |project: &crate::spec::Project| MissingTool {
        detail: detail.to_owned(),
        phases: JUDGED.to_vec(),
        project: Some(project.name.clone()),
    };
    needing.map(missing).collect()
}

/// Git is needed by every phase, the rest by the judge.
fn phases(tool: &str) -> Vec<Phase> {
    if tool == "git" { Phase::WORKING.to_vec() } else { JUDGED.to_vec() }
}
