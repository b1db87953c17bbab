//! The commented configuration that `chimera-daemon init` writes.

/// A `chimera.toml` in which every line is a comment or a default.
pub const TEMPLATE: &str = include_str!("chimera.toml");
