//! Claims tasks and has them carried out.
