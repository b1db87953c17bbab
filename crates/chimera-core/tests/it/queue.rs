//! The order of the queue.

use crate::fixture::NOW;
use chimera_core::rank::STEP;
use chimera_core::{Priority, Rank, UnixMillis};
use proptest::prelude::*;
use std::time::Duration;

fn priority(value: i64) -> Priority {
    Priority::new(value).expect("1 to 10")
}

#[test]
fn of_two_tasks_submitted_together_the_more_urgent_starts_first() {
    let ranks: Vec<Rank> = (1..=10).rev().map(|value| Rank::new(NOW, priority(value))).collect();
    assert!(ranks.is_sorted_by(|a, b| a < b), "{ranks:?}");
}

#[test]
fn of_two_equally_urgent_tasks_the_earlier_starts_first() {
    let later = Rank::new(UnixMillis(NOW.0 + 1), Priority::default());
    assert!(Rank::new(NOW, Priority::default()) < later);
}

#[test]
fn a_steady_stream_of_urgent_tasks_overtakes_a_patient_one_for_nine_steps_only() {
    let patient = Rank::new(NOW, priority(1));
    let bound = STEP * 9;
    let overtaking: Vec<Duration> = (0..60 * 24)
        .map(|minute| Duration::from_secs(60 * minute))
        .filter(|after| Rank::new(NOW.plus(*after), priority(10)) < patient)
        .collect();
    assert!(overtaking.iter().all(|after| *after < bound), "{overtaking:?}");
    assert_eq!(overtaking.len(), 90, "one a minute within ninety minutes");
}

#[test]
fn a_rank_at_the_end_of_time_saturates() {
    assert_eq!(Rank::new(UnixMillis(i64::MIN), priority(10)), Rank(i64::MIN));
}

proptest! {
    #[test]
    fn nobody_is_overtaken_beyond_the_difference_in_weight(
        mine in 1_i64..=10, theirs in 1_i64..=10, later_ms in 0_u64..20 * 600_000,
    ) {
        let later = Duration::from_millis(later_ms);
        let ours = Rank::new(NOW, priority(mine));
        let overtakes = Rank::new(NOW.plus(later), priority(theirs)) < ours;
        let weight = STEP * u32::try_from((theirs - mine).max(0)).expect("0 to 9");
        prop_assert_eq!(overtakes, later < weight);
    }
}

#[test]
fn time_saturates_instead_of_turning_over() {
    assert_eq!(UnixMillis(i64::MAX).plus(Duration::MAX), UnixMillis(i64::MAX));
    assert_eq!(NOW.since(NOW.plus(Duration::from_secs(1))), Duration::ZERO);
    assert_eq!(UnixMillis(i64::MAX).since(UnixMillis(i64::MIN)), Duration::from_millis(i64::MAX as u64));
}
