//! Pauses grow up to a limit and end with the first success.

use super::{FIRST, LONGEST, Pause};
use chimera_store::StoreError;
use tokio::time::advance;

#[tokio::test(start_paused = true)]
async fn each_failure_doubles_the_pause_up_to_the_longest() {
    let mut pause = Pause::new("ask");
    assert_eq!((pause.left(), pause.until()), (None, None));
    let mut expected = FIRST;
    for _ in 0..10 {
        pause.failed(&StoreError::Busy);
        assert_eq!(pause.left(), Some(expected));
        advance(expected).await;
        assert_eq!(pause.left(), None, "the next call may begin");
        assert!(pause.until().is_some(), "and is due");
        expected = (expected * 2).min(LONGEST);
    }
    assert_eq!(expected, LONGEST);
}

#[tokio::test(start_paused = true)]
async fn a_success_ends_it() {
    let mut pause = Pause::new("ask");
    pause.failed(&StoreError::Busy);
    pause.failed(&StoreError::Busy);
    pause.over();
    assert_eq!((pause.left(), pause.until()), (None, None));
    pause.failed(&StoreError::Busy);
    assert_eq!(pause.left(), Some(FIRST));
}
