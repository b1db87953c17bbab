//! `evidence` and `key`: what proves a task, to be taken away.

use super::args::Evidence;
use super::client::Client;
use super::style::{dim, tame};
use super::{End, answer, print_json, show, verify, watch};
use crate::bundle::verify::verify as check;
use anyhow::{Context, Result, bail};
use serde_json::json;
use std::io::{BufReader, Seek, Write};
use std::path::{Path, PathBuf};

pub(super) fn evidence(client: &Client, args: &Evidence, json: bool) -> Result<End> {
    let mut bundle = client.text(&format!("{}/bundle", watch::path(&args.task)))?;
    let path = args.output.clone().unwrap_or_else(|| PathBuf::from(format!("{}.tar", args.task)));
    if path.as_os_str() == "-" {
        std::io::copy(&mut bundle, &mut std::io::stdout().lock()).context("the bundle breaks off")?;
        return Ok(End::Done);
    }
    // Beside its place and moved there, so that it is whole or not there. For its owner only: its logs may hold secrets.
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let shown = path.display();
    let mut draft = tempfile::NamedTempFile::new_in(dir).with_context(|| format!("cannot write {shown}"))?;
    std::io::copy(&mut bundle, &mut draft).context("the bundle breaks off")?;
    draft.flush()?;
    let size = draft.as_file().metadata()?.len();
    draft.rewind()?;
    let checked = check(BufReader::new(draft.as_file()), None).context("the bundle is not whole")?;
    draft.persist(&path).map_err(|err| err.error).with_context(|| format!("cannot write {shown}"))?;
    if json {
        print_json(&json!({"file": path, "size": size, "verdict": checked.verdict}))?;
    } else {
        super::print(verify::told(&checked.verdict) + &written(&path, size));
    }
    Ok(End::Done)
}

fn written(path: &Path, size: u64) -> String {
    let path = tame(&path.display().to_string());
    let rows = [
        ("written", format!("{path} {}", dim(format!("{} KiB", size.div_ceil(1024))))),
        ("look", format!("tar -xf {path}, then open report.html")),
        ("check", format!("chimera-daemon verify {path}")),
    ];
    format!("\n{}", show::aligned(&rows))
}

pub(super) fn key(client: &Client, json: bool) -> Result<End> {
    let key = client.get("/api/key")?;
    let (Some(id), Some(pem)) = (key["key_id"].as_str(), key["public_key"].as_str()) else {
        bail!("{} shows no key: is it an older daemon?", client.server());
    };
    answer(json, &key, || format!("{}key id: {}\n", pem, tame(id)))?;
    Ok(End::Done)
}
