//! `setup`: installs what the judge needs.

use crate::config::Config;
use crate::wiring;
use anyhow::Result;
use chimera_agent::toolchain;

/// Installs what is missing, telling each step to `tell`; Playwright Test, too, if a project needs it or if it is
/// asked for. Packages of the system are installed with `yes`, as
/// root, on Debian and its relatives; otherwise each missing one is named with the way to get it.
///
/// # Errors
/// What is missing or failed, with the remedy.
pub async fn setup(
    config: &Config,
    yes: bool,
    playwright_test: bool,
    mut tell: impl FnMut(String) + Send,
) -> Result<()> {
    let mut progress = |step: toolchain::Step| tell(step.to_string());
    let mut search = wiring::tools(config);
    search.playwright_test |= playwright_test;
    let tools = toolchain::setup(&search, yes, &mut progress).await?;
    tell(format!("ready: {}, {}, {}", tools.chromium.display(), tools.git.display(), tools.python.display()));
    if let Some(installed) = tools.playwright_test {
        tell(format!("ready for Playwright Test: {}", installed.dir.display()));
    }
    Ok(())
}
