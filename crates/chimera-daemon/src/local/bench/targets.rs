//! What the figures ought to be, on two processors with every write durable.

use super::Figure;

/// The least share of the raw limit of the same run.
pub(super) const SHARE: f64 = 0.5;

/// Targets by the name of the figure: at least, or at most.
enum Target {
    AtLeast(f64),
    AtMost(f64),
}

/// The target of a figure, in words, and whether it is met; nothing if it has none.
pub(super) fn judge(figure: &Figure, server: bool) -> Option<(String, bool)> {
    let target = match (figure.name.as_str(), server) {
        ("workflows_10", false) => Target::AtLeast(1200.0),
        ("workflows_256", false) => Target::AtLeast(5000.0),
        ("workflows_2x10", true) => Target::AtLeast(1000.0),
        ("submissions_http", _) => Target::AtLeast(10_000.0),
        ("start_p50", _) => Target::AtMost(1.0),
        ("start_p99", _) => Target::AtMost(10.0),
        ("reopen", _) => Target::AtMost(1000.0),
        ("idle_memory", _) => Target::AtMost(25.0),
        ("idle_queries", _) => Target::AtMost(1.0),
        ("claim_growth", _) => Target::AtMost(1.5),
        ("heartbeat_1000", _) => Target::AtMost(50_000.0),
        ("claim_by_daemons_more", true) => Target::AtMost(1.0),
        ("counts_1000000", _) => Target::AtMost(5.0),
        ("readyz_1000000", _) => Target::AtMost(10.0),
        ("list_1000000" | "list_failed_1000000" | "list_nothing_1000000", _) => Target::AtMost(100.0),
        // A million a day are 12 a second; a round of an hour must not take much of it.
        ("retention", _) => Target::AtLeast(100.0),
        _ => return None,
    };
    let (words, met) = match target {
        Target::AtLeast(least) => (format!("at least {least} {}", figure.unit), figure.value >= least),
        Target::AtMost(most) => (format!("at most {most} {}", figure.unit), figure.value <= most),
    };
    // What is to be more than so much of the raw limit are workflows; the others show theirs to be understood.
    let raw = figure.raw.filter(|_| figure.name.starts_with("workflows"));
    let share = raw.is_none_or(|raw| figure.value >= SHARE * raw);
    let words = if raw.is_some() { format!("{words} and half of the raw limit") } else { words };
    Some((words.trim_end().to_owned(), met && share))
}
