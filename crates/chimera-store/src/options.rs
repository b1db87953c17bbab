//! How a database is opened.

use crate::Plant;

/// How a database is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// Connections for reading.
    pub readers: usize,
    /// Whether an older schema is brought up to date; otherwise it is refused.
    pub migrate: bool,
    /// Most pages of an SQLite database, for trying out a full disk; absent: no limit.
    pub max_pages: Option<u32>,
    /// A bug to behave as if there were one, for trying out detectors.
    pub plant: Option<Plant>,
}

impl Default for Options {
    fn default() -> Self {
        Self { readers: 2, migrate: true, max_pages: None, plant: None }
    }
}
