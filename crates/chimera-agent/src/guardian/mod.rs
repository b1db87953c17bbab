//! The built-in reviewer: deterministic checks of a change.
