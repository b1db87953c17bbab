//! A connection apart from all others: for heartbeats, and for what must be known before something happens that others
//! can see. Long reads and writes of the interface do not stand in its way.

use crate::session::Connect;
use crate::writer::Writer;
use crate::{StoreError, group, reader, thread};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// What is asked of it.
pub(crate) enum Job {
    /// A transaction that writes, with a commit of its own.
    Write(group::Job),
    /// A snapshot.
    Read(reader::Job),
}

/// Starts the thread; it ends when the queue is closed and empty.
pub(crate) fn start(connect: &Arc<Connect>, mut queue: mpsc::Receiver<Job>) -> Result<(), StoreError> {
    // A heartbeat makes nothing claimable: its commits wake nobody.
    let ([committed, changes], connect) = ([(); 2].map(|()| watch::channel(0).0), connect.clone());
    let mut writer = Writer { session: connect()?, files: None, connect, committed, changes, unfolded: 0 };
    thread::start("store-apart", move || {
        while let Some(job) = queue.blocking_recv() {
            match job {
                Job::Write(job) => writer.alone(job),
                Job::Read(job) => match writer.renew() {
                    Ok(()) => job(Ok(&*writer.session)),
                    Err(err) => job(Err(err)),
                },
            }
        }
    })
}
