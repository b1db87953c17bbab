//! E2E_TEST_GENERATION: write the test, freeze it, see it fail on the unchanged application.

use super::agents::ask;
use super::bench::Bench;
use super::halt::Halt;
use super::missed::Missed;
use super::told::About;
use super::trial::{self, Frozen, Stage};
use super::{deploy, place, site, target};
use crate::command::{Answer, Verdict};
use crate::judge::Scene;
use crate::spec::{Agent, E2e, Project, Protocol, Staging};
use crate::workspace::Worktree;
use crate::{author, criteria};
use chimera_core::{
    Digest, EvidenceKind, Finding, NotRed, PhaseOutput, Reason, RedProof, RedRuns, Role, Setback, Severity,
};
use std::io::ErrorKind;

/// Largest frozen test: a test somebody still reads.
const LARGEST_TEST: usize = 256 * 1024;

pub(super) async fn run(bench: &Bench<'_>) -> Result<PhaseOutput, Halt> {
    let project = bench.project()?;
    trial::can_be_judged(&project, "target_url", &bench.task().request.target_url)?;
    target::must_be_allowed(bench, &project)?;
    site::make_scratch(bench, &project).await?;
    let base = bench.workspaces().prepare(&project).await?;
    let worktree = bench.checked_out(&project, &base).await?;
    let path = write_test(bench, &project, &worktree, &base).await?;
    let worktree = worktree.forcing(&path);
    let commit = freeze(bench, &project, &worktree, &base, &path).await?;
    let frozen = load(bench, &project, &worktree, &commit, path).await?;
    if frozen.source.len() > LARGEST_TEST {
        let size = frozen.source.len();
        let why = format!("the test has {size} bytes, more than the {LARGEST_TEST} allowed");
        return Err(refused(bench, Some(&frozen), Setback::new(Reason::RedNotProvable, why)));
    }
    let name = match project.e2e {
        E2e::Pytest => "test.py",
        E2e::PlaywrightTest => "test.spec.ts",
    };
    bench.keep_bytes(EvidenceKind::Test, name, &frozen.source)?;
    if let Some(setback) = trial::inspect(bench, &project, &frozen.path, &frozen.source).await? {
        return Err(refused(bench, Some(&frozen), setback));
    }
    let (red, target_run) = red(bench, &project, &worktree, &base, &frozen).await?;
    Ok(PhaseOutput::E2eTestGeneration {
        test_path: frozen.path,
        test_sha256: frozen.sha256,
        base_commit: base,
        test_commit: commit,
        red,
        target_run,
    })
}

/// Has the test written and gives its path in the repository.
async fn write_test(
    bench: &Bench<'_>,
    project: &Project,
    worktree: &Worktree,
    base: &Digest,
) -> Result<String, Halt> {
    let agent = bench.agent(Role::E2eTester)?;
    match &agent.protocol {
        Protocol::Builtin => write_builtin(bench, project, worktree, base).await,
        Protocol::Command { .. } => match ask(bench, agent, worktree.path(), &About::default()).await? {
            Answer { verdict: Verdict::Passed, test_path: Some(path), .. } => Ok(path),
            Answer { verdict: Verdict::Passed, .. } => {
                Err(misplaced(bench, format!("agent `{}` passed without naming its `test_path`", agent.name)))
            }
            answer => Err(Halt::failed(Reason::RedNotProvable, answer.summary)),
        },
    }
}

async fn write_builtin(
    bench: &Bench<'_>,
    project: &Project,
    worktree: &Worktree,
    base: &Digest,
) -> Result<String, Halt> {
    let request = &bench.task().request;
    let start = site::start_path(&bench.task().request);
    let criteria = if request.acceptance.is_empty() {
        criteria::derive(&request.feature, &start)
    } else {
        criteria::parse_all(&request.acceptance)
            .map_err(|err| Halt::failed(Reason::RedNotProvable, err.to_string()))?
    };
    let test = author::compile(project.e2e, &project.e2e_dir, &request.feature, &criteria, &start);
    let mut path = test.path;
    if worktree.file_at(base, &path).await?.is_some() {
        // Another task has left a test of this name; ours must not replace it.
        let id = bench.task().id.as_str().trim_start_matches("chimera-");
        path = match project.e2e {
            E2e::Pytest => path.replace(".py", &format!("_{id}.py")),
            E2e::PlaywrightTest => path.replace(".spec.ts", &format!("_{id}.spec.ts")),
        };
    }
    let file = worktree.path().join(&path);
    if let Some(dir) = file.parent() {
        std::fs::create_dir_all(dir).map_err(|err| no_place(project, &err))?;
    }
    std::fs::write(&file, test.source)?;
    Ok(path)
}

/// A file of the project stands where the directory of its frozen tests should be.
fn no_place(project: &Project, err: &std::io::Error) -> Halt {
    let dir = &project.e2e_dir;
    match err.kind() {
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => Halt::failed(
            Reason::Config,
            format!(
                "`{dir}` cannot be a directory of project `{}`, because a part of it is a file there: set `e2e_dir`",
                project.name
            ),
        ),
        _ => Halt::transient(Reason::Config, format!("cannot make `{dir}`: {err}")),
    }
}

/// Commits the test, which must be the only thing that changed.
async fn freeze(
    bench: &Bench<'_>,
    project: &Project,
    worktree: &Worktree,
    base: &Digest,
    path: &str,
) -> Result<Digest, Halt> {
    if !place::is_place(project, path) {
        let why = format!("`{path}` is no place for the test: it must be {}", place::places(project));
        return Err(misplaced(bench, why));
    }
    let subject = format!("Add the failing end-to-end test: {}", one_line(&bench.task().request.feature));
    let Some(commit) = bench.commit(worktree, &subject, None).await?.commit else {
        let why = place::nothing_new(&worktree.left_out().await?, "the test author changed nothing");
        return Err(misplaced(bench, why));
    };
    let changes = worktree.changed_files(base, &commit).await?;
    match changes.as_slice() {
        [only] if only.path == path && only.plain => Ok(commit),
        _ => {
            let others: Vec<&str> = changes.iter().map(|change| change.path.as_str()).collect();
            let others = others.join(", ");
            Err(misplaced(bench, format!("the test author may add `{path}` only, but changed {others}")))
        }
    }
}

/// The author has not left a test, or not only that, or not where it belongs.
fn misplaced(bench: &Bench<'_>, why: impl Into<String>) -> Halt {
    refused(bench, None, Setback::new(Reason::AgentError, why))
}

/// The test will not do: its author gets another round with the reason, unless it would write the same test again. The
/// very same test again, or the same mistake before there is one, ends the task.
fn refused(bench: &Bench<'_>, test: Option<&Frozen>, mut setback: Setback) -> Halt {
    if matches!(bench.agent(Role::E2eTester), Ok(Agent { protocol: Protocol::Builtin, .. })) {
        return Halt::failed_with(setback);
    }
    if setback.findings.is_empty() {
        setback.findings = vec![Finding {
            file: test.map(|test| test.path.clone()),
            line: None,
            severity: Severity::Error,
            message: setback.summary.clone(),
        }];
    }
    const SHOWN: [&str; 4] = ["test.py", "test.spec.ts", "red-report.json", "red.png"];
    setback.files = bench.kept(|name| SHOWN.contains(&name));
    setback.fingerprint = Some(match test {
        Some(test) => test.sha256.clone(),
        None => crate::vault::sha256(setback.summary.as_bytes()),
    });
    Halt::rejected(setback)
}

/// The first line of a text, as the subject of a commit.
pub(super) fn one_line(text: &str) -> String {
    let mut line = text.lines().next().unwrap_or_default().trim().to_owned();
    chimera_core::limits::truncate(&mut line, 72);
    line
}

/// Reads the frozen test from a commit.
pub(super) async fn load(
    bench: &Bench<'_>,
    project: &Project,
    worktree: &Worktree,
    commit: &Digest,
    path: String,
) -> Result<Frozen, Halt> {
    let Some(source) = worktree.file_at(commit, &path).await? else {
        return Err(Halt::failed(
            Reason::TestTampered,
            format!("the frozen test `{path}` is gone from {commit}"),
        ));
    };
    let sha256 = crate::vault::sha256(&source);
    match &bench.workflow().artifacts.test_sha256 {
        Some(recorded) if *recorded != sha256 => {
            Err(Halt::failed(Reason::TestTampered, format!("`{path}` is not the frozen test any more")))
        }
        _ => Ok(Frozen { path, source, sha256, e2e: project.e2e }),
    }
}

/// The runs that gate: the base commit, staged where green will be judged, and the controls.
async fn red(
    bench: &Bench<'_>,
    project: &Project,
    worktree: &Worktree,
    base: &Digest,
    frozen: &Frozen,
) -> Result<(RedProof, String), Halt> {
    let at = match &project.staging {
        Staging::Agent { .. } => target::of_base(bench, project)?,
        Staging::Static { .. } | Staging::Start { .. } => {
            let base = deploy::Commit { project, worktree, commit: base, port: None };
            deploy::stage(bench, &bench.rooms.staging, base).await?.url
        }
    };
    let origin = trial::origin(project, &at);
    let run = |scene, label| {
        let stage = Stage { origin: &origin, scene, allow_hosts: &project.allow_hosts };
        trial::run(bench, frozen, stage, label)
    };
    let served = Scene::Served { at: &at, keep_host: true };
    // Two at a time: each holds a browser.
    let (first, second) = tokio::join!(
        async { Ok::<_, Halt>((run(served, "red").await?, run(Scene::Blank, "control-blank").await?)) },
        async {
            Ok::<_, Halt>((
                target::look(bench, project, frozen).await?,
                run(Scene::Error, "control-error").await?,
            ))
        },
    );
    let ((base_run, blank), (target_run, error)) = (first?, second?);
    let runs = RedRuns { base: &base_run, blank: &blank, error: &error };
    let proof = RedProof::judge(&runs, frozen.sha256.clone(), base.clone(), bench.now());
    let proof = proof.map_err(|not_red| match &not_red {
        NotRed::AlreadyGreen => {
            Halt::failed(Reason::AlreadyGreen, format!("{not_red} (see red-report.json and red.png)"))
        }
        NotRed::NotProvable(_) => {
            let why = format!("{not_red} (see red-report.json and the reports of the controls)");
            let missed = Missed::red(base_run.clone());
            refused(bench, Some(frozen), Setback::new(Reason::RedNotProvable, why))
                .explained(|setback| missed.explain(bench, setback))
        }
    })?;
    Ok((proof.at_origin(&origin), target_run))
}
