//! Times as the API writes them.

use chimera_core::UnixMillis;

/// RFC 3339 in UTC with milliseconds, such as `2026-01-31T06:00:00.000Z`. Times beyond the calendar are shown
/// as its end.
pub fn rfc3339(time: UnixMillis) -> String {
    let end = if time.0 < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
    let time = jiff::Timestamp::from_millisecond(time.0).unwrap_or(end);
    format!("{time:.3}")
}
