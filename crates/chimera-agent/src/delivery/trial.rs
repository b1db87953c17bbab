//! Runs of the frozen test, with everything they leave kept as evidence.

use super::bench::Bench;
use super::halt::Halt;
use crate::judge::{Judge, Trial};
use crate::toolchain;
use chimera_core::{Digest, Reason, TestReport};
use std::path::Path;
use std::time::Duration;

/// Longest run of a frozen test: a browser test of some minutes belongs into several.
const LONGEST_RUN: Duration = Duration::from_secs(180);

/// The frozen test, as it is on record.
pub(super) struct Frozen {
    pub(super) path: String,
    pub(super) source: Vec<u8>,
    pub(super) sha256: Digest,
}

/// Runs the test once against an origin and keeps its report, pictures and log under `label`.
pub(super) async fn run(
    bench: &Bench<'_>,
    frozen: &Frozen,
    origin: &str,
    label: &str,
) -> Result<TestReport, Halt> {
    let out_dir = bench.private_dir(label)?;
    let name = Path::new(&frozen.path).file_name().and_then(|name| name.to_str()).unwrap_or("test_frozen.py");
    let trial = Trial {
        test_name: name,
        test: &frozen.source,
        origin,
        out_dir: &out_dir,
        label,
        timeout: LONGEST_RUN.min(bench.attempt.timeout),
        with_trace: bench.settings().trace,
    };
    let run = judge(bench)?.run(&trial, &bench.stop).await?;
    for (kind, name, path) in &run.files {
        bench.keep_file(*kind, name, path);
    }
    bench.keep_log(label, &run.log)?;
    Ok(run.report)
}

fn judge(bench: &Bench<'_>) -> Result<Judge, Halt> {
    toolchain::locate(&bench.settings().tools).map(Judge::new).map_err(|missing| {
        let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
        Halt::failed(Reason::Config, missing.join("; "))
    })
}
