//! Two daemons on one PostgreSQL: the work of one that is killed is finished by the other, within its lease; one that
//! is frozen beyond its lease changes nothing when it wakes up.

use crate::TURN;
use crate::scratch::Scratch;
use chimera_agent::process::Identity;
use chimera_core::{EntryKind, Request, TaskId, UnixMillis};
use chimera_daemon::local::search;
use chimera_daemon::seams::Clock;
use chimera_store::submit::{NewTask, submit};
use chimera_store::{Database, Options, Store, read};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

/// The lease of the daemons that `torture` starts.
const LEASE: Duration = Duration::from_secs(2);
/// How late a look at expired leases may be that is due three times per lease: only one that hangs takes longer,
/// however busy the machine is.
const SLACK: Duration = Duration::from_secs(60);
/// Before this, something hangs.
const PATIENCE: Duration = Duration::from_secs(300);

struct Hall {
    store: Store,
    url: String,
    _scratch: Scratch,
}

/// A daemon; killed when dropped.
struct Daemon(Child);

impl Daemon {
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).expect("signalled");
    }

    /// Whether a lease of that owner was this daemon's.
    fn is(&self, owner: &str) -> bool {
        let process = owner.split_once('/').and_then(|(process, _)| Identity::parse(process));
        process.is_some_and(|process| process.pid() == self.0.id())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Hall {
    fn open() -> Self {
        let scratch = Scratch::new();
        let url = scratch.url();
        let database = Database::parse(&url, Path::new("."), None).expect("a URL");
        let store = Store::open(&database, &Options::default()).expect("an empty database");
        Self { store, url, _scratch: scratch }
    }

    fn daemon(&self, seed: &str) -> Daemon {
        let mut command = crate::binary();
        command.args(["torture-daemon", "--ahead=0", "--database", &self.url, "--seed", seed]);
        let quiet = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Daemon(quiet.spawn().expect("a daemon"))
    }

    async fn submit(&self, numbers: std::ops::RangeInclusive<u64>) -> Vec<TaskId> {
        let ids: Vec<TaskId> = numbers.map(TaskId::from_bits).collect();
        let (new, now) = (ids.clone(), Clock::system().now());
        let all = move |tx: &mut chimera_store::Tx<'_>| {
            for id in new {
                let request = Request::new("An empty feature", "http://127.0.0.1/");
                submit(tx, &NewTask { id, request, project: "empty".to_owned(), now, idempotency: None })?;
            }
            Ok(())
        };
        self.store.write(all).await.expect("accepted");
        ids
    }

    /// Waits until so many are completed, looking at each commit.
    async fn until_completed(&self, number: u64) {
        let mut changes = self.store.changes();
        let waiting = async {
            loop {
                changes.borrow_and_update();
                if self.store.read(read::counts).await.expect("readable").completed >= number {
                    return;
                }
                changes.changed().await.expect("the store lives");
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("completed in time");
    }

    /// The journal of each task.
    async fn journals(&self) -> BTreeMap<TaskId, Vec<read::Event>> {
        let (mut journals, mut last) = (BTreeMap::<_, Vec<_>>::new(), 0);
        loop {
            let page = self.store.read(move |tx| read::events(tx, None, last, read::PAGE)).await;
            let page = page.expect("readable");
            let Some(newest) = page.last() else { return journals };
            last = newest.id;
            for event in page {
                journals.entry(event.task_id.clone()).or_default().push(event);
            }
        }
    }

    /// When the last task was taken from a daemon whose lease had run out.
    async fn last_rescue(&self) -> Option<UnixMillis> {
        let journals = self.journals().await;
        let rescues = journals.values().flatten().map(|event| &event.entry);
        rescues.filter(|entry| matches!(entry.kind, EntryKind::Rescued { .. })).map(|entry| entry.at).max()
    }

    /// Nothing happened twice, and tasks were taken only from `victim`.
    async fn nothing_amiss(&self, accepted: &[TaskId], victim: &Daemon) {
        let excused = |owner: &str, _: UnixMillis| {
            if victim.is(owner) { Ok(()) } else { Err("nothing was done".to_owned()) }
        };
        let audit = search(&self.store, accepted, &excused).await.expect("readable");
        assert_eq!(audit.violations, [], "{audit:?}");
        assert_eq!(audit.completed, accepted.len());
        assert!(audit.rescues > 0, "nothing had to be taken over: the blow came too late");
    }
}

#[tokio::test]
async fn of_200_tasks_none_is_lost_or_done_twice_when_one_of_two_daemons_is_killed() {
    let _turn = TURN.lock().await;
    let hall = Hall::open();
    let (mut victim, _other) = (hall.daemon("1"), hall.daemon("2"));
    let accepted = hall.submit(1..=200).await;
    hall.until_completed(100).await;
    victim.0.kill().expect("killed");
    victim.0.wait().expect("reaped");
    let killed = Clock::system().now();
    hall.until_completed(200).await;
    // From the rescue on, a task takes what any task takes.
    let allowed = killed.plus(LEASE + SLACK);
    let rescued = hall.last_rescue().await.expect("something was taken over");
    assert!(rescued < allowed, "{rescued:?} instead of {allowed:?}, killed at {killed:?}");
    hall.nothing_amiss(&accepted, &victim).await;
}

#[tokio::test]
async fn a_daemon_that_was_frozen_beyond_its_lease_changes_nothing_when_it_wakes_up() {
    let _turn = TURN.lock().await;
    let hall = Hall::open();
    let (victim, other) = (hall.daemon("3"), hall.daemon("4"));
    let accepted = hall.submit(1..=60).await;
    hall.until_completed(15).await;
    victim.signal(Signal::STOP);
    hall.until_completed(60).await;
    let before = hall.journals().await;
    drop(other);
    victim.signal(Signal::CONT);
    // It lives, and has found out: it works on what comes next.
    let next = hall.submit(61..=64).await;
    hall.until_completed(64).await;
    let mut after = hall.journals().await;
    after.retain(|id, _| !next.contains(id));
    assert_eq!(after, before);
    hall.nothing_amiss(&[accepted, next].concat(), &victim).await;
}
