//! The claim while something is held back: ready tasks by rank, out of the lanes that are open.
//!
//! The earliest ready tasks are looked at first, which mostly is all. If they do not suffice, because many of them
//! stand at closed gates, the lanes are walked one by one: from each only its earliest tasks are read, so that a
//! million tasks behind a closed gate cost nothing. Within one claim tasks are taken in the order of their ranks.

use crate::hold::{self, at_its_place};
use crate::queue::{self, Claim};
use crate::task_row::{self, columns};
use crate::{Row, StoreError, Tx};
use chimera_core::gates::{Board, Candidate};
use chimera_core::{Lane, Phase, Task};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// Ready tasks that are looked at before the lanes are walked.
const WINDOW: u32 = 64;
/// Most tasks of one lane that are looked at in one claim. Those that wait for a taken place of staging are not among
/// them; what is left and cannot be taken are a few that others are taking.
const LOOK: u32 = 256;

/// As far as the branch of the task is at a home, or nowhere yet; an empty name stands for a daemon that may take any.
macro_rules! at_home {
    ($home:literal) => {
        concat!(
            " AND (CAST(",
            $home,
            " AS TEXT) = '' OR home IS NULL OR home = ",
            $home,
            " OR phase = 'E2E_TEST_GENERATION')"
        )
    };
}
pub(crate) use at_home;

/// The earliest ready tasks. Public for plans and measurements.
pub const EARLIEST: &str = concat!(
    "SELECT task_id, rank, staging_url, phase, project FROM tasks WHERE parked = 0",
    at_home!("$2"),
    " ORDER BY rank, task_id LIMIT $1"
);
/// The projects that have ready tasks in a phase, each with the rank of its first: a seek per project, not a scan.
/// Public for plans and measurements.
pub const PROJECTS: &str = "WITH RECURSIVE lanes (project) AS ( \
    SELECT MIN(project) FROM tasks WHERE parked = 0 AND lane = $1 UNION ALL \
    SELECT (SELECT MIN(project) FROM tasks WHERE parked = 0 AND lane = $1 AND project > lanes.project) \
    FROM lanes WHERE lanes.project IS NOT NULL) \
    SELECT project, (SELECT MIN(rank) FROM tasks WHERE parked = 0 AND lane = $1 AND project = lanes.project) \
    FROM lanes WHERE project IS NOT NULL";
/// The ready tasks of a lane behind a place in it, without those that wait for a place of staging: parameter 7 is 1 where
/// places are shared, 8 the one of tasks that name none. Public for plans and measurements.
pub const LANE: &str = concat!(
    "SELECT task_id, rank, staging_url FROM tasks WHERE parked = 0 AND lane = $1 AND project = $2 \
     AND (rank, task_id) > ($3, $4)",
    at_home!("$6"),
    " AND (CAST($7 AS BIGINT) = 0 OR phase <> 'STAGING_DEPLOYMENT' OR NOT EXISTS (SELECT 1 FROM stagings JOIN tasks AS other \
     ON other.task_id = stagings.task_id WHERE stagings.place = COALESCE(RTRIM(tasks.staging_url, '/'), CAST($8 AS TEXT)) \
     AND other.task_id <> tasks.task_id AND ",
    at_its_place!("other"),
    ")) ORDER BY rank, task_id LIMIT $5"
);
const ONE: &str = concat!("SELECT ", columns!(), " FROM tasks WHERE task_id = $1 AND parked = 0");

/// What a claim has to heed; nothing if every task may start.
pub(crate) fn board<'a>(tx: &mut Tx<'_>, claim: &Claim<'a>) -> Result<Option<Board<'a>>, StoreError> {
    let gates = claim.gates;
    if gates.are_global() {
        tx.in_turn()?;
    }
    let mut facts = hold::facts_for(tx, gates, claim.now)?;
    if facts.breakers.iter().any(|breaker| breaker.open.is_some()) && !gates.are_global() {
        // Only one may try.
        tx.in_turn()?;
        facts = hold::facts_for(tx, gates, claim.now)?;
    }
    let board = Board::of(claim.owner, gates, facts);
    Ok((!board.is_wide_open(claim.limit)).then_some(board))
}

/// Takes ready tasks that nothing stands in the way of, by ascending rank.
/// Of those that `home` may take, if one is named.
pub(crate) fn claim(
    tx: &mut Tx<'_>,
    claim: &Claim<'_>,
    home: &str,
    board: Board<'_>,
) -> Result<Vec<Task>, StoreError> {
    let mut pick = Pick { claim, home, board, taken: Vec::new() };
    if Phase::WORKING.into_iter().all(|phase| pick.board.is_closed_for_all(phase)) {
        return Ok(Vec::new());
    }
    let window = WINDOW.max(claim.limit.saturating_mul(2));
    let rows = tx.query(EARLIEST, &[i64::from(window).into(), home.into()])?;
    for row in &rows {
        if pick.is_full() {
            return Ok(pick.taken);
        }
        let lane = Lane::new(row.text(4)?, hold::phase(row.text(3)?)?);
        pick.offer(tx, &pick.candidate(row, lane)?)?;
    }
    if rows.len() >= window as usize {
        pick.walk(tx)?;
    }
    Ok(pick.taken)
}

/// Counts a task that was taken, and writes down what it tries and where its change is.
pub(crate) fn admit(
    tx: &mut Tx<'_>,
    board: &mut Board<'_>,
    candidate: &Candidate,
    task: &Task,
    claim: &Claim<'_>,
) -> Result<(), StoreError> {
    let attempt = task.workflow.attempt;
    for scope in board.admit(candidate, attempt) {
        hold::probe(tx, &scope, &task.id, attempt)?;
    }
    let staged = matches!(task.phase(), Phase::StagingDeployment | Phase::E2eValidation);
    match candidate.place.as_deref().filter(|_| staged) {
        Some(place) => hold::stage(tx, place, &task.id, claim.now),
        None => Ok(()),
    }
}

struct Pick<'a, 'b> {
    claim: &'a Claim<'b>,
    home: &'a str,
    board: Board<'b>,
    taken: Vec<Task>,
}

/// The ready tasks of a lane, read a few at a time.
struct Walk {
    lane: Lane,
    rows: VecDeque<Row>,
    last: (i64, String),
    looked: u32,
}

impl Pick<'_, '_> {
    fn is_full(&self) -> bool {
        self.taken.len() >= self.claim.limit as usize
    }

    fn candidate(&self, row: &Row, lane: Lane) -> Result<Candidate, StoreError> {
        let place = self.claim.gates.place(&lane.project, row.maybe_text(2)?);
        Ok(Candidate { task: task_row::id(row.text(0)?)?, lane, place })
    }

    /// Takes the task if nothing stands in its way and nobody else is taking it.
    fn offer(&mut self, tx: &mut Tx<'_>, candidate: &Candidate) -> Result<(), StoreError> {
        if self.board.obstacle(candidate).is_some() {
            return Ok(());
        }
        let rows = tx.take_free(ONE, &[candidate.task.as_str().into()])?;
        let Some(row) = rows.first() else { return Ok(()) };
        let found = queue::find(tx, row, self.claim)?;
        let Some(task) = queue::take(tx, Vec::from_iter(found))?.pop() else { return Ok(()) };
        admit(tx, &mut self.board, candidate, &task, self.claim)?;
        self.taken.push(task);
        Ok(())
    }

    /// Goes through the open lanes, always on with the one whose next task is the earliest.
    fn walk(&mut self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let (mut lanes, mut heads) = (Vec::new(), BinaryHeap::new());
        for phase in Phase::WORKING.into_iter().filter(|phase| !self.board.is_closed_for_all(*phase)) {
            for row in tx.query(PROJECTS, &[phase.as_str().into()])? {
                let lane = Lane::new(row.text(0)?, phase);
                // Somebody may have taken the last task of a lane between two looks of the statement.
                if let (None, Some(rank)) = (self.board.closed(&lane), row.maybe_int(1)?) {
                    heads.push(Reverse(((rank, String::new()), lanes.len())));
                    lanes.push(Walk::new(lane));
                }
            }
        }
        while !self.is_full()
            && let Some(Reverse((expected, number))) = heads.pop()
        {
            let Some(walk) = lanes.get_mut(number) else { continue };
            if self.board.closed(&walk.lane).is_some() {
                continue;
            }
            let Some(first) = walk.peek(tx, self.claim, self.home)? else { continue };
            if first == expected {
                let Some(row) = walk.rows.pop_front() else { continue };
                let candidate = self.candidate(&row, walk.lane.clone())?;
                self.offer(tx, &candidate)?;
            }
            // Of a lane that was not looked at, no more was known than the rank of its first task.
            if let Some(next) = walk.peek(tx, self.claim, self.home)? {
                heads.push(Reverse((next, number)));
            }
        }
        Ok(())
    }
}

impl Walk {
    fn new(lane: Lane) -> Self {
        Self { lane, rows: VecDeque::new(), last: (i64::MIN, String::new()), looked: 0 }
    }

    /// The place of the next task in the queue.
    fn peek(
        &mut self,
        tx: &Tx<'_>,
        claim: &Claim<'_>,
        home: &str,
    ) -> Result<Option<(i64, String)>, StoreError> {
        self.read_on(tx, claim, home)?;
        self.rows.front().map(|row| Ok((row.int(1)?, row.text(0)?.to_owned()))).transpose()
    }

    fn read_on(&mut self, tx: &Tx<'_>, claim: &Claim<'_>, home: &str) -> Result<(), StoreError> {
        if !self.rows.is_empty() || self.looked >= LOOK {
            return Ok(());
        }
        let (phase, project) = (self.lane.phase.as_str(), self.lane.project.as_str());
        let (rank, id) = (self.last.0, self.last.1.as_str());
        let from = [phase.into(), project.into(), rank.into(), id.into()];
        let some = [i64::from(claim.limit).into(), home.into()];
        let shares = i64::from(claim.gates.deployers.contains_key(project));
        let place = claim.gates.place(project, None).unwrap_or_default();
        let params = [&from[..], &some, &[shares.into(), place.into()]].concat();
        self.rows = tx.query(LANE, &params)?.into();
        self.looked += claim.limit.max(1);
        if let Some(row) = self.rows.back() {
            self.last = (row.int(1)?, row.text(0)?.to_owned());
        }
        Ok(())
    }
}
