//! Changes that people ask for.

use super::App;
use chimera_store::{StoreError, Tx};
use std::time::Duration;
use tokio::time::Instant;

/// How often a change is tried that others stand in the way of: a row that somebody changes at this instant, a key that
/// somebody else has just used.
const TRIES: u32 = 6;
/// Pause before the second try; it doubles with each further one.
const PAUSE: Duration = Duration::from_millis(5);

/// How long after the first try another one may begin. One that finds a lock takes up to 8 s itself, so that each request
/// is answered within the half minute that is promised.
const LATEST: Duration = Duration::from_secs(10);

impl App {
    /// Makes a change, in a transaction of its own, and again while others stand in its way.
    ///
    /// # Errors
    /// As of [`chimera_store::Store::write_alone`].
    pub(super) async fn write<T, F>(&self, change: F) -> Result<T, StoreError>
    where
        F: FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Clone + Send + 'static,
        T: Send + 'static,
    {
        unless_busy(|| self.store.write_alone(change.clone())).await
    }
}

/// Asks again while the database is busy.
pub(super) async fn unless_busy<T, A>(mut ask: impl FnMut() -> A) -> Result<T, StoreError>
where
    A: Future<Output = Result<T, StoreError>>,
{
    let (began, mut pause) = (Instant::now(), PAUSE);
    for _ in 1..TRIES {
        match ask().await {
            Err(StoreError::Busy) if began.elapsed() < LATEST => tokio::time::sleep(pause).await,
            answer => return answer,
        }
        pause *= 2;
    }
    ask().await
}

#[cfg(test)]
mod tests {
    use super::{TRIES, unless_busy};
    use chimera_store::StoreError;
    use std::time::Duration;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn what_is_busy_is_asked_again_but_not_without_end() {
        for (busy, asked) in [(0, 1), (TRIES - 1, TRIES), (TRIES, TRIES)] {
            let mut tries = 0;
            let answer = unless_busy(|| {
                tries += 1;
                std::future::ready(if tries <= busy { Err(StoreError::Busy) } else { Ok(()) })
            });
            assert_eq!((answer.await.is_ok(), tries), (busy < TRIES, asked));
        }
        let (began, mut tries) = (Instant::now(), 0);
        let locked = unless_busy(|| {
            tries += 1;
            async {
                tokio::time::sleep(Duration::from_secs(8)).await;
                Err::<(), _>(StoreError::Busy)
            }
        });
        assert!(matches!(locked.await, Err(StoreError::Busy)));
        assert!(
            tries == 2 && began.elapsed() < Duration::from_secs(20),
            "a lock that stays: {:?}",
            began.elapsed()
        );
        let mut tries = 0;
        let full = unless_busy(|| {
            tries += 1;
            std::future::ready(Err::<(), _>(StoreError::Full))
        });
        assert!(matches!(full.await, Err(StoreError::Full)));
        assert_eq!(tries, 1, "nothing else passes by itself within a request");
    }
}
