//! Amounts of memory as people write them: bytes as a number, or `"512MiB"`, `"2GiB"`.

use serde::Deserialize;

/// An amount of memory read from the configuration, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Raw")]
pub(super) struct Size(pub(super) u64);

#[derive(Deserialize)]
#[serde(untagged)]
enum Raw {
    Bytes(u64),
    Text(String),
}

impl TryFrom<Raw> for Size {
    type Error = String;
    fn try_from(raw: Raw) -> Result<Self, String> {
        match raw {
            Raw::Bytes(bytes) => Ok(Self(bytes)),
            Raw::Text(text) => parse(text.trim()).map(Self).ok_or_else(|| {
                format!("`{text}` is no amount of memory: write a number with MiB or GiB (`\"512MiB\"`)")
            }),
        }
    }
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
