//! The size of the pool and the reasons to begin nothing.

use super::{Pool, Throttle};
use crate::seams::Strain;
use std::time::Duration;

const GIB: u64 = 1 << 30;
const THROTTLE: Throttle = Throttle { min_free_memory: GIB, max_load: Some(4.0) };

fn strain(free_memory: u64, load: f64) -> Strain {
    Strain { free_memory: Some(free_memory), load: Some(load) }
}

#[test]
fn short_of_memory_or_of_time_nothing_begins_and_what_is_not_known_is_no_reason() {
    assert_eq!(THROTTLE.reason(&strain(GIB, 4.0)), None);
    let memory = THROTTLE.reason(&strain(GIB / 2, 0.0)).expect("a reason");
    assert_eq!(memory, "512 MiB of memory are free, 1024 MiB are to stay so");
    let load = THROTTLE.reason(&strain(2 * GIB, 4.5)).expect("a reason");
    assert_eq!(load, "the load is 4.5 per processor, 4.0 at most");
    assert_eq!(THROTTLE.reason(&Strain::default()), None);
    assert_eq!(Throttle::default().reason(&strain(0, 1000.0)), None);
}

#[tokio::test(start_paused = true)]
async fn the_pool_follows_what_waits_within_its_bounds_and_what_the_machine_has_room_for() {
    let mut pool = Pool::between(2, 4, THROTTLE);
    let idle = strain(8 * GIB, 0.5);
    assert_eq!((pool.workers(), pool.free(0)), (2, 2));
    assert!(!pool.look(&idle, 9, 1), "there is a free worker");
    assert!(pool.look(&idle, 9, 2) && pool.look(&idle, 9, 3));
    assert!(!pool.look(&idle, 9, 4), "no more than the most");
    assert_eq!((pool.workers(), pool.free(3), pool.free(7)), (4, 1, 0));
    assert!(!pool.look(&strain(8 * GIB, 3.5), 9, 4), "busy, but not too busy for those that are there");
    assert!(pool.look(&strain(GIB / 2, 0.5), 9, 4), "short of memory");
    assert_eq!((pool.workers(), pool.free(0), pool.throttled().is_some()), (3, 0, true));
    assert!(pool.look(&idle, 0, 0));
    assert_eq!((pool.workers(), pool.free(0)), (2, 2));
    assert!(!pool.look(&idle, 0, 0), "no fewer than the fewest");
}

#[tokio::test(start_paused = true)]
async fn the_machine_is_looked_at_once_a_second() {
    let mut pool = Pool::between(1, 1, THROTTLE);
    assert!(pool.is_due());
    pool.look(&strain(0, 0.0), 0, 0);
    assert_eq!((pool.is_due(), pool.nap()), (false, Some(Duration::from_secs(1))));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(pool.is_due());
    pool.look(&strain(2 * GIB, 0.0), 0, 0);
    assert_eq!(pool.nap(), None, "nothing depends on it");
}
