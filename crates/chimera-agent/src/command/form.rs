//! The form of an answer. Models write JSON almost right: in a fence, with `null` for nothing, with a severity of their
//! own. That is read as it is meant. The word is not: whatever is not exactly one of them is no answer.

use super::answer::Word;
use chimera_core::{Finding, Severity, Usage};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// An answer as it was written.
///
/// Fields that are not here are passed over, so that agents can leave remarks of their own; one that is here twice is
/// an error.
#[derive(Deserialize)]
pub(super) struct Raw {
    #[serde(deserialize_with = "word")]
    pub(super) outcome: Word,
    #[serde(default, deserialize_with = "prose")]
    pub(super) summary: String,
    #[serde(default, deserialize_with = "text")]
    pub(super) test_path: Option<String>,
    #[serde(default, deserialize_with = "remarks")]
    pub(super) findings: Vec<Remark>,
    #[serde(default, deserialize_with = "text")]
    pub(super) commit: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub(super) deployment_url: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub(super) revision: Option<String>,
    #[serde(default, deserialize_with = "usage")]
    pub(super) usage: Usage,
    /// Seconds.
    #[serde(default, deserialize_with = "seconds")]
    pub(super) retry_after: Option<f64>,
}

/// A finding, maybe without its weight.
pub(super) struct Remark {
    file: Option<String>,
    line: Option<u32>,
    severity: Option<Severity>,
    message: String,
}

impl Remark {
    /// The finding; `weight` is that of a finding that names none.
    pub(super) fn weighing(self, weight: Severity) -> Finding {
        let Self { file, line, severity, message } = self;
        Finding { file, line, severity: severity.unwrap_or(weight), message }
    }
}

/// Reads an answer; the error says what is wrong with it.
pub(super) fn read(bytes: &[u8]) -> Result<Raw, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    let text = unfenced(text.trim_start_matches('\u{feff}').trim());
    let value: Value = serde_json::from_str(text).map_err(|err| format!("it is not JSON: {err}"))?;
    match value {
        Value::Object(fields) if fields.contains_key("outcome") => {
            serde_json::from_str(text).map_err(|err| err.to_string())
        }
        Value::Object(_) => Err("it has no `outcome`".to_owned()),
        _ => Err("it is not a JSON object".to_owned()),
    }
}

/// What stands in a Markdown fence, if the text is one fence and nothing else.
fn unfenced(text: &str) -> &str {
    let inner = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```"));
    inner.and_then(|inner| inner.split_once('\n')).map_or(text, |(_language, json)| json.trim())
}

/// An agent's words without what is not text: control characters, which databases refuse and terminals obey.
fn legible(text: &str) -> String {
    let unwanted = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    let text = text.replace("\r\n", "\n");
    text.chars().map(|c| if unwanted(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

fn word<'de, D: Deserializer<'de>>(from: D) -> Result<Word, D::Error> {
    let value = Value::deserialize(from)?;
    let known = value.as_str().and_then(Word::parse);
    known.ok_or_else(|| {
        let words = Word::ALL.map(|word| format!("`{}`", word.as_str())).join(", ");
        D::Error::custom(format!("`outcome` is {value}, which is none of {words}"))
    })
}

fn prose<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::Null => String::new(),
        Value::String(text) => legible(&text),
        other => other.to_string(),
    })
}

fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    match Value::deserialize(from)? {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(legible(text.trim())).filter(|text| !text.is_empty())),
        other => Err(D::Error::custom(format!("{other} stands where a text belongs"))),
    }
}

fn remarks<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Remark>, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::Null => Vec::new(),
        Value::Array(remarks) => remarks.into_iter().map(remark).collect(),
        one => vec![remark(one)],
    })
}

fn remark(value: Value) -> Remark {
    let plain = |message| Remark { file: None, line: None, severity: None, message };
    match value {
        Value::String(message) => plain(legible(&message)),
        Value::Object(fields) => {
            let named = |names: &[&str]| {
                let texts = names.iter().filter_map(|name| fields.get(*name)?.as_str());
                texts.map(str::trim).find(|text| !text.is_empty()).map(legible)
            };
            Remark {
                file: named(&["file", "path"]),
                line: fields.get("line").and_then(number).filter(|line| *line >= 1.0).map(|line| line as u32),
                severity: named(&["severity", "level"]).map(|word| severity(&word)),
                message: named(&["message", "description", "detail", "title", "text"])
                    .unwrap_or_else(|| Value::Object(fields.clone()).to_string()),
            }
        }
        other => plain(other.to_string()),
    }
}

/// What reviewers call their findings. A word that nobody knows weighs as an error: a no must not get lost.
fn severity(word: &str) -> Severity {
    match word.to_ascii_lowercase().as_str() {
        "info" | "information" | "note" | "notice" | "nit" | "nitpick" | "hint" | "suggestion"
        | "trivial" | "style" => Severity::Info,
        "warning" | "warn" | "minor" | "low" | "medium" | "moderate" => Severity::Warning,
        _ => Severity::Error,
    }
}

fn usage<'de, D: Deserializer<'de>>(from: D) -> Result<Usage, D::Error> {
    let value = Value::deserialize(from)?;
    let of = |fields: &Map<String, Value>, name: &str| fields.get(name).and_then(number).unwrap_or_default();
    Ok(value.as_object().map_or_else(Usage::default, |fields| Usage {
        input_tokens: of(fields, "input_tokens") as u64,
        output_tokens: of(fields, "output_tokens") as u64,
        cost_usd: of(fields, "cost_usd"),
    }))
}

fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    Ok(number(&Value::deserialize(from)?))
}

/// A number, or a text that is one.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())
}
