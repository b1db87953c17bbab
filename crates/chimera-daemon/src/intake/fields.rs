//! One function per field. Each notes what is wrong and goes on, so that all errors are told at once.

use super::FieldError;
use crate::config::nearest;
use chimera_agent::criteria;
use chimera_agent::spec::Project;
use chimera_core::{Priority, limits};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use url::Url;

/// Longest quotation of somebody's value in a message, in bytes.
const SHOWN_BYTES: usize = 80;

/// Reads the fields of one object and collects what is wrong.
pub(super) struct Reader<'a> {
    object: &'a Map<String, Value>,
    errors: Vec<FieldError>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(object: &'a Map<String, Value>) -> Self {
        Self { object, errors: Vec::new() }
    }

    pub(super) fn into_errors(self) -> Vec<FieldError> {
        self.errors
    }

    /// The value of a field; `null` counts as absent.
    pub(super) fn get(&self, field: &str) -> Option<&'a Value> {
        self.object.get(field).filter(|value| !value.is_null())
    }

    pub(super) fn note<T>(&mut self, checked: Result<T, FieldError>) -> Option<T> {
        checked.map_err(|error| self.errors.push(error)).ok()
    }

    pub(super) fn wrong(&mut self, field: impl Into<String>, detail: impl Into<String>) {
        self.errors.push(FieldError::new(field, detail));
    }

    pub(super) fn refuse_unknown(&mut self, known: &[&str]) {
        for name in self.object.keys().filter(|name| !known.contains(&name.as_str())) {
            let hint = match nearest(name, known.iter().copied()) {
                Some(hint) => format!("did you mean `{hint}`?"),
                None => format!("known are {}", known.join(", ")),
            };
            let mut shown = printable(name);
            limits::truncate(&mut shown, SHOWN_BYTES);
            self.errors.push(FieldError::new(shown, format!("is not a field of this request: {hint}")));
        }
    }

    pub(super) fn feature(&mut self) -> Option<String> {
        let checked = match self.get("feature") {
            Some(value) => feature(value),
            None => Err(FieldError::new("feature", "is required: say in a sentence what users can do")),
        };
        self.note(checked)
    }

    pub(super) fn required_url(&mut self, field: &str) -> Option<(String, Url)> {
        if self.get(field).is_none() {
            let detail = "is required: the page of the running application, such as https://example.com/";
            self.errors.push(FieldError::new(field, detail));
        }
        self.optional_url(field)
    }

    pub(super) fn optional_url(&mut self, field: &str) -> Option<(String, Url)> {
        let checked = url(field, self.get(field)?);
        self.note(checked)
    }

    pub(super) fn priority(&mut self) -> Priority {
        let Some(value) = self.get("priority") else { return Priority::default() };
        self.note(priority(value)).unwrap_or_default()
    }

    pub(super) fn acceptance(&mut self) -> Vec<String> {
        let Some(value) = self.get("acceptance") else { return Vec::new() };
        let Value::Array(items) = value else {
            let detail = format!(
                "must be a list of sentences such as [\"see heading \\\"Books\\\"\"], not {}",
                kind(value)
            );
            self.errors.push(FieldError::new("acceptance", detail));
            return Vec::new();
        };
        if items.len() > limits::CRITERIA {
            let detail = format!("has {} criteria: at most {} are possible", items.len(), limits::CRITERIA);
            self.errors.push(FieldError::new("acceptance", detail));
            return Vec::new();
        }
        let before = self.errors.len();
        let checked =
            items.iter().enumerate().map(|(at, item)| criterion(&format!("acceptance[{at}]"), item));
        let sentences: Vec<String> = checked.filter_map(|checked| self.note(checked)).collect();
        if !sentences.is_empty()
            && self.errors.len() == before
            && let Err(err) = criteria::parse_all(&sentences)
        {
            self.errors.push(FieldError::new("acceptance", err.to_string()));
        }
        sentences
    }

    pub(super) fn project(&mut self, projects: &[Project]) -> Option<String> {
        let checked = project(self.get("project")?, projects);
        self.note(checked)
    }

    pub(super) fn labels(&mut self) -> BTreeMap<String, String> {
        let Some(value) = self.get("labels") else { return BTreeMap::new() };
        let Value::Object(pairs) = value else {
            let detail = format!("must be an object such as {{\"team\": \"shop\"}}, not {}", kind(value));
            self.errors.push(FieldError::new("labels", detail));
            return BTreeMap::new();
        };
        if pairs.len() > limits::LABELS {
            let detail = format!("has {} entries: at most {} are possible", pairs.len(), limits::LABELS);
            self.errors.push(FieldError::new("labels", detail));
            return BTreeMap::new();
        }
        pairs.iter().filter_map(|(key, value)| self.note(label(key, value))).collect()
    }
}

fn feature(value: &Value) -> Result<String, FieldError> {
    let error = |detail: String| FieldError::new("feature", detail);
    let text = text("feature", value)?.replace("\r\n", "\n");
    let text = text.trim();
    if text.is_empty() {
        return Err(error("must not be empty: say in a sentence what users can do".to_owned()));
    }
    if text.len() > limits::FEATURE_BYTES {
        return Err(error(format!(
            "has {} bytes, at most {} are possible: put the rest into the repository",
            text.len(),
            limits::FEATURE_BYTES
        )));
    }
    match text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
        Some(c) => Err(error(format!("contains the control character U+{:04X}: remove it", u32::from(c)))),
        None => Ok(text.to_owned()),
    }
}

fn url(field: &str, value: &Value) -> Result<(String, Url), FieldError> {
    let error = |detail: String| FieldError::new(field, detail);
    let text = text(field, value)?.trim();
    if text.is_empty() {
        return Err(error("must not be empty: give a URL such as https://example.com/".to_owned()));
    }
    if text.len() > limits::URL_BYTES {
        return Err(error(format!("has {} bytes: a URL may have at most {}", text.len(), limits::URL_BYTES)));
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(error("contains white space or a control character: encode or remove it".to_owned()));
    }
    let parsed = Url::parse(text).map_err(|err| {
        error(format!("`{}` is not a valid URL ({err}): write it as in https://example.com/", shown(text)))
    })?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(error(format!("has the scheme `{}`: only http and https are possible", parsed.scheme())));
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(error("contains credentials: remove them, they would end up in logs".to_owned()));
    }
    // The parser forgives `https:example.com` and `https:///example.com`; nobody means them.
    let after = text.split_once("://").map_or("", |(_, after)| after);
    if after.is_empty() || after.starts_with(['/', '\\', '?', '#']) {
        return Err(error("has no host: write it as in https://example.com/".to_owned()));
    }
    Ok((text.to_owned(), parsed))
}

pub(super) fn priority(value: &Value) -> Result<Priority, FieldError> {
    let range = || {
        let detail = format!(
            "must be a whole number from 1 (whenever) to 10 (at once), not {}",
            shown(&value.to_string())
        );
        FieldError::new("priority", detail)
    };
    let number = value.as_i64().ok_or_else(range)?;
    Priority::new(number).map_err(|_| range())
}

fn criterion(field: &str, value: &Value) -> Result<String, FieldError> {
    let sentence = text(field, value)?.trim();
    if sentence.is_empty() {
        return Err(FieldError::new(field, "must not be empty: remove it or say what to see"));
    }
    if sentence.len() > limits::CRITERION_BYTES {
        let detail =
            format!("has {} bytes: a criterion may have at most {}", sentence.len(), limits::CRITERION_BYTES);
        return Err(FieldError::new(field, detail));
    }
    if sentence.chars().any(char::is_control) {
        return Err(FieldError::new(field, "contains a control character: remove it"));
    }
    match criteria::parse(sentence) {
        Ok(_) => Ok(sentence.to_owned()),
        Err(err) => Err(FieldError::new(field, format!("`{}`: {err}", shown(sentence)))),
    }
}

fn project(value: &Value, projects: &[Project]) -> Result<String, FieldError> {
    let name = text("project", value)?.trim();
    if projects.iter().any(|project| project.name == name) {
        return Ok(name.to_owned());
    }
    let known = projects.iter().map(|project| project.name.as_str());
    let hint = match nearest(name, known.clone()) {
        Some(hint) => format!("did you mean `{hint}`?"),
        None if projects.is_empty() => {
            "no project is configured: leave it out to work on a scratch project".to_owned()
        }
        None => format!("known are {}", known.collect::<Vec<_>>().join(", ")),
    };
    Err(FieldError::new("project", format!("`{}` is not a configured project: {hint}", shown(name))))
}

fn label(key: &str, value: &Value) -> Result<(String, String), FieldError> {
    let field = format!("labels.{}", shown(key));
    let value = text(&field, value)?;
    let fits = |text: &str| text.len() <= limits::LABEL_BYTES && !text.chars().any(char::is_control);
    if key.trim().is_empty() || key.contains('=') || !fits(key) || !fits(value) {
        let detail = format!(
            "keys and values are at most {} bytes without control characters; a key is not empty and has no `=`",
            limits::LABEL_BYTES
        );
        return Err(FieldError::new(field, detail));
    }
    Ok((key.to_owned(), value.to_owned()))
}

pub(super) fn text<'v>(field: &str, value: &'v Value) -> Result<&'v str, FieldError> {
    value.as_str().ok_or_else(|| FieldError::new(field, format!("must be a text, not {}", kind(value))))
}

/// A JSON value's kind in words.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

pub(super) fn shown(text: &str) -> String {
    let mut shown = printable(text);
    limits::truncate(&mut shown, SHOWN_BYTES);
    shown
}
