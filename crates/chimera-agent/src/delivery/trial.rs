//! Runs of the frozen test, with everything they leave kept as evidence.

use super::bench::Bench;
use super::halt::Halt;
use crate::judge::{Judge, JudgeError, Run, STILL_WAIT, Scene, Trial};
use crate::spec::{E2e, Project, Staging};
use crate::toolchain;
use chimera_core::{Digest, EvidenceKind, Reason, Setback, TestReport};
use std::path::Path;
use std::time::Duration;
use url::Url;

/// Longest run of a frozen test: a browser test of some minutes belongs into several.
const LONGEST_RUN: Duration = Duration::from_secs(180);
/// Findings of the static look that a summary shows; all of them are in the evidence.
const SHOWN: usize = 3;

/// The frozen test, as it is on record.
pub(super) struct Frozen {
    pub(super) path: String,
    pub(super) source: Vec<u8>,
    pub(super) sha256: Digest,
    pub(super) e2e: E2e,
}

/// Where a run happens.
#[derive(Clone, Copy)]
pub(super) struct Stage<'a> {
    /// Where the test sees the application.
    pub(super) origin: &'a str,
    /// What it finds there.
    pub(super) scene: Scene<'a>,
    /// Further hosts that the page may load from.
    pub(super) allow_hosts: &'a [String],
}

/// Runs the test once and keeps its report, pictures and log under `label`.
pub(super) async fn run(
    bench: &Bench<'_>,
    frozen: &Frozen,
    stage: Stage<'_>,
    label: &str,
) -> Result<TestReport, Halt> {
    seen(bench, frozen, stage, label).await.map(|run| run.report)
}

/// The same, with everything that the run showed.
pub(super) async fn seen(
    bench: &Bench<'_>,
    frozen: &Frozen,
    stage: Stage<'_>,
    label: &str,
) -> Result<Run, Halt> {
    bench.asks(None);
    let out_dir = bench.private_dir(label)?;
    let name = Path::new(&frozen.path).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let trial = Trial {
        e2e: frozen.e2e,
        test_name: name,
        test: &frozen.source,
        origin: stage.origin,
        scene: stage.scene,
        allow_hosts: stage.allow_hosts,
        out_dir: &out_dir,
        label,
        timeout: LONGEST_RUN.min(bench.attempt.timeout),
        still_wait: STILL_WAIT,
        recorded: bench.settings().recordings.cover(label),
    };
    let run = match judge(bench)?.run(&trial, &bench.stop).await {
        Ok(run) => run,
        Err(err) => return Err(not_judged(bench, err).await),
    };
    for (kind, name, path) in &run.files {
        bench.keep_file(*kind, name, path);
    }
    bench.keep_log(label, &run.log)?;
    Ok(run)
}

/// Reads the test before it is frozen, and gives what is wrong with it.
pub(super) async fn inspect(
    bench: &Bench<'_>,
    project: &Project,
    path: &str,
    source: &[u8],
) -> Result<Option<Setback>, Halt> {
    let criteria = &bench.task().request.acceptance;
    let mut findings = match judge(bench)?.inspect(project.e2e, source, criteria, &bench.stop).await {
        Ok(findings) => findings,
        Err(err) => return Err(not_judged(bench, err).await),
    };
    findings.iter_mut().for_each(|finding| finding.file = Some(path.to_owned()));
    bench.keep_bytes(EvidenceKind::Review, "test-check.json", &serde_json::to_vec_pretty(&findings)?)?;
    if findings.is_empty() {
        return Ok(None);
    }
    let told = findings
        .iter()
        .take(SHOWN)
        .map(|finding| format!("{path}:{}: {}", finding.line.unwrap_or_default(), finding.message));
    let mut why = told.collect::<Vec<_>>().join("; ");
    if findings.len() > SHOWN {
        why += &format!("; and {} more in test-check.json", findings.len() - SHOWN);
    }
    Ok(Some(Setback { findings, ..Setback::new(Reason::RedNotProvable, why) }))
}

/// Where the test sees an application that is served at `url`.
pub(super) fn origin(project: &Project, url: &str) -> String {
    match &project.host {
        Some(host) => format!("http://{host}"),
        None => url.trim_end_matches('/').to_owned(),
    }
}

/// Whether the daemon can stand between the browser and what is served at `url`: only so red, green and controls are seen at
/// one address. What it stages itself always is served so; what an agent deploys, over http only.
pub(super) fn can_be_judged(project: &Project, field: &str, url: &str) -> Result<(), Halt> {
    let deployed = matches!(project.staging, Staging::Agent { .. });
    if !deployed || Url::parse(url).is_ok_and(|url| url.scheme() == "http") {
        return Ok(());
    }
    Err(Halt::failed(
        Reason::Config,
        format!(
            "`{field}` is {url}, and an agent deploys this project: other than over http the daemon cannot stand between browser and page, \
             so it can show no control page there, and a test could tell before from after by the address. Give an address with http, \
             such as the server's own behind what ends TLS, or let the daemon stage the project"
        ),
    ))
}

fn judge(bench: &Bench<'_>) -> Result<Judge, Halt> {
    let judge = |tools| Judge::new(tools).with_scratch(bench.rooms.scratch.clone());
    toolchain::locate(&bench.settings().tools).map(judge).map_err(|_| {
        // They were there when the phase began. The task goes back as it was and waits for them.
        bench.rooms.tools.not_found(bench.settings());
        Halt::interrupted()
    })
}

/// A tool that does not work is the daemon's trouble: while it does not even start, the task waits for it.
async fn not_judged(bench: &Bench<'_>, err: JudgeError) -> Halt {
    if let JudgeError::Tool(why) = &err {
        tracing::error!(task = %bench.task().id, error = %why, "the judge's tools do not work");
        bench.rooms.tools.did_not_work();
        if !bench.rooms.tools.look(bench.settings()).await {
            return Halt::interrupted();
        }
    }
    err.into()
}
