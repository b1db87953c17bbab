//! When a task may begin, and what ends it.

use super::FieldError;
use super::fields::{Reader, shown, text};
use chimera_core::UnixMillis;
use serde_json::Value;

/// The times of a request.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Times {
    pub(super) not_before: Option<UnixMillis>,
    pub(super) deadline: Option<UnixMillis>,
    pub(super) expires_at: Option<UnixMillis>,
}

/// Reads the times, and whether one task can meet them all.
pub(super) fn read(reader: &mut Reader<'_>, now: UnixMillis) -> Times {
    let [not_before, deadline, expires_at] = ["not_before", "deadline", "expires_at"].map(|field| {
        let checked = time(field, reader.get(field)?);
        reader.note(checked)
    });
    for (field, at) in [("deadline", deadline), ("expires_at", expires_at)] {
        let Some(at) = at else { continue };
        let not_yet = not_before.filter(|begin| at <= *begin);
        if at <= now {
            reader.wrong(field, "lies in the past: give a later time, or leave it out");
        } else if not_yet.is_some() {
            reader.wrong(field, "must be later than `not_before`, or the task could never begin");
        }
    }
    if let (Some(expires_at), Some(deadline)) = (expires_at, deadline)
        && expires_at > deadline
    {
        reader.wrong("expires_at", "must not be later than `deadline`, which ends the task anyway");
    }
    Times { not_before, deadline, expires_at }
}

fn time(field: &str, value: &Value) -> Result<UnixMillis, FieldError> {
    let text = text(field, value)?.trim();
    match crate::web::from_rfc3339(text) {
        Some(time) => Ok(time),
        None => Err(FieldError::new(
            field,
            format!(
                "`{}` is not a valid time: write it in RFC 3339, such as 2030-01-31T06:00:00Z",
                shown(text)
            ),
        )),
    }
}
