//! Task ids.

use crate::UnixMillis;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The name of a task: `chimera-` and 12 to 32 lower-case hexadecimal digits.
///
/// It names branches, directories and files, so nothing else is ever let in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TaskId(String);

/// The text does not have the form of a task id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a valid task id: write `chimera-` and at least 12 hexadecimal digits")]
pub struct InvalidTaskId(String);

const PREFIX: &str = "chimera-";

impl TaskId {
    /// The id of a task accepted at that time: its milliseconds, and the lowest [`TAIL_BITS`](Self::TAIL_BITS) of the tail, which
    /// tells it from others of the same millisecond. Ids ascend with the time: what is accepted together lies together in
    /// every index of a database, and is worked on together.
    pub fn new(at: UnixMillis, tail: u64) -> Self {
        let millis = at.0.max(0).cast_unsigned() & 0xfff_ffff_ffff;
        Self(format!("{PREFIX}{millis:011x}{:09x}", tail & ((1 << Self::TAIL_BITS) - 1)))
    }

    /// How many bits of an id's tail count.
    pub const TAIL_BITS: u32 = 36;

    /// An id of 48 bits, for tests and examples.
    pub fn from_bits(bits: u64) -> Self {
        Self(format!("{PREFIX}{:012x}", bits & 0xffff_ffff_ffff))
    }

    /// Checks the form.
    ///
    /// # Errors
    /// [`InvalidTaskId`] unless the text is the prefix and 12 to 32 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, InvalidTaskId> {
        let digits = text.strip_prefix(PREFIX).unwrap_or("");
        let hex = digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if hex && (12..=32).contains(&digits.len()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidTaskId(text.chars().take(80).collect()))
        }
    }

    /// The whole id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The branch that the task's change grows on.
    pub fn branch(&self) -> String {
        format!("chimera/{}", self.0)
    }
}

impl TryFrom<String> for TaskId {
    type Error = InvalidTaskId;
    fn try_from(text: String) -> Result<Self, InvalidTaskId> {
        Self::parse(&text)
    }
}

impl From<TaskId> for String {
    fn from(id: TaskId) -> Self {
        id.0
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
