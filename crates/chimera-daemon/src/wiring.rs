//! Puts the rooms together.
