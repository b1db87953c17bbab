//! Runs the frozen test in a clean process and reads its report.
