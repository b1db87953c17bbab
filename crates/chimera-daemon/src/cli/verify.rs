//! `verify`: what an archive proves, on any machine.

use super::args::{Global, Verify};
use super::style::{bad, bold, dim, good, tame};
use super::{End, configure, print, print_json, serve};
use crate::bundle::key::PublicKey;
use crate::bundle::rerun::{self, Means, Unrepeated};
use crate::bundle::verify::{Checked, Trusted, Verdict, verify as check};
use crate::config::Flags;
use crate::seams::Clock;
use crate::wiring;
use anyhow::{Context, Result, bail};
use chimera_core::Status;
use serde_json::{Value, json};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// Digits of the id of a key.
const KEY_ID: usize = 64;

pub(super) fn verify(global: &Global, args: &Verify) -> Result<End> {
    let json = global.json;
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
    if !json {
        print(told(verdict));
    }
    let repeated = match &args.repo {
        Some(repo) if verdict.proven => Some(repeat(global, args, &checked, repo)?),
        _ => None,
    };
    if json {
        let mut value = serde_json::to_value(verdict)?;
        value["intact"] = true.into();
        value["rerun"] = match &repeated {
            None => Value::Null,
            Some(Ok(said)) => json!({"holds": true, "shown": said}),
            Some(Err(why)) => json!({"holds": false, "why": why}),
        };
        print_json(&value)?;
    }
    Ok(match repeated {
        Some(Err(_)) => End::Otherwise,
        _ if verdict.proven => End::Done,
        _ => End::Unproven,
    })
}

/// Repeats the runs; the inner error is what they showed instead.
fn repeat(
    global: &Global,
    args: &Verify,
    checked: &Checked,
    repo: &str,
) -> Result<Result<Vec<String>, String>> {
    if !args.yes {
        let shown = tame_lines(&rerun::would_run(checked));
        bail!(
            "--rerun runs what came with the archive on this machine, as you:\n\n{shown}\nRead it, then repeat the command with --yes"
        );
    }
    let config = configure(global, Flags::default())?;
    let means = Means {
        repo: &absolute(repo)?,
        tools: wiring::tools(&config),
        environment: config.environment,
        now: Clock::system().now(),
    };
    let repeated = match serve::runtime()?.block_on(rerun::rerun(checked, &means)) {
        Ok(said) => Ok(said),
        Err(Unrepeated::Otherwise(why)) => Err(why),
        Err(err @ Unrepeated::Impossible(_)) => return Err(err.into()),
    };
    if !global.json {
        print(format!("\n{}\n", bold("Repeated on this machine")));
        match &repeated {
            Ok(said) => said.iter().for_each(|line| print(format!("  {} {}\n", good("+"), tame(line)))),
            Err(why) => print(format!("  {} {}\n", bad("not so:"), tame(why))),
        }
    }
    Ok(repeated)
}

/// A repository on this machine by its whole path; a URL as it is.
fn absolute(repo: &str) -> Result<String> {
    let path = Path::new(repo);
    if !path.exists() {
        return Ok(repo.to_owned());
    }
    let whole = path.canonicalize().with_context(|| format!("cannot find {repo}"))?;
    Ok(whole.to_string_lossy().into_owned())
}

/// Text of others on lines of their own: no control characters but line ends.
fn tame_lines(text: &str) -> String {
    text.lines().map(|line| format!("  {}\n", tame(line))).collect()
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
        .with_context(|| format!("--key {text} is not a key, the id of a key, or a file that can be read"))?;
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
