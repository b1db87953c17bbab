//! Which project a task is about, and where on its site it begins.

use super::bench::Bench;
use super::{Halt, Settings};
use crate::spec::{Project, Staging};
use chimera_core::{Reason, Request, Task};
use url::Url;

/// Projects of this prefix belong to the daemon: it makes their repositories.
const SCRATCH: &str = "scratch-";

/// Most changed lines of a scratch project.
const LARGEST_SCRATCH: u32 = 2_000;

/// The first page of a scratch project: something to be red on.
const PLACEHOLDER: &str = include_str!("placeholder.html");

pub(super) fn project(settings: &Settings, task: &Task) -> Result<Project, Halt> {
    if let Some(project) = settings.projects.iter().find(|project| project.name == task.project) {
        return Ok(project.clone());
    }
    if task.project.starts_with(SCRATCH) {
        return Ok(scratch(settings, &task.project));
    }
    let why = format!("the project `{}` is not configured any more: add it and retry the task", task.project);
    Err(Halt::failed(Reason::Config, why))
}

/// How commits of a project are served: as configured, or as every scratch project is; `None` if it is not
/// configured any more.
pub fn staging_of(projects: &[Project], name: &str) -> Option<Staging> {
    let known = projects.iter().find(|project| project.name == name);
    known.map(|project| project.staging.clone()).or_else(|| name.starts_with(SCRATCH).then(plain_files))
}

fn plain_files() -> Staging {
    Staging::Static { static_dir: ".".to_owned(), build: None }
}

fn scratch(settings: &Settings, name: &str) -> Project {
    let repo = settings.data_dir.join("scratch").join(name);
    Project::plain(name, &repo.to_string_lossy(), LARGEST_SCRATCH)
}

/// Makes the repository of a scratch project, if it is one and there is none on this machine.
pub(super) async fn make_scratch(bench: &Bench<'_>, project: &Project) -> Result<(), Halt> {
    if project.name.starts_with(SCRATCH) {
        let page = [("index.html", PLACEHOLDER.as_bytes())];
        bench.workspaces().scratch(project, &page).await?;
    }
    Ok(())
}

/// The path (with its query) of the target page; `/` if the URL has none.
pub fn start_path(request: &Request) -> String {
    match Url::parse(&request.target_url) {
        Ok(url) => match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        },
        Err(_) => "/".to_owned(),
    }
}
