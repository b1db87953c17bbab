//! Dead letters: failed tasks that wait for a person, who sends them back into the queue or gives them up.
//!
//! They are read by [`crate::read::list`] with a [`Filter`] that [`waiting`] makes.

use crate::after::remark;
use crate::queue::decide;
use crate::read::{self, Filter};
use crate::{StoreError, Tx, journal, steer};
use chimera_core::{EntryKind, Event, Gates, Phase, Policy, Status, Task, TaskId, UnixMillis};

const DISCARD: &str = "UPDATE tasks SET discarded_at = $1, seq = seq + 1 \
    WHERE task_id = $2 AND status = 'failed' AND discarded_at IS NULL RETURNING seq";

/// What is done to dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// Back into the queue, from a phase or the one in which each failed.
    Retry(Option<Phase>),
    /// Given up: no dead letter any more, and soon to be pruned.
    Discard,
}

/// Which dead letters.
#[derive(Debug, Clone)]
pub enum Which {
    /// These.
    Named(Vec<TaskId>),
    /// A page of those that a filter lets through, from a cursor on.
    Filtered(Box<Filter>, Option<String>, u32),
}

/// What became of them.
#[derive(Debug, Clone, Default)]
pub struct Treated {
    /// Those that it was done to.
    pub done: Vec<TaskId>,
    /// Those that it is not possible for, and why.
    pub refused: Vec<(TaskId, String)>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

/// The filter of what waits for a person.
pub fn waiting(filter: Filter) -> Filter {
    Filter { status: vec![Status::Failed], undiscarded: true, ..filter }
}

/// Treats dead letters. What one of them refuses is told and keeps nobody else from being treated.
///
/// # Errors
/// [`StoreError::BadCursor`], or the database's.
pub fn treat(
    tx: &mut Tx<'_>,
    which: Which,
    treatment: Treatment,
    now: UnixMillis,
    policy: &Policy,
    gates: &Gates,
) -> Result<Treated, StoreError> {
    apply(tx, which, |tx, id| one(tx, id, treatment, now, policy, gates))
}

/// What [`treat`] would do; nothing is written.
///
/// # Errors
/// As of [`treat`].
pub fn rehearse(
    tx: &mut Tx<'_>,
    which: Which,
    treatment: Treatment,
    now: UnixMillis,
    policy: &Policy,
    gates: &Gates,
) -> Result<Treated, StoreError> {
    apply(tx, which, |tx, id| {
        let task = known(tx, id)?;
        match treatment {
            Treatment::Discard => discardable(&task),
            Treatment::Retry(from) => {
                let from = steer::begin_again(&task, from, gates);
                decide(&task, Event::Requeued { from }, now, policy).map(drop)
            }
        }
    })
}

fn apply(
    tx: &mut Tx<'_>,
    which: Which,
    mut act: impl FnMut(&mut Tx<'_>, &TaskId) -> Result<(), StoreError>,
) -> Result<Treated, StoreError> {
    let (ids, next): (Vec<TaskId>, _) = match which {
        Which::Named(ids) => (ids, None),
        Which::Filtered(filter, cursor, limit) => {
            let page = read::list(tx, &waiting(*filter), cursor.as_deref(), limit)?;
            (page.items.into_iter().map(|task| task.id).collect(), page.next)
        }
    };
    let mut treated = Treated { next, ..Treated::default() };
    // Two who treat the same ones lock them in the same order.
    let mut in_order = ids.clone();
    in_order.sort();
    for id in in_order {
        match act(tx, &id) {
            Ok(()) => treated.done.push(id),
            Err(
                err @ (StoreError::NotFound { .. } | StoreError::Illegal(_) | StoreError::NotDead { .. }),
            ) => {
                treated.refused.push((id, err.to_string()));
            }
            Err(err) => return Err(err),
        }
    }
    let place = |id: &TaskId| ids.iter().position(|one| one == id);
    treated.done.sort_by_key(place);
    treated.refused.sort_by_key(|(id, _)| place(id));
    Ok(treated)
}

fn one(
    tx: &mut Tx<'_>,
    id: &TaskId,
    treatment: Treatment,
    now: UnixMillis,
    policy: &Policy,
    gates: &Gates,
) -> Result<(), StoreError> {
    let task = known(tx, id)?;
    match treatment {
        Treatment::Retry(from) => steer::retry(tx, id, from, now, policy, gates).map(drop),
        Treatment::Discard => {
            discardable(&task)?;
            if let Some(row) = tx.first(DISCARD, &[now.0.into(), id.as_str().into()])? {
                journal::append(tx, id, row.int(0)?, &remark(&task, now, EntryKind::Discarded))?;
            }
            Ok(())
        }
    }
}

fn known(tx: &mut Tx<'_>, id: &TaskId) -> Result<Task, StoreError> {
    read::task_to_change(tx, id)?.ok_or_else(|| StoreError::NotFound { id: id.clone() })
}

fn discardable(task: &Task) -> Result<(), StoreError> {
    if task.status == Status::Failed && task.discarded_at.is_none() {
        return Ok(());
    }
    Err(StoreError::NotDead { id: task.id.clone(), status: task.status })
}
