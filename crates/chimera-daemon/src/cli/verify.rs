//! `verify`: what an archive proves, on any machine.

use super::args::Verify;
use super::style::{bad, bold, dim, good, tame};
use super::{End, print, print_json};
use crate::bundle::key::PublicKey;
use crate::bundle::verify::{Trusted, Verdict, verify as check};
use anyhow::{Context, Result, bail};
use chimera_core::Status;
use serde_json::json;
use std::fs::File;
use std::io::BufReader;

/// Digits of the id of a key.
const KEY_ID: usize = 64;

pub(super) fn verify(args: &Verify, json: bool) -> Result<End> {
    let trusted = args.key.as_deref().map(trusted).transpose()?;
    let shown = args.file.display();
    let file = File::open(&args.file).with_context(|| format!("cannot open {shown}"))?;
    let checked = match check(BufReader::new(file), trusted.as_ref()) {
        Ok(checked) => checked,
        Err(refused) => {
            let why = tame(&refused.to_string());
            if json {
                print_json(&json!({"intact": false, "proven": false, "why": why}))?;
            } else {
                print(format!("{} {why}\n  It proves nothing.\n", bad("not to be trusted:")));
            }
            return Ok(End::Wanting);
        }
    };
    let verdict = &checked.verdict;
    if json {
        let mut value = serde_json::to_value(verdict)?;
        value["intact"] = true.into();
        print_json(&value)?;
    } else {
        print(told(verdict));
    }
    Ok(if verdict.proven { End::Done } else { End::Unproven })
}

/// The key that the user names: a file, the text of a key, or an id.
fn trusted(text: &str) -> Result<Trusted> {
    let id = text.trim().to_ascii_lowercase();
    if id.len() == KEY_ID && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(Trusted::Id(id));
    }
    if let Some(key) = PublicKey::parse(text) {
        return Ok(Trusted::Key(key));
    }
    let file = std::fs::read_to_string(text)
        .with_context(|| format!("--key {text} is no key, no id of a key, and no file that can be read"))?;
    // What `chimera-daemon key` prints has the id below the key.
    let pem = file.split("key id:").next().unwrap_or_default();
    match PublicKey::parse(pem) {
        Some(key) => Ok(Trusted::Key(key)),
        None => bail!("{text} holds no Ed25519 public key as `chimera-daemon key` shows it"),
    }
}

/// A verdict for people.
pub(super) fn told(verdict: &Verdict) -> String {
    let mut text = format!("{}  {}\n", bold(tame(&verdict.task_id)), tame(&verdict.feature));
    let summary = match (verdict.proven, verdict.key_trusted, verdict.status) {
        (true, true, _) => {
            good("intact, signed with the key that you named, and it proves the delivery").to_string()
        }
        (true, false, _) => good("intact, and it proves the delivery if you trust the key").to_string(),
        (false, _, Status::Completed) => bad("intact, but it proves no delivery").to_string(),
        (false, ..) => dim("intact; it proves no delivery, and says why").to_string(),
    };
    text.push_str(&format!("{summary}\n\n{}\n", bold("What it shows")));
    verdict.shown.iter().for_each(|line| text.push_str(&format!("  {} {}\n", good("+"), tame(line))));
    text.push_str(&format!("\n{}\n", bold("What it does not show")));
    verdict.not_shown.iter().for_each(|line| text.push_str(&format!("  {} {}\n", dim("-"), tame(line))));
    text
}
