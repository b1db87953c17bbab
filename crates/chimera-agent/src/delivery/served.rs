//! Which commit is served, as the origin says that the browser uses.

use super::bench::Bench;
use super::halt::Halt;
use crate::spec::{Project, Staging};
use crate::staging::told_at;
use chimera_core::{Digest, Reason};

/// How often it is read at a time: a deployment that is half rolled out answers now this, now that.
const READINGS: u32 = 3;

/// Halts unless `url` serves the head, every time that it is asked. An agent's own word has to do for a
/// deployment that cannot say what it serves.
pub(super) async fn must_be(
    bench: &Bench<'_>,
    project: &Project,
    url: &str,
    head: &Digest,
    word: Option<&Digest>,
) -> Result<(), Halt> {
    for _ in 0..READINGS {
        let revision = match (&project.staging, word) {
            (Staging::Agent { revision: Some(path), .. }, _) => told_at(url, path).await?,
            (Staging::Agent { revision: None, .. }, Some(word)) => word.clone(),
            (Staging::Agent { revision: None, .. }, None) => {
                return Err(Halt::failed(Reason::Config, "nobody says which commit is deployed"));
            }
            (Staging::Static { .. } | Staging::Start { .. }, _) => {
                bench.rooms.staging.revision(&bench.task().id).await?
            }
        };
        if revision != *head {
            let why = format!("staging serves {revision} instead of {head}");
            return Err(Halt::failed(Reason::StaleStaging, why));
        }
    }
    Ok(())
}
