//! Every limit of a bundle, with a name.

/// Largest bundle: what somebody still sends to somebody.
pub(super) const BUNDLE_BYTES: u64 = 1 << 30;
/// Largest file in it: the largest evidence file.
pub(super) const FILE_BYTES: u64 = chimera_agent::vault::LARGEST;
/// Most files in it: every picture, trace and report of a hundred tests in the longest delivery is less.
pub(super) const FILES: usize = 4096;
/// Longest name of a file in it, in bytes: what the field of a tar header holds.
pub(super) const NAME_BYTES: usize = 100;
/// Largest file that is read into memory to be understood: a journal of the longest delivery.
pub(super) const HELD_BYTES: u64 = 32 << 20;
/// Most bytes of all files that are read into memory to be understood.
pub(super) const HELD_TOTAL_BYTES: u64 = 128 << 20;
/// Room in a bundle that is kept free of evidence: for the files about the task, and the report.
pub(super) const RESERVED_BYTES: u64 = 192 << 20;
