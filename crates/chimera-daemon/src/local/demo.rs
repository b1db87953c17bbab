//! The stage of `demo`: an example shop in a repository of its own, served as production.

use crate::config::{self, Config, Flags};
use anyhow::{Context, Result, bail};
use axum::Router;
use chimera_agent::workspace::Workspaces;
use include_dir::{Dir, DirEntry, File, include_dir};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tokio::net::TcpListener;
use tower_http::services::ServeDir;

/// The shop as it is before anybody asks for anything.
static SHOP: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../examples/bookshop");
/// What is asked for.
const REQUEST: &str = include_str!("../../../../examples/demo-request.json");
/// Marks a directory that an earlier demo made, and this one may make anew.
const MARK: &str = ".chimera-demo";

/// The demo, ready to begin.
pub struct Stage {
    /// The directory that holds everything.
    pub dir: PathBuf,
    /// The shop's repository.
    pub repository: PathBuf,
    /// Where the shop is served as it was.
    pub production: String,
    /// The daemon's configuration, which lies in the directory, too.
    pub config: Config,
    /// The request to submit.
    pub request: Value,
}

/// Makes the directory anew, with the shop's repository, and serves the shop on loopback for as long as the
/// runtime lives. The tools stay where they are.
///
/// # Errors
/// If the directory holds anything else, or cannot be written.
pub async fn stage(dir: &Path, tools_dir: &Path, environment: BTreeMap<String, String>) -> Result<Stage> {
    let dir = clear(dir)?;
    let repository = dir.join("bookshop");
    let production = serve(&repository).await.context("cannot serve the shop")?;
    let config = configure(&dir, &production, tools_dir, environment)?;
    begin(&config).await.context("cannot make the shop's repository")?;
    let mut request: Value = serde_json::from_str(REQUEST).context("the demo's request is broken")?;
    request["target_url"] = format!("{production}/").into();
    Ok(Stage { dir, repository, production, config, request })
}

/// An empty directory at this place, and its absolute path.
fn clear(dir: &Path) -> Result<PathBuf> {
    let shown = dir.display();
    if dir.join(MARK).is_file() {
        std::fs::remove_dir_all(dir).with_context(|| format!("cannot clear the earlier demo in {shown}"))?;
    } else if dir.exists() && std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
        bail!("{shown} holds something that no demo made: name another directory with --dir");
    }
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create {shown}"))?;
    std::fs::write(dir.join(MARK), "Made by `chimera-daemon demo`, which may replace it.\n")
        .with_context(|| format!("cannot write to {shown}"))?;
    dir.canonicalize().with_context(|| format!("cannot find {shown} again"))
}

async fn begin(config: &Config) -> Result<()> {
    let mut files = Vec::new();
    gather(&SHOP, &mut files);
    let files: Vec<(&str, &[u8])> =
        files.into_iter().filter_map(|file| Some((file.path().to_str()?, file.contents()))).collect();
    let workspaces = Workspaces::new(&config.data_dir)?;
    for project in &config.projects {
        workspaces.scratch(project, &files).await?;
    }
    Ok(())
}

fn gather<'a>(dir: &'a Dir<'a>, files: &mut Vec<&'a File<'a>>) {
    for entry in dir.entries() {
        match entry {
            DirEntry::Dir(dir) => gather(dir, files),
            DirEntry::File(file) => files.push(file),
        }
    }
}

async fn serve(root: &Path) -> Result<String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let app = Router::new().fallback_service(ServeDir::new(root));
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(format!("http://{address}"))
}

fn configure(
    dir: &Path,
    production: &str,
    tools_dir: &Path,
    environment: BTreeMap<String, String>,
) -> Result<Config> {
    let tools = toml::Value::from(tools_dir.to_string_lossy().as_ref());
    let text = format!(
        "# The configuration of the demo.\ndata_dir = \"data\"\ntools_dir = {tools}\n\n[api]\nport = 0\n\n\
         [[project]]\nname = \"bookshop\"\nrepo = \"bookshop\"\nurls = [\"{production}\"]\n"
    );
    let path = dir.join(config::FILE_NAME);
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    // Nothing but this file and the way to the tools: a variable for the user's own daemon must not lead
    // the demo to that daemon's data.
    let own = |name: &String| !name.starts_with("CHIMERA_");
    let environment = environment.into_iter().filter(|(name, _)| own(name)).collect();
    let flags = Flags { config: Some(path), ..Flags::default() };
    Ok(config::load(&flags, environment, dir)?)
}
