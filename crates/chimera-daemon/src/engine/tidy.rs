//! Tidies up after tasks that have ended, however they did: a daemon may have died between the end and the tidying, a task
//! may have ended without a worker, or on another machine. Whose working files lie here is what the runner says, so each
//! machine looks after its own, and nothing has to be written down.

use super::Context;
use super::pause::Pause;
use chimera_core::TaskId;
use chimera_store::{StoreError, read};
use std::sync::Arc;
use std::time::Duration;

/// Between two looks: so much longer than their tasks may working files lie about.
const LOOK: Duration = Duration::from_secs(60);

/// Never returns.
pub(super) async fn run(context: Arc<Context>) {
    let mut looks = Pause::new("look whose working files may go");
    loop {
        for id in context.runner.leftovers().await {
            match tidy(&context, &id).await {
                Ok(()) => looks.over(),
                Err(err) => {
                    looks.failed(&err);
                    break;
                }
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// A task that the database does not know is left alone: it might be the wrong database.
async fn tidy(context: &Context, id: &TaskId) -> Result<(), StoreError> {
    let wanted = id.clone();
    let task = context.store.read(move |tx| read::task(tx, &wanted)).await?;
    if let Some(task) = task.filter(|task| task.status.is_end()) {
        context.runner.finished(&task).await;
    }
    Ok(())
}
