//! Checks requests before they are accepted.
//!
//! [`read`] turns the raw body of a submission into a checked [`Request`] and the project it is about, or says
//! everything that is wrong with it at once; [`read_batch`] does so with many. Map: `json` reads the text, `fields` checks one field each,
//! `times` and `after` what depends on the clock and on other tasks, `project` decides on the project. The criteria are only read here; the test is made of them later.

mod after;
mod batch;
mod fields;
mod json;
mod project;
mod times;

pub use after::Reference;
pub use batch::{in_batch, read_batch};

use chimera_agent::spec::Project;
use chimera_core::{Request, TaskId, UnixMillis};
use fields::Reader;
use serde_json::{Map, Value};

/// Every field that a request may have.
pub const FIELDS: [&str; 11] = [
    "feature",
    "target_url",
    "staging_url",
    "priority",
    "acceptance",
    "project",
    "not_before",
    "deadline",
    "expires_at",
    "after",
    "labels",
];

/// A request that may be queued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// What was asked for.
    pub request: Request,
    /// The project that was decided on: a configured one, or `scratch-` and the host of `target_url`.
    pub project: String,
    /// What it is to wait for; [`Accepted::resolve`] puts it into the request.
    pub after: Vec<Reference>,
}

impl Accepted {
    /// The request with the ids of the tasks that it waits for; `batch` are those of the entries before it.
    #[must_use]
    pub fn resolve(mut self, batch: &[TaskId]) -> Self {
        let id = |reference| match reference {
            Reference::Task(id) => Some(id),
            Reference::Entry(place) => batch.get(place).cloned(),
        };
        self.request.after = self.after.drain(..).filter_map(id).collect();
        self
    }
}

/// What is wrong with one field, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The field, such as `priority` or `acceptance[2]` (counted from 0, as in JSON paths).
    pub field: String,
    /// The remedy, as a sentence without its subject's name.
    pub detail: String,
}

impl FieldError {
    fn new(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { field: field.into(), detail: detail.into() }
    }
}

/// Why a request cannot be queued.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The body is no JSON.
    #[error("the body is not valid JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// Some fields cannot be accepted; never empty, and complete.
    #[error("{} of the request cannot be accepted", plural(.0.len()))]
    Fields(Vec<FieldError>),
}

fn plural(fields: usize) -> String {
    if fields == 1 { "one field".to_owned() } else { format!("{fields} fields") }
}

/// Checks a request in JSON against the configured projects.
///
/// # Errors
/// [`Refusal`] with all that is wrong.
pub fn read(body: &[u8], projects: &[Project], now: UnixMillis) -> Result<Accepted, Refusal> {
    let object = object(body)?;
    one(Reader::new(&object), projects, now, None).map_err(Refusal::Fields)
}

/// Checks one request; `place` is that in its batch.
fn one(
    mut reader: Reader<'_>,
    projects: &[Project],
    now: UnixMillis,
    place: Option<usize>,
) -> Result<Accepted, Vec<FieldError>> {
    reader.refuse_unknown(&FIELDS);
    let feature = reader.feature();
    let target_url = reader.required_url("target_url");
    let staging_url = reader.optional_url("staging_url");
    let priority = reader.priority();
    let acceptance = reader.acceptance();
    let named = reader.project(projects);
    let times::Times { not_before, deadline, expires_at } = times::read(&mut reader, now);
    let after = after::read(&mut reader, place);
    let labels = reader.labels();
    let errors = reader.into_errors();
    let (Some(feature), Some((target_url, target)), true) = (feature, target_url, errors.is_empty()) else {
        return Err(errors);
    };
    let staging_url = staging_url.map(|(text, _)| text);
    let project = named.clone().unwrap_or_else(|| project::decide(&target, projects));
    let request = Request {
        feature,
        target_url,
        staging_url,
        priority,
        acceptance,
        project: named,
        not_before,
        deadline,
        expires_at,
        after: Vec::new(),
        labels,
    };
    Ok(Accepted { request, project, after })
}

/// Reads a body that must be a JSON object.
///
/// # Errors
/// [`Refusal::Json`] with the position, or [`Refusal::Fields`] naming `body` if it is something else.
pub fn object(body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    match json::parse(body)? {
        Value::Object(object) => Ok(object),
        other => {
            let detail = format!(
                "must be a JSON object such as {{\"feature\": \"..\"}}, not {}",
                fields::kind(&other)
            );
            Err(Refusal::Fields(vec![FieldError::new("body", detail)]))
        }
    }
}

/// Complains about fields that are not among `known`, naming the nearest one.
///
/// # Errors
/// [`Refusal::Fields`] with each of them.
pub fn only(object: &Map<String, Value>, known: &[&str]) -> Result<(), Refusal> {
    let mut reader = Reader::new(object);
    reader.refuse_unknown(known);
    let errors = reader.into_errors();
    if errors.is_empty() { Ok(()) } else { Err(Refusal::Fields(errors)) }
}

/// Reads a priority that must be there.
///
/// # Errors
/// [`Refusal::Fields`] naming `priority`.
pub fn priority(object: &Map<String, Value>) -> Result<chimera_core::Priority, Refusal> {
    let checked = match object.get("priority") {
        Some(value) => fields::priority(value),
        None => Err(FieldError::new("priority", "is required: a whole number from 1 to 10")),
    };
    checked.map_err(|error| Refusal::Fields(vec![error]))
}
