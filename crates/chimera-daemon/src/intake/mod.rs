//! Checks requests before they are accepted.
