//! Tasks that may be what crashes their daemons: each runs alone, until it is known.
//!
//! A daemon that crashes takes with it whatever it runs, and one crash does not tell the culprit from those beside it. A
//! task that has seen two of them in one phase is therefore parked without a time, outside of every index that the claim
//! walks. It is taken by a daemon that runs nothing else, and begins nothing else until the phase has ended: in order,
//! which lifts the suspicion, or with one more crash, which sets the task aside. At most one busy daemon at a time lets
//! its running phases end for it.

use crate::lanes::at_home;
use crate::queue::{self, Claim};
use crate::read::Reading;
use crate::task_row::{self, columns};
use crate::unreadable::read_or_set_aside;
use crate::{Row, StoreError, Tx, home, lanes, roster, times};
use chimera_core::gates::{Board, Candidate, DaemonState};
use chimera_core::{Lane, Task, TaskId, UnixMillis};

/// The `ready_at` of a suspect task that waits.
pub const PARKED: UnixMillis = UnixMillis(i64::MAX - 1);
/// Suspects that are looked at for one that nothing else holds back.
const LOOK: i64 = 64;

const PARK: &str = "UPDATE tasks SET ready_at = $1, parked = 1 WHERE task_id = $2 AND status = 'queued'";
/// Whether any waits. Public for plans and measurements.
pub const ANY: &str = "SELECT 1 FROM tasks WHERE parked = 1 AND ready_at = $1 LIMIT 1";
/// Those that a home may take, in the order of the queue. Public for plans and measurements.
pub const FIRST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM tasks WHERE parked = 1 AND ready_at = $1",
    at_home!("$2"),
    " ORDER BY rank, task_id LIMIT $3"
);
const HOLDS_ANY: &str = "SELECT 1 FROM tasks WHERE status = 'running' AND lease_owner = $1 LIMIT 1";

/// What a daemon that asks for a suspect is to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Turn {
    /// None waits that it could take.
    None,
    /// One waits, and another daemon makes room for it.
    Elsewhere,
    /// Let the running phases end, and begin nothing else: it then takes a suspect, such as this one.
    MakeRoom(TaskId),
    /// It is the daemon's, and nothing else is.
    Taken(Box<Task>),
}

/// Whether a suspect waits.
///
/// # Errors
/// The database's.
pub fn wait(tx: &Reading<'_>) -> Result<bool, StoreError> {
    Ok(tx.first(ANY, &[PARKED.0.into()])?.is_some())
}

/// Takes the first suspect that nothing else holds back, for a daemon that runs nothing; one that does is told whether it
/// is the one to make room, and says so to the others by `state`.
///
/// # Errors
/// The database's.
pub fn claim(
    tx: &mut Tx<'_>,
    claim: &Claim<'_>,
    home: Option<&str>,
    state: &DaemonState,
) -> Result<Turn, StoreError> {
    // So that no two daemons make room for the same one.
    tx.in_turn()?;
    let claim = &Claim { limit: 1, ..*claim };
    let board = lanes::board(tx, claim)?;
    let Some(found) = first(tx, claim, home, board)? else { return Ok(Turn::None) };
    if tx.first(HOLDS_ANY, &[claim.owner.into()])?.is_some() {
        return make_room(tx, claim, &found.candidate.task, state);
    }
    let Found { row, task, candidate, board } = found;
    let change = queue::taken(task, task_row::epoch(&row)? + 1, claim)?;
    let Some(task) = queue::take(tx, vec![change])?.pop() else { return Ok(Turn::None) };
    if let Some(mut board) = board {
        lanes::admit(tx, &mut board, &candidate, &task, claim)?;
    }
    if let Some(home) = home {
        home::bind(tx, claim.owner, home)?;
    }
    Ok(Turn::Taken(Box::new(task)))
}

struct Found<'a> {
    row: Row,
    task: Task,
    candidate: Candidate,
    board: Option<Board<'a>>,
}

/// The first suspect in the order of the queue that nothing else holds back.
fn first<'a>(
    tx: &mut Tx<'_>,
    claim: &Claim<'a>,
    home: Option<&str>,
    board: Option<Board<'a>>,
) -> Result<Option<Found<'a>>, StoreError> {
    let params = [PARKED.0.into(), home.unwrap_or_default().into(), LOOK.into()];
    for row in tx.take_free(FIRST, &params)? {
        let Some(task) = read_or_set_aside(tx, &row, claim.now)? else { continue };
        if times::is_up(&task, claim.now) {
            times::end_if_up(tx, &task, claim.now)?;
            continue;
        }
        let lane = Lane::new(task.project.clone(), task.phase());
        let place = claim.gates.place(&lane.project, task.request.staging_url.as_deref());
        let candidate = Candidate { task: task.id.clone(), lane, place };
        if board.as_ref().is_none_or(|board| board.obstacle(&candidate).is_none()) {
            return Ok(Some(Found { row, task, candidate, board }));
        }
    }
    Ok(None)
}

/// The part of one daemon, which the others see.
fn make_room(
    tx: &mut Tx<'_>,
    claim: &Claim<'_>,
    task: &TaskId,
    state: &DaemonState,
) -> Result<Turn, StoreError> {
    let daemons = roster::daemons(tx, claim.now)?;
    if daemons.iter().any(|daemon| daemon.owner != claim.owner && daemon.state.alone_for.is_some()) {
        return Ok(Turn::Elsewhere);
    }
    roster::say(tx, claim.owner, &DaemonState { alone_for: Some(task.clone()), ..state.clone() })?;
    Ok(Turn::MakeRoom(task.clone()))
}

/// Parks a suspect that stands among the ready tasks: an older daemon put it there.
pub(crate) fn park(tx: &mut Tx<'_>, task: &TaskId) -> Result<(), StoreError> {
    tx.execute(PARK, &[PARKED.0.into(), task.as_str().into()]).map(drop)
}
