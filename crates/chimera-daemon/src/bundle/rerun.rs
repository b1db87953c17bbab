//! Repeats red and green from a bundle and a repository, with the judge of this machine.
//!
//! The commits come from the repository, the test from the bundle. First it is seen whether the two belong together: the
//! diff between the commits is the one that was delivered, and the test at the head is the frozen one. Then base and
//! head are served as the bundle says, and the test runs on both.

use super::verify::Checked;
use chimera_agent::judge::{Judge, STILL_WAIT, Scene, Trial};
use chimera_agent::process::environment;
use chimera_agent::scratch::Scratch;
use chimera_agent::spec::{E2e, Project, Staging as Spec};
use chimera_agent::staging::{Deploy, Staging};
use chimera_agent::toolchain::{self, Search};
use chimera_agent::vault::sha256;
use chimera_agent::workspace::{Workspaces, Worktree};
use chimera_core::{Digest, GreenProof, GreenRuns, RedProof, RedRuns, TaskId, TestReport, UnixMillis};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Component, Path};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use url::Url;

/// Longest run of the test: the daemon's own limit.
const LONGEST_RUN: Duration = Duration::from_secs(180);
/// How long what is served may live: longer than all runs together; it ends with them.
const SERVED: Duration = Duration::from_secs(60 * 60);

/// What is needed besides the bundle.
#[derive(Debug)]
pub struct Means<'a> {
    /// Path or URL of the repository.
    pub repo: &'a str,
    /// Where the judge's tools are.
    pub tools: Search,
    /// This process' environment, from which builds and servers see `PATH`.
    pub environment: BTreeMap<String, String>,
    /// The time now.
    pub now: UnixMillis,
}

/// The runs were not repeated, or showed something else.
#[derive(Debug, thiserror::Error)]
pub enum Unrepeated {
    /// They could not take place here.
    #[error("the runs cannot be repeated here: {0}")]
    Impossible(String),
    /// They showed something else than the bundle says.
    #[error("repeated on this machine, it is not so: {0}")]
    Otherwise(String),
}

fn impossible(why: impl Display) -> Unrepeated {
    Unrepeated::Impossible(why.to_string())
}

/// What the bundle would have run on this machine, for people to read before they agree.
pub fn would_run(checked: &Checked) -> String {
    let mut text = String::new();
    if let Some(build) = checked.dossier.project.staging.as_ref().and_then(Spec::build) {
        text.push_str(&format!("sh -c (in each commit, first): {build}\n"));
    }
    match &checked.dossier.project.staging {
        Some(Spec::Start(server)) => {
            text.push_str(&format!("sh -c (in each commit): {}\n", server.start));
        }
        Some(Spec::Static { static_dir, .. }) => {
            text.push_str(&format!("the files in {static_dir} are served\n"));
        }
        Some(Spec::Agent { .. }) | None => {}
    }
    let path = checked.dossier.task.artifacts.test_path.as_deref().unwrap_or_default();
    let source = String::from_utf8_lossy(checked.test.as_deref().unwrap_or_default()).into_owned();
    text + &format!("the test {path}:\n\n{source}")
}

/// Repeats the runs and says, sentence by sentence, what they showed.
///
/// # Errors
/// [`Unrepeated`].
pub async fn rerun(checked: &Checked, means: &Means<'_>) -> Result<Vec<String>, Unrepeated> {
    let have = &checked.dossier.task.artifacts;
    let (Some(red), Some(green), Some(test)) = (&have.red, &have.green, &checked.test) else {
        return Err(impossible("the bundle proves no delivery"));
    };
    let staging = match &checked.dossier.project.staging {
        Some(Spec::Agent { agent, .. }) => {
            return Err(impossible(format!("the agent `{agent}` deployed it")));
        }
        Some(Spec::Static { static_dir, .. }) if !is_below(static_dir) => {
            return Err(impossible(format!("`{static_dir}` is no directory of the repository")));
        }
        Some(staging) => staging,
        None => return Err(impossible("the bundle does not say how the application is served")),
    };
    let tools = toolchain::locate(&means.tools).map_err(|missing| {
        let names: Vec<_> = missing.iter().map(|missing| missing.name).collect();
        impossible(format!("{} missing: run `chimera-daemon setup`", names.join(", ")))
    })?;
    let scratch = Scratch::system();
    let dir = scratch.dir().map_err(impossible)?;
    let task = TaskId::parse(&checked.dossier.task.task_id).map_err(impossible)?;
    let worktree = worktree(checked, means, dir.path(), &task).await?;
    let mut said = vec![belongs(checked, &worktree).await?];
    let path = have.test_path.as_deref().unwrap_or_default();
    let name = Path::new(path).file_name().and_then(|name| name.to_str()).unwrap_or("test_frozen.py");
    let host = red.origin().and_then(name_of);
    let rooms = Staging::new(dir.path());
    let stage = Stage { dir: dir.path(), task: &task, frozen: path.to_owned(), means, staging, host, rooms };
    let allow_hosts = &checked.dossier.project.allow_hosts;
    let court =
        Court { judge: Judge::new(tools).with_scratch(scratch), name, test, allow_hosts, dir: dir.path() };
    let shown = show(&stage, &court, &worktree, (red, green)).await;
    stage.rooms.shutdown(&CancellationToken::new()).await;
    said.extend(shown?);
    Ok(said)
}

/// Whether a path stays below where it begins.
fn is_below(path: &str) -> bool {
    Path::new(path).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

/// The host of an origin, unless it is the address of a staged server.
fn name_of(origin: &str) -> Option<String> {
    let url = Url::parse(origin).ok()?;
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    url.domain().map(|name| format!("{name}{port}"))
}

/// The branch of the change, from the repository.
async fn worktree(
    checked: &Checked,
    means: &Means<'_>,
    dir: &Path,
    task: &TaskId,
) -> Result<Worktree, Unrepeated> {
    let branch = task.branch();
    let project =
        Project { base_branch: branch.clone(), push: false, ..Project::plain("rerun", means.repo, 0) };
    let head = checked
        .dossier
        .task
        .artifacts
        .head_commit
        .as_ref()
        .ok_or_else(|| impossible("there is no commit"))?;
    let workspaces = Workspaces::new(dir).map_err(impossible)?;
    workspaces.prepare(&project).await.map_err(|err| impossible(format!("{branch}: {err}")))?;
    workspaces.worktree(&project, task, 0, head).await.map_err(impossible)
}

/// Whether the repository has the change that the bundle is about.
async fn belongs(checked: &Checked, worktree: &Worktree) -> Result<String, Unrepeated> {
    let have = &checked.dossier.task.artifacts;
    let (Some(base), Some(head), Some(path)) = (&have.base_commit, &have.head_commit, &have.test_path) else {
        return Err(impossible("the bundle names no commits"));
    };
    let patch = worktree.patch(base, head).await.map_err(impossible)?;
    if Some(&sha256(&patch)) != have.diff.as_ref() {
        let why = format!("the difference between {} and {} is another", base.short(), head.short());
        return Err(Unrepeated::Otherwise(why));
    }
    let at_head = worktree.file_at(head, path).await.map_err(impossible)?;
    if at_head.map(|source| sha256(&source)) != have.test_sha256 {
        return Err(Unrepeated::Otherwise(format!("{path} at {} is another test", head.short())));
    }
    Ok(format!(
        "The repository has the change: the difference between {} and {} is the diff in the bundle, the test is the \
         frozen one.",
        base.short(),
        head.short()
    ))
}

/// Where commits are served.
struct Stage<'a> {
    dir: &'a Path,
    task: &'a TaskId,
    /// The path of the test: it is not served, as it was not when it was judged.
    frozen: String,
    means: &'a Means<'a>,
    staging: &'a Spec,
    /// The name under which the application expects to be asked.
    host: Option<String>,
    rooms: Staging,
}

impl Stage<'_> {
    async fn serve(&self, worktree: &Worktree, commit: &Digest) -> Result<String, Unrepeated> {
        let source = self.dir.join("source");
        std::fs::create_dir_all(&source).map_err(impossible)?;
        let frozen = std::slice::from_ref(&self.frozen);
        worktree.export_without(commit, &source, frozen).await.map_err(impossible)?;
        let deploy = Deploy {
            task: self.task,
            revision: commit,
            source: &source,
            spec: self.staging,
            host: self.host.as_deref(),
            port: None,
            ttl: SERVED,
            now: self.means.now,
            log: &self.dir.join("staging.log"),
            environment: &|home| environment::fresh(&self.means.environment, &[], home),
        };
        let served = self.rooms.deploy(deploy, &CancellationToken::new()).await.map_err(impossible)?;
        Ok(served.url)
    }
}

/// What runs the test.
struct Court<'a> {
    judge: Judge,
    name: &'a str,
    test: &'a [u8],
    allow_hosts: &'a [String],
    dir: &'a Path,
}

impl Court<'_> {
    /// Runs the test where it sees the application at `origin`.
    async fn run(&self, origin: &str, scene: Scene<'_>, label: &str) -> Result<TestReport, Unrepeated> {
        let trial = Trial {
            e2e: E2e::of(self.name),
            test_name: self.name,
            test: self.test,
            origin,
            scene,
            allow_hosts: self.allow_hosts,
            out_dir: &self.dir.join("runs"),
            label,
            timeout: LONGEST_RUN,
            still_wait: STILL_WAIT,
            recorded: false,
        };
        let run = self.judge.run(&trial, &CancellationToken::new()).await;
        run.map(|run| run.report).map_err(impossible)
    }
}

/// Red on the base, green on the head, red again on the base, at one origin; red on the control pages there, too.
async fn show(
    stage: &Stage<'_>,
    court: &Court<'_>,
    worktree: &Worktree,
    (red, green): (&RedProof, &GreenProof),
) -> Result<[String; 3], Unrepeated> {
    let (test, now) = (red.test_sha256(), stage.means.now);
    let at = stage.serve(worktree, red.revision()).await?;
    let origin = red.origin().unwrap_or(&at).to_owned();
    let base = court.run(&origin, served(&at), "red").await?;
    let blank = court.run(&origin, Scene::Blank, "control-blank").await?;
    let error = court.run(&origin, Scene::Error, "control-error").await?;
    let runs = RedRuns { base: &base, blank: &blank, error: &error };
    let again = RedProof::judge(&runs, test.clone(), red.revision().clone(), now)
        .map_err(|why| Unrepeated::Otherwise(format!("no red on {}: {why}", red.revision().short())))?;
    if again.test_ids() != red.test_ids() {
        return Err(Unrepeated::Otherwise(format!("{:?} ran, not {:?}", again.test_ids(), red.test_ids())));
    }
    let mut passes = Vec::new();
    for number in 1..=green.runs() {
        let at = stage.serve(worktree, green.revision()).await?;
        passes.push(court.run(&origin, served(&at), &format!("green-{number}")).await?);
    }
    let at = stage.serve(worktree, red.revision()).await?;
    let base_again = court.run(&origin, served(&at), "control-base").await?;
    let runs = GreenRuns { passes: &passes, base_again: &base_again };
    GreenProof::judge(&again, &runs, green.runs(), test.clone(), green.revision().clone(), now)
        .map_err(|why| Unrepeated::Otherwise(format!("no green on {}: {why}", green.revision().short())))?;
    Ok([
        format!("Red again: the test fails by its own assertions on {}.", red.revision().short()),
        format!("Green again: it passes {} times in a row on {}.", green.runs(), green.revision().short()),
        format!(
            "Controls again: it fails on a blank page and on an error page, and on {} after all that.",
            red.revision().short()
        ),
    ])
}

fn served(at: &str) -> Scene<'_> {
    Scene::Served { at, keep_host: true }
}
