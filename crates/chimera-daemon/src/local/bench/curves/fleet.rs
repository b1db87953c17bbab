//! The claim of one daemon, while others work on the same database.

use super::{Figure, quantile};
use crate::local::bench::depth;
use crate::local::bench::empty::task;
use crate::seams::Dice;
use anyhow::Result;
use chimera_store::submit::submit;
use chimera_store::{Database, Options, Store};
use std::time::Duration;
use tokio::task::JoinSet;

/// Daemons on the database.
const DAEMONS: [usize; 3] = [1, 10, 50];
/// Ready tasks, more than are taken at any time.
const QUEUED: u32 = 2000;
/// Claims of the one that is measured.
const CLAIMS: usize = 200;
/// Claims before that, for statements to be prepared and pages to be read.
const WARM: usize = 30;
/// How often each of the others takes a task and gives it back.
const EACH: Duration = Duration::from_millis(500);

pub(super) async fn measure(database: &Database) -> Result<Vec<Figure>> {
    let options = Options { readers: 1, ..Options::default() };
    let first = Store::open(database, &options)?;
    let dice = Dice::system();
    let news: Vec<_> = (0..QUEUED).map(|_| task(&dice)).collect();
    first.write(move |tx| news.iter().try_for_each(|new| submit(tx, new).map(drop))).await?;
    for _ in 0..WARM {
        depth::claim(&first, "daemon-0").await?;
    }
    let (mut figures, mut others, mut stores) = (Vec::new(), JoinSet::new(), 1);
    let mut medians = Vec::new();
    for daemons in DAEMONS {
        while stores < daemons {
            // A server has so many connections and no more.
            let Ok(store) = Store::open(database, &options) else { break };
            others.spawn(work(store, stores));
            stores += 1;
        }
        let mut times = Vec::with_capacity(CLAIMS);
        for _ in 0..CLAIMS {
            times.push(depth::claim(&first, "daemon-0").await?);
        }
        let how = format!(
            "claim of one task, committed, while {} other daemons each take a task every {EACH:?}; of {CLAIMS}",
            stores - 1
        );
        let median = quantile(&mut times, 0.5);
        medians.push(median);
        figures.push(Figure::new(format!("claim_by_{daemons}"), median, "ms", format!("median {how}")));
        let late = quantile(&mut times, 0.95);
        figures.push(Figure::new(format!("claim_by_{daemons}_p95"), late, "ms", format!("95 of 100 {how}")));
        if stores < daemons {
            break;
        }
    }
    others.shutdown().await;
    if let (Some(one), Some(many)) = (medians.first(), medians.last()) {
        let how = format!("that a claim takes longer with {stores} daemons than with one");
        figures.push(Figure::new("claim_by_daemons_more", many - one, "ms", how));
    }
    first.close().await;
    Ok(figures)
}

/// A daemon that takes a task now and then, and gives it back. What fails is tried again the next time.
async fn work(store: Store, number: usize) {
    let owner = format!("daemon-{number}");
    // Not all of them at once.
    tokio::time::sleep(EACH * u32::try_from(number).unwrap_or_default() / 50).await;
    loop {
        let _ = depth::claim(&store, &owner).await;
        tokio::time::sleep(EACH).await;
    }
}
