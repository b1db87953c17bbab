//! Many requests at once. What is wrong is told of all of them, each with its place.

use super::fields::{Reader, kind};
use super::{Accepted, FieldError, Refusal, one};
use chimera_agent::spec::Project;
use chimera_core::{UnixMillis, limits};
use serde_json::Value;

/// Most tasks to wait for in a whole batch: each costs a few statements of the one transaction.
const AFTER: usize = 1000;

/// Checks a batch in JSON: an object whose `tasks` are requests.
///
/// # Errors
/// [`Refusal`] with all that is wrong.
pub fn read_batch(body: &[u8], projects: &[Project], now: UnixMillis) -> Result<Vec<Accepted>, Refusal> {
    let object = super::object(body)?;
    super::only(&object, &["tasks"])?;
    let wrong = |detail: String| Err(Refusal::Fields(vec![FieldError::new("tasks", detail)]));
    let items = match object.get("tasks") {
        Some(Value::Array(items)) => items,
        Some(other) => return wrong(format!("must be a list of requests, not {}", kind(other))),
        None => return wrong("is required: a list of requests".to_owned()),
    };
    if !(1..=limits::BATCH).contains(&items.len()) {
        return wrong(format!("has {} requests: 1 to {} are possible", items.len(), limits::BATCH));
    }
    let (mut accepted, mut errors) = (Vec::with_capacity(items.len()), Vec::new());
    for (place, item) in items.iter().enumerate() {
        match entry(item, projects, now, place) {
            Ok(request) => accepted.push(request),
            Err(wrong) => errors.extend(wrong.into_iter().map(|error| in_batch(place, error))),
        }
    }
    let waits: usize = accepted.iter().map(|accepted| accepted.after.len()).sum();
    if waits > AFTER {
        return wrong(format!(
            "wait for {waits} tasks in all: at most {AFTER} are possible, split the batch"
        ));
    }
    if errors.is_empty() { Ok(accepted) } else { Err(Refusal::Fields(errors)) }
}

fn entry(
    item: &Value,
    projects: &[Project],
    now: UnixMillis,
    place: usize,
) -> Result<Accepted, Vec<FieldError>> {
    match item {
        Value::Object(object) => one(Reader::new(object), projects, now, Some(place)),
        other => Err(vec![FieldError::new("", format!("must be a request, not {}", kind(other)))]),
    }
}

/// The error with its place, such as `tasks[3].priority`.
pub fn in_batch(place: usize, error: FieldError) -> FieldError {
    let dot = if error.field.is_empty() { "" } else { "." };
    FieldError { field: format!("tasks[{place}]{dot}{}", error.field), detail: error.detail }
}
