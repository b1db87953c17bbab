//! Counts and lists, by the number of tasks that have ended.

use super::{Figure, SHORTEST, quantile};
use crate::seams::Clock;
use anyhow::Result;
use chimera_core::{Status, UnixMillis};
use chimera_store::read::{self, Filter};
use chimera_store::{ReadTx, Store, StoreError, counts, past};
use std::time::Duration;
use tokio::time::Instant;

/// Tasks added by one transaction.
const AT_ONCE: u32 = 5000;
/// How often each question is asked; the time within which 95 of 100 were answered counts.
const ASKED: usize = 20;
/// How long ago the history ends: longer ago than anything is kept.
const AGO: Duration = Duration::from_secs(2 * 365 * 24 * 3600);
/// Tasks of a page.
const PAGE: u32 = 50;

type Question = (&'static str, &'static str, fn(&ReadTx<'_>) -> Result<(), StoreError>);

/// What the API asks the store.
const QUESTIONS: [Question; 4] = [
    ("counts", "the counts by status of /health", |tx| counts::counts(tx).map(drop)),
    ("list", "the newest 50 tasks", |tx| list(tx, &Filter::default())),
    ("list_failed", "the newest 50 that failed", |tx| {
        list(tx, &Filter { status: vec![Status::Failed], ..Filter::default() })
    }),
    ("list_nothing", "a step of a search for a text that no task has", |tx| {
        list(tx, &Filter { text: Some("not to be found".to_owned()), ..Filter::default() })
    }),
];

fn list(tx: &ReadTx<'_>, filter: &Filter) -> Result<(), StoreError> {
    read::list(tx, filter, None, PAGE).map(drop)
}

/// When the first task of the history was accepted.
pub(super) fn beginning() -> UnixMillis {
    UnixMillis(Clock::system().now().0.saturating_sub(i64::try_from(AGO.as_millis()).unwrap_or(i64::MAX)))
}

pub(super) async fn measure(store: &Store, history: u32) -> Result<Vec<Figure>> {
    let (mut figures, mut ended, from) = (Vec::new(), 0, beginning());
    let lengths = if history > SHORTEST { vec![SHORTEST, history] } else { vec![history] };
    for length in lengths {
        while ended < length {
            let (first, number) = (ended, AT_ONCE.min(length - ended));
            // Those that are removed again have a journal; it matters to nothing else here.
            let journal = first < super::retention::REMOVED;
            store.write(move |tx| past::add(tx, first, number, from, journal)).await?;
            ended += number;
        }
        for (name, what, ask) in QUESTIONS {
            let mut times = Vec::with_capacity(ASKED);
            for _ in 0..ASKED {
                let from = Instant::now();
                store.read(ask).await?;
                times.push(from.elapsed().as_secs_f64() * 1000.0);
            }
            let how = format!("{what}, beside {length} ended tasks; 95 of 100");
            figures.push(Figure::new(format!("{name}_{length}"), quantile(&mut times, 0.95), "ms", how));
        }
        let mut times = Vec::with_capacity(ASKED);
        for _ in 0..ASKED {
            let from = Instant::now();
            store.takes_changes().await?;
            times.push(from.elapsed().as_secs_f64() * 1000.0);
        }
        let how = format!("what /readyz asks, beside {length} ended tasks; 95 of 100");
        figures.push(Figure::new(format!("readyz_{length}"), quantile(&mut times, 0.95), "ms", how));
    }
    Ok(figures)
}
