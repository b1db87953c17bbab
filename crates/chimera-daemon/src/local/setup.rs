//! `setup`: installs what the judge needs.

use crate::config::Config;
use crate::wiring;
use anyhow::Result;
use chimera_agent::toolchain;

/// Installs what is missing, telling each step to `tell`. Packages of the system are installed with `yes`, as
/// root, on Debian and its relatives; otherwise each missing one is named with the way to get it.
///
/// # Errors
/// What is missing or failed, with the remedy.
pub async fn setup(config: &Config, yes: bool, mut tell: impl FnMut(String) + Send) -> Result<()> {
    let mut progress = |step: toolchain::Step| tell(step.to_string());
    let tools = toolchain::setup(&wiring::tools(config), yes, &mut progress).await?;
    tell(format!("ready: {}, {}, {}", tools.chromium.display(), tools.git.display(), tools.python.display()));
    Ok(())
}
