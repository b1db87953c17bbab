//! Which tasks have to be completed first.

use super::FieldError;
use super::fields::{Reader, kind, shown, text};
use chimera_core::{TaskId, limits};
use serde_json::Value;

/// A task to wait for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reference {
    /// One that exists.
    Task(TaskId),
    /// An earlier request of the same batch, by its place.
    Entry(usize),
}

/// Reads the list; `place` is that of the request in its batch.
pub(super) fn read(reader: &mut Reader<'_>, place: Option<usize>) -> Vec<Reference> {
    let Some(value) = reader.get("after") else { return Vec::new() };
    let Value::Array(items) = value else {
        reader.wrong("after", format!("must be a list of task ids, not {}", kind(value)));
        return Vec::new();
    };
    if items.len() > limits::AFTER {
        let detail = format!("has {} tasks: at most {} are possible", items.len(), limits::AFTER);
        reader.wrong("after", detail);
        return Vec::new();
    }
    let mut references = Vec::with_capacity(items.len());
    for (position, item) in items.iter().enumerate() {
        let field = format!("after[{position}]");
        let checked = reference(&field, item, place);
        let Some(reference) = reader.note(checked) else { continue };
        if references.contains(&reference) {
            reader.wrong(field, "is in the list already: remove one of the two");
        } else {
            references.push(reference);
        }
    }
    references
}

fn reference(field: &str, value: &Value, place: Option<usize>) -> Result<Reference, FieldError> {
    let text = text(field, value)?.trim();
    let Some(number) = text.strip_prefix('#') else {
        return TaskId::parse(text)
            .map(Reference::Task)
            .map_err(|err| FieldError::new(field, err.to_string()));
    };
    let earlier = number.parse::<usize>().ok();
    match (place, earlier) {
        (None, _) => {
            let detail = "names an entry of a batch, which this request is not: give a task id";
            Err(FieldError::new(field, detail))
        }
        (Some(place), Some(entry)) if entry < place => Ok(Reference::Entry(entry)),
        (Some(_), _) => {
            let detail = format!(
                "`{}` is not an earlier entry of this batch: count from #0, and put what comes first first",
                shown(text)
            );
            Err(FieldError::new(field, detail))
        }
    }
}
