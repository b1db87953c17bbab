//! Tells people what is there.

use super::{Missing, Search, browser, find, node, python, step, video};
use std::path::Path;

/// What was found out about one tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Which tool.
    pub name: &'static str,
    /// Whether it will do.
    pub status: Status,
    /// Version and path, or what was looked for.
    pub detail: String,
    /// How to make it right; empty if it is.
    pub remedy: String,
}

/// Whether a tool will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It is there and it answers.
    Ok,
    /// It is not there, or it does not start.
    Missing,
    /// It is there in another version than needed.
    Outdated,
    /// It will do, and should be brought up to date: the remedy says how.
    Old,
    /// It is not there, or it does not start, and deliveries do without it.
    Optional,
}

/// Looks for every tool and asks it for its version.
pub async fn inspect(search: &Search) -> Vec<Check> {
    let chromium = browser::inspect(search).await;
    let git = git(search).await;
    let base = match python::base(search).await {
        Ok((path, version)) => Check::ok("Python", &format!("Python {version}"), &path),
        Err(absent) => Check::missing(absent),
    };
    let mut checks = vec![chromium, git, base, environment(search).await];
    checks.extend(playwright_test(search).await);
    checks.push(recorder(search).await);
    checks
}

/// Nothing if it is neither there nor needed.
async fn playwright_test(search: &Search) -> Option<Check> {
    const NAME: &str = "Playwright Test";
    let Some(installed) = node::installed(search) else {
        let status = if node::exists(search) { Status::Outdated } else { Status::Missing };
        return search.playwright_test.then(|| Check { status, ..Check::missing(node::missing(search)) });
    };
    let argv = vec![installed.node.display().to_string(), "--version".to_owned()];
    let remedy = "delete it and run `chimera-daemon setup --playwright-test`";
    Some(match (node::version(&installed), step::answer(argv, &search.env).await) {
        (Some(own), Some(node)) => Check::ok(NAME, &format!("{own} on Node.js {node}"), &installed.dir),
        _ => Check::broken(NAME, &installed.dir, remedy),
    })
}

/// Runs are made without video where there is none.
async fn recorder(search: &Search) -> Check {
    const NAME: &str = "ffmpeg";
    let without = |detail: String| Check {
        name: NAME,
        status: Status::Optional,
        detail,
        remedy: "test runs are made without video; `chimera-daemon setup` installs what records it"
            .to_owned(),
    };
    let Some(program) = video::program(search) else {
        let place = search.tools_dir.join("video");
        return without(format!("no videos: looked for {}", place.display()));
    };
    let argv = vec![program.display().to_string(), "-version".to_owned()];
    match step::answer(argv, &search.env).await {
        Some(said) => Check::ok(NAME, said.split(" Copyright").next().unwrap_or_default(), &program),
        None => without(format!("no videos: {} does not start", program.display())),
    }
}

async fn environment(search: &Search) -> Check {
    match find::environment(search) {
        Ok(python) => {
            let script = "import importlib.metadata as m; \
                          print(*(f'{n} {m.version(n)}' for n in ('pytest', 'pytest-playwright', 'playwright')), sep=', ')";
            let argv = vec![python.display().to_string(), "-c".to_owned(), script.to_owned()];
            match step::answer(argv, &search.env).await {
                Some(versions) => Check::ok("Python environment", &versions, &search.venv()),
                None => Check::broken(
                    "Python environment",
                    &search.venv(),
                    "delete it and run `chimera-daemon setup`",
                ),
            }
        }
        Err(absent) if python::exists(&search.venv()) => {
            Check { status: Status::Outdated, ..Check::missing(absent) }
        }
        Err(absent) => Check::missing(absent),
    }
}

async fn git(search: &Search) -> Check {
    const NAME: &str = "git";
    match find::git(search) {
        Ok(path) => {
            match step::answer(vec![path.display().to_string(), "--version".to_owned()], &search.env).await {
                Some(version) => Check::ok(NAME, version.lines().last().unwrap_or_default(), &path),
                None => Check::broken(NAME, &path, "reinstall it; `--version` fails"),
            }
        }
        Err(absent) => Check::missing(absent),
    }
}

impl Check {
    pub(super) fn ok(name: &'static str, version: &str, path: &Path) -> Self {
        let detail = format!("{} ({})", version.trim(), path.display());
        Self { name, status: Status::Ok, detail, remedy: String::new() }
    }

    pub(super) fn broken(name: &'static str, path: &Path, remedy: &str) -> Self {
        let detail = format!("{} does not start", path.display());
        Self { name, status: Status::Missing, detail, remedy: remedy.to_owned() }
    }

    pub(super) fn missing(absent: Missing) -> Self {
        let detail = format!("looked for {}", absent.looked_for);
        Self { name: absent.name, status: Status::Missing, detail, remedy: absent.remedy }
    }
}
