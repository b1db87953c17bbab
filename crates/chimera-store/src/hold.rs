//! What holds tasks back, as far as the database knows it: pauses, circuit breakers, shared staging.
//!
//! What follows from it is decided by [`chimera_core::gates`]. Both tables of people's and breakers' making are
//! empty as long as all goes well, so that asking costs next to nothing.

use crate::commits::News;
use crate::read::Reading;
use crate::roster;
use crate::{Row, StoreError, Tx};
use chimera_core::gates::{Breaker, FORGOTTEN, Facts, Gates, Open, Pause, Running, Staged};
use chimera_core::{Lane, Phase, Scope, TaskId, UnixMillis};

const HELD: &str = "SELECT (SELECT COUNT(*) FROM pauses) + (SELECT COUNT(*) FROM breakers)";
/// The pause that lasts longer stands; that may be one that has ended already.
const PAUSE: &str = "INSERT INTO pauses (scope, name, since, reason, ends_at) VALUES ($1, $2, $3, $4, $5) \
    ON CONFLICT (scope, name) DO UPDATE SET since = excluded.since, reason = excluded.reason, ends_at = excluded.ends_at \
    WHERE pauses.ends_at IS NOT NULL AND (excluded.ends_at IS NULL OR excluded.ends_at > pauses.ends_at)";
const RESUME: &str = "DELETE FROM pauses WHERE scope = $1 AND name = $2";
const PAUSES: &str = "SELECT scope, name, since, reason, ends_at FROM pauses ORDER BY since, scope, name";
macro_rules! breakers {
    () => {
        "SELECT breakers.scope, breakers.name, breakers.failures, breakers.failed_at, breakers.error, breakers.opened_at, \
         breakers.open_until, breakers.probe_attempt, tasks.task_id FROM breakers LEFT JOIN tasks \
         ON tasks.task_id = breakers.probe_task AND tasks.attempt = breakers.probe_attempt AND tasks.status = 'running'"
    };
}
const BREAKERS: &str = concat!(breakers!(), " ORDER BY breakers.scope, breakers.name");
const BREAKER: &str = concat!(breakers!(), " WHERE breakers.scope = $1 AND breakers.name = $2");
const COUNT: &str = "INSERT INTO breakers (scope, name, failures, failed_at, error, opened_at, open_until, probe_task, probe_attempt) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (scope, name) DO UPDATE SET failures = excluded.failures, \
    failed_at = excluded.failed_at, error = excluded.error, opened_at = excluded.opened_at, open_until = excluded.open_until, \
    probe_task = excluded.probe_task, probe_attempt = excluded.probe_attempt";
const CLOSE: &str = "DELETE FROM breakers WHERE scope = $1 AND name = $2";
const FORGET: &str = "DELETE FROM breakers WHERE failed_at < $1 AND opened_at IS NULL";
const FORGET_PAUSES: &str = "DELETE FROM pauses WHERE ends_at <= $1";
const PROBE: &str = "UPDATE breakers SET probe_task = $1, probe_attempt = $2 WHERE scope = $3 AND name = $4";
/// When the next open breaker lets somebody try, or the next pause ends. Public for plans and measurements.
pub const NEXT_TRY: &str = "SELECT MIN(times.moment) FROM (SELECT open_until AS moment FROM breakers WHERE open_until > $1 \
    UNION ALL SELECT ends_at AS moment FROM pauses WHERE ends_at > $1) AS times";
/// The running tasks by daemon and lane. Public for plans and measurements.
pub const RUNNING: &str = "SELECT lease_owner, phase, project, COUNT(*) FROM tasks WHERE status = 'running' GROUP BY lease_owner, phase, project";
/// A place is taken while its task is deployed, or waits for its validation, or is validated.
macro_rules! at_its_place {
    ($task:literal) => {
        concat!(
            "((",
            $task,
            ".phase = 'E2E_VALIDATION' AND ",
            $task,
            ".status IN ('queued', 'running')) OR (",
            $task,
            ".phase = 'STAGING_DEPLOYMENT' AND ",
            $task,
            ".status = 'running'))"
        )
    };
}
pub(crate) use at_its_place;
const STAGINGS: &str = concat!(
    "SELECT stagings.place, stagings.task_id FROM stagings JOIN tasks ON tasks.task_id = stagings.task_id WHERE ",
    at_its_place!("tasks")
);
const STAGE: &str = "INSERT INTO stagings (place, task_id, since) VALUES ($1, $2, $3) \
    ON CONFLICT (place) DO UPDATE SET task_id = excluded.task_id, since = excluded.since";

/// Pauses something until a person ends that; what is paused so already stays so, with its time and reason. Once this is
/// committed, nothing of it begins: claims and steps that have not seen the pause are committed by then.
///
/// A transaction of its own.
///
/// # Errors
/// The database's.
pub fn pause(
    tx: &mut Tx<'_>,
    scope: &Scope,
    reason: Option<&str>,
    now: UnixMillis,
) -> Result<Pause, StoreError> {
    tx.outwait_those_who_heed_pauses()?;
    let pause = Pause { scope: scope.clone(), since: now, until: None, reason: reason.map(str::to_owned) };
    put(tx, &pause)?;
    let paused = pauses(tx)?.into_iter().find(|pause| pause.scope == *scope);
    // Somebody else may have resumed it in this very moment.
    Ok(paused.unwrap_or(pause))
}

/// Writes a pause down, unless there is one of the same scope that lasts longer.
///
/// # Errors
/// The database's.
pub(crate) fn put(tx: &mut Tx<'_>, pause: &Pause) -> Result<(), StoreError> {
    let (kind, name) = (pause.scope.kind().into(), pause.scope.name().into());
    let reason = pause.reason.as_deref();
    let values = [kind, name, pause.since.0.into(), reason.into(), pause.until.map(|until| until.0).into()];
    tx.execute(PAUSE, &values).map(drop)
}

/// Ends a pause; false if there was none.
///
/// # Errors
/// The database's.
pub fn resume(tx: &mut Tx<'_>, scope: &Scope) -> Result<bool, StoreError> {
    tx.tells(News::CLAIMABLE);
    Ok(tx.execute(RESUME, &[scope.kind().into(), scope.name().into()])? > 0)
}

/// What is paused, oldest first; pauses that have ended may still be among it.
///
/// # Errors
/// The database's.
pub fn pauses(tx: &Reading<'_>) -> Result<Vec<Pause>, StoreError> {
    let pause = |row: &Row| {
        let reason = row.maybe_text(3)?.map(str::to_owned);
        let until = row.maybe_int(4)?.map(UnixMillis);
        Ok(Pause { scope: scope(row)?, since: UnixMillis(row.int(2)?), until, reason })
    };
    tx.query(PAUSES, &[])?.iter().map(pause).collect()
}

/// The agents and projects that failed last, whether their breakers are open or not.
///
/// # Errors
/// The database's.
pub fn breakers(tx: &Reading<'_>) -> Result<Vec<Breaker>, StoreError> {
    tx.query(BREAKERS, &[])?.iter().map(breaker).collect()
}

/// Closes a breaker and forgets its failures; false if there was nothing to forget.
///
/// # Errors
/// The database's.
pub fn close(tx: &mut Tx<'_>, scope: &Scope) -> Result<bool, StoreError> {
    tx.in_turn()?;
    tx.tells(News::CLAIMABLE);
    Ok(tx.execute(CLOSE, &[scope.kind().into(), scope.name().into()])? > 0)
}

/// Forgets pauses that have ended and failures that were of another time, so that they cost nobody anything.
///
/// # Errors
/// The database's.
pub fn forget(tx: &mut Tx<'_>, now: UnixMillis) -> Result<(), StoreError> {
    tx.later(FORGET_PAUSES, &[now.0.into()])?;
    tx.later(FORGET, &[forgotten_before(now).0.into()])
}

/// Failures before that time count no more.
pub(crate) fn forgotten_before(now: UnixMillis) -> UnixMillis {
    now.minus(FORGOTTEN)
}

/// The next time at which an open breaker lets somebody try, or a pause ends.
///
/// # Errors
/// The database's.
pub fn next_try(tx: &Reading<'_>, now: UnixMillis) -> Result<Option<UnixMillis>, StoreError> {
    let row = tx.first(NEXT_TRY, &[now.0.into()])?;
    Ok(row.map(|row| row.maybe_int(0)).transpose()?.flatten().map(UnixMillis))
}

/// All that is known at the moment.
///
/// # Errors
/// The database's.
pub fn facts(tx: &Reading<'_>, now: UnixMillis) -> Result<Facts, StoreError> {
    Ok(Facts {
        running: running(tx)?,
        stagings: stagings(tx)?,
        daemons: roster::daemons(tx, now)?,
        ..held(tx, now)?
    })
}

/// What a claim has to know of it.
pub(crate) fn facts_for(tx: &Reading<'_>, gates: &Gates, now: UnixMillis) -> Result<Facts, StoreError> {
    let mut facts = held(tx, now)?;
    if gates.are_limits() {
        facts.running = running(tx)?;
    }
    if !gates.deployers.is_empty() {
        facts.stagings = stagings(tx)?;
    }
    Ok(facts)
}

/// Pauses and breakers only.
pub(crate) fn held(tx: &Reading<'_>, now: UnixMillis) -> Result<Facts, StoreError> {
    Ok(Facts { now, pauses: pauses(tx)?, breakers: breakers(tx)?, ..Facts::default() })
}

/// Whether there are any pauses, or failures that count.
pub(crate) fn is_anything_held(tx: &Reading<'_>) -> Result<bool, StoreError> {
    tx.first(HELD, &[])?.map_or(Ok(false), |row| Ok(row.int(0)? > 0))
}

/// The breaker of an agent or a project, if it counts.
pub(crate) fn breaker_of(tx: &Reading<'_>, scope: &Scope) -> Result<Option<Breaker>, StoreError> {
    let row = tx.first(BREAKER, &[scope.kind().into(), scope.name().into()])?;
    row.as_ref().map(breaker).transpose()
}

/// Writes a breaker down as it is now. Those whom it held back may have to wait for another time than before.
pub(crate) fn count(tx: &mut Tx<'_>, breaker: &Breaker) -> Result<(), StoreError> {
    let (probe, attempt) = match &breaker.probe {
        Some((task, attempt)) => (Some(task.as_str()), Some(i64::from(*attempt))),
        None => (None, None),
    };
    let params = [
        breaker.scope.kind().into(),
        breaker.scope.name().into(),
        i64::from(breaker.failures).into(),
        breaker.failed_at.0.into(),
        breaker.error.as_str().into(),
        breaker.open.map(|open| open.since.0).into(),
        breaker.open.map(|open| open.until.0).into(),
        probe.into(),
        attempt.into(),
    ];
    tx.tells(News::CLAIMABLE);
    tx.execute(COUNT, &params).map(drop)
}

/// Writes down which attempt tries an open breaker.
pub(crate) fn probe(tx: &mut Tx<'_>, scope: &Scope, task: &TaskId, attempt: u32) -> Result<(), StoreError> {
    let by = [task.as_str().into(), i64::from(attempt).into(), scope.kind().into(), scope.name().into()];
    tx.execute(PROBE, &by).map(drop)
}

/// Writes down whose change is at a place from now on.
pub(crate) fn stage(tx: &mut Tx<'_>, place: &str, task: &TaskId, now: UnixMillis) -> Result<(), StoreError> {
    tx.execute(STAGE, &[place.into(), task.as_str().into(), now.0.into()]).map(drop)
}

fn running(tx: &Reading<'_>) -> Result<Vec<Running>, StoreError> {
    let running = |row: &Row| {
        let tasks = u32::try_from(row.int(3)?).unwrap_or(u32::MAX);
        let lane = Lane::new(row.text(2)?, phase(row.text(1)?)?);
        Ok(Running { owner: row.text(0)?.to_owned(), lane, tasks })
    };
    tx.query(RUNNING, &[])?.iter().map(running).collect()
}

fn stagings(tx: &Reading<'_>) -> Result<Vec<Staged>, StoreError> {
    let staged =
        |row: &Row| Ok(Staged { place: row.text(0)?.to_owned(), task: crate::task_row::id(row.text(1)?)? });
    tx.query(STAGINGS, &[])?.iter().map(staged).collect()
}

fn breaker(row: &Row) -> Result<Breaker, StoreError> {
    let open = row.maybe_int(5)?.zip(row.maybe_int(6)?);
    let probe = match (row.maybe_text(8)?, row.maybe_int(7)?) {
        (Some(task), Some(attempt)) => {
            Some((crate::task_row::id(task)?, u32::try_from(attempt).unwrap_or(u32::MAX)))
        }
        _ => None,
    };
    Ok(Breaker {
        scope: scope(row)?,
        failures: u32::try_from(row.int(2)?).unwrap_or(u32::MAX),
        failed_at: UnixMillis(row.int(3)?),
        error: row.text(4)?.to_owned(),
        open: open.map(|(since, until)| Open { since: UnixMillis(since), until: UnixMillis(until) }),
        probe,
    })
}

fn scope(row: &Row) -> Result<Scope, StoreError> {
    Scope::new(row.text(0)?, row.text(1)?).map_err(|err| StoreError::Corrupt(err.to_string()))
}

/// A phase as the database names it.
pub(crate) fn phase(name: &str) -> Result<Phase, StoreError> {
    Phase::parse(name).ok_or_else(|| StoreError::Corrupt(format!("phase `{name}`")))
}
