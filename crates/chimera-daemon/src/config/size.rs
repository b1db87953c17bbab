//! Amounts of memory as people write them: bytes as a number, or `"512MiB"`, `"2GiB"`.

use super::shape::{Scalar, scalar};
use serde::{Deserialize, Deserializer};

/// An amount of memory read from the configuration, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size(pub(super) u64);

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        scalar(from)
    }
}

impl Scalar for Size {
    const EXPECTED: &'static str = "an amount of memory such as \"512MiB\"";

    fn number(number: f64) -> Result<Self, String> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to fit")]
        match number {
            bytes if (0.0..9e15).contains(&bytes) && bytes.fract() == 0.0 => Ok(Self(bytes as u64)),
            other => Err(bad(&other.to_string())),
        }
    }

    fn text(text: &str) -> Result<Self, String> {
        parse(text.trim()).map(Self).ok_or_else(|| bad(text))
    }
}

fn bad(text: &str) -> String {
    format!(
        "`{text}` is not an amount of memory: write a number of bytes, or one with MiB or GiB (`\"512MiB\"`)"
    )
}

fn parse(text: &str) -> Option<u64> {
    let split = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(split);
    let factor = match unit {
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.trim().parse::<u64>().ok()?.checked_mul(factor)
}
