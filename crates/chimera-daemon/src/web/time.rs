//! Times as the API reads and writes them.

use chimera_core::UnixMillis;
use jiff::SignedDuration;
use jiff::civil::DateTime;
use jiff::fmt::temporal::Pieces;

/// Midnight of 1 January 1970.
const EPOCH: DateTime = jiff::civil::datetime(1970, 1, 1, 0, 0, 0, 0);

/// RFC 3339 in UTC with milliseconds, such as `2026-01-31T06:00:00.000Z`. Times beyond the calendar are shown
/// as its end.
pub fn rfc3339(time: UnixMillis) -> String {
    let time = EPOCH.saturating_add(SignedDuration::from_millis(time.0));
    format!("{time:.3}Z")
}

/// A time in RFC 3339, to the last second of the year 9999.
pub fn from_rfc3339(text: &str) -> Option<UnixMillis> {
    // For what is no time of any clock, such as the 61st second or the 25th hour, and for plain times.
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Some(UnixMillis(time.as_millisecond()));
    }
    // A timestamp ends some hours early, so that it has a local time everywhere.
    let pieces = Pieces::parse(text).ok()?;
    let offset =
        pieces.to_numeric_offset().or_else(|| text.ends_with(['Z', 'z']).then_some(jiff::tz::Offset::UTC))?;
    let local = pieces.date().to_datetime(pieces.time()?);
    let millis = i64::try_from(local.duration_since(EPOCH).as_millis()).ok()?;
    Some(UnixMillis(millis - i64::from(offset.seconds()) * 1000))
}

#[cfg(test)]
mod tests {
    use super::{from_rfc3339, rfc3339};
    use chimera_core::UnixMillis;

    #[test]
    fn times_are_read_and_written_to_the_end_of_the_calendar() {
        for text in ["1969-12-31T23:59:59.001Z", "2026-01-31T06:00:00.000Z", "9999-12-31T23:59:59.999Z"] {
            assert_eq!(rfc3339(from_rfc3339(text).expect(text)), text);
        }
        assert_eq!(from_rfc3339("9999-12-31T23:59:59+02:00"), from_rfc3339("9999-12-31T21:59:59Z"));
        for text in [
            "9999-12-31T23:59:59",
            "9999-12-31",
            "10000-01-01T00:00:00Z",
            "9999-12-31T25:00:00Z",
            "9999-13-01T00:00:00Z",
            "",
        ] {
            assert_eq!(from_rfc3339(text), None, "{text}");
        }
        assert_eq!(rfc3339(UnixMillis(i64::MAX)), "9999-12-31T23:59:59.999Z");
    }
}
