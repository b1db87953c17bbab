//! A call of the database that the dispatcher waits for beside everything else.

use std::pin::Pin;

/// A call under way, or none.
pub(super) struct Call<T>(Option<Pin<Box<dyn Future<Output = T> + Send>>>);

impl<T> Call<T> {
    pub(super) const NONE: Self = Self(None);

    pub(super) fn is_idle(&self) -> bool {
        self.0.is_none()
    }

    /// Begins a call; one that is under way is given up, so this is for idle ones.
    pub(super) fn begin(&mut self, call: impl Future<Output = T> + Send + 'static) {
        self.0 = Some(Box::pin(call));
    }

    /// What came of the call; waits for ever if there is none. May be dropped and called again.
    pub(super) async fn ended(&mut self) -> T {
        let Some(call) = &mut self.0 else { return std::future::pending().await };
        let result = call.await;
        self.0 = None;
        result
    }
}
