//! Keeps evidence files by content hash.
