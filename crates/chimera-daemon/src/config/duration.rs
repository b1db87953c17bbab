//! Durations as people write them: `90`, `1.5` (seconds), `"500ms"`, `"30s"`, `"15m"`, `"2h"`, `"7d"`.

use serde::Deserialize;
use std::time::Duration;

/// Longest duration that is accepted: ten years. Longer ones are typing errors.
const LONGEST_SECS: f64 = 10.0 * 365.0 * 86_400.0;

/// A duration read from the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Raw")]
pub(super) struct Span(pub(super) Duration);

#[derive(Deserialize)]
#[serde(untagged)]
enum Raw {
    Integer(i64),
    Float(f64),
    Text(String),
}

impl TryFrom<Raw> for Span {
    type Error = String;
    fn try_from(raw: Raw) -> Result<Self, String> {
        match raw {
            #[expect(clippy::cast_precision_loss, reason = "durations are far below 2^52 seconds")]
            Raw::Integer(secs) => seconds(secs as f64),
            Raw::Float(secs) => seconds(secs),
            Raw::Text(text) => parse(&text),
        }
        .map(Span)
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
        Err(format!("{secs} is no duration: it must lie between 0 seconds and ten years"))
    }
}

fn bad(text: &str) -> String {
    format!("`{text}` is no duration: write seconds (`90`) or a number with ms, s, m, h or d (`\"30m\"`)")
}
