//! Durations as people write them: `90`, `1.5` (seconds), `"500ms"`, `"30s"`, `"15m"`, `"2h"`, `"7d"`.

use super::shape::{Scalar, scalar};
use serde::{Deserialize, Deserializer};
use std::time::Duration;

/// Longest duration that is accepted: ten years. Longer ones are typing errors.
const LONGEST_SECS: f64 = 10.0 * 365.0 * 86_400.0;

/// A duration read from the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span(pub(super) Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        scalar(from)
    }
}

impl Scalar for Span {
    const EXPECTED: &'static str = "a duration such as \"30s\"";

    fn number(number: f64) -> Result<Self, String> {
        seconds(number).map(Self)
    }

    fn text(text: &str) -> Result<Self, String> {
        parse(text).map(Self)
    }
}

/// Reads a duration: a number of seconds, or a number with the unit `ms`, `s`, `m`, `h` or `d`.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor = match unit.trim() {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return Err(bad(text)),
    };
    let number: f64 = number.trim().parse().map_err(|_| bad(text))?;
    seconds(number * factor)
}

fn seconds(secs: f64) -> Result<Duration, String> {
    if (0.0..=LONGEST_SECS).contains(&secs) {
        Ok(Duration::from_secs_f64(secs))
    } else {
        Err(format!("`{secs}` is not a valid duration: give 0 seconds to ten years"))
    }
}

fn bad(text: &str) -> String {
    format!(
        "`{text}` is not a valid duration: write seconds (`90`) or a number with ms, s, m, h or d (`\"30m\"`)"
    )
}
