//! The demo coder: makes static pages meet acceptance criteria.
