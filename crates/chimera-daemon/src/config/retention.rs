//! How long ended tasks are kept.

use super::duration::{self, Span};
use super::shape::{Scalar, scalar};
use super::{ConfigError, file};
use serde::{Deserialize, Deserializer};
use std::time::Duration;

/// How long ended tasks are kept; nothing: forever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Delivered ones.
    pub completed: Option<Duration>,
    /// Stopped ones.
    pub cancelled: Option<Duration>,
    /// Failed ones, which somebody may want to look at.
    pub failed: Option<Duration>,
    /// Failed ones that were given up, from then on.
    pub discarded: Option<Duration>,
}

/// A duration, or `"never"`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Keep {
    Never,
    For(Duration),
}

impl<'de> Deserialize<'de> for Keep {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        scalar(from)
    }
}

impl Scalar for Keep {
    const EXPECTED: &'static str = "a duration such as \"90d\", or \"never\"";

    fn number(number: f64) -> Result<Self, String> {
        Span::number(number).map(|span| Self::For(span.0))
    }

    fn text(text: &str) -> Result<Self, String> {
        if text == "never" {
            return Ok(Self::Never);
        }
        let bad = |_| {
            format!(
                "`{text}` is not a valid duration: write one such as `\"90d\"`, or `\"never\"` to keep them forever"
            )
        };
        duration::parse(text).map(Self::For).map_err(bad)
    }
}

pub(super) fn retention(file: &file::Retention) -> Result<Retention, ConfigError> {
    let days = |days: u64| Some(Duration::from_secs(days * 24 * 3600));
    let kept = |name: &str, keep: Option<Keep>, default: Option<Duration>| match keep {
        None => Ok(default),
        Some(Keep::Never) => Ok(None),
        Some(Keep::For(span)) if span >= SHORTEST => Ok(Some(span)),
        Some(Keep::For(_)) => {
            let detail = "is too short: give at least \"1m\", or \"never\" to keep them forever";
            Err(ConfigError::value(format!("retention.{name}"), detail))
        }
    };
    Ok(Retention {
        completed: kept("completed", file.completed, days(90))?,
        cancelled: kept("cancelled", file.cancelled, days(90))?,
        failed: kept("failed", file.failed, days(180))?,
        discarded: kept("discarded", file.discarded, days(30))?,
    })
}

/// Whoever asks for the result of a task that has just ended must find it.
const SHORTEST: Duration = Duration::from_secs(60);

/// Reads a duration as the configuration writes it, such as `30d`.
///
/// # Errors
/// What is wrong with the text.
pub fn span(text: &str) -> Result<Duration, String> {
    duration::parse(text)
}
