//! Random histories of several daemons on one database: whatever happens, in whatever order, epochs only grow,
//! the journal has no gaps, and nobody without the lease leaves a mark.

use crate::fixture::{House, NOW, failure, id, new_task};
use chimera_core::{EntryKind, Outcome, Phase, Policy, Reason, Setback, Status, Task, UnixMillis};
use chimera_store::{Options, StoreError, counts, steer};
use proptest::prelude::*;
use std::time::Duration;

const TASKS: u64 = 3;
const OWNERS: [&str; 3] = ["one", "two", "three"];

#[derive(Debug, Clone)]
enum Act {
    Claim {
        owner: usize,
    },
    /// Settles what was claimed at that place in history, whether the lease still holds or not.
    Settle {
        claim: usize,
        how: u8,
    },
    Heartbeat {
        owner: usize,
    },
    Pass {
        seconds: u64,
    },
    Rescue,
    Gone {
        owner: usize,
    },
    Cancel {
        task: u64,
    },
    Requeue {
        task: u64,
    },
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0..3_usize).prop_map(|owner| Act::Claim { owner }),
        4 => (any::<usize>(), any::<u8>()).prop_map(|(claim, how)| Act::Settle { claim, how }),
        2 => (0..3_usize).prop_map(|owner| Act::Heartbeat { owner }),
        2 => (1..50_u64).prop_map(|seconds| Act::Pass { seconds }),
        2 => Just(Act::Rescue),
        1 => (0..3_usize).prop_map(|owner| Act::Gone { owner }),
        1 => (0..TASKS).prop_map(|task| Act::Cancel { task }),
        2 => (0..TASKS).prop_map(|task| Act::Requeue { task }),
    ]
}

/// What the test believes, beside what the store says.
struct World {
    house: House,
    now: UnixMillis,
    claims: Vec<Task>,
}

impl World {
    async fn act(&mut self, act: Act) {
        let now = self.now;
        match act {
            Act::Claim { owner } => self.claims.extend(self.house.claim(OWNERS[owner], now, 1).await),
            Act::Settle { claim, how } => self.settle(claim, how).await,
            Act::Heartbeat { owner } => {
                for held in self.house.beat(OWNERS[owner], now).await {
                    let known = self.claims.iter().rfind(|task| task.id == held.id).expect("it was claimed");
                    let lease = known.lease.as_ref().expect("under a lease");
                    assert_eq!((lease.owner.as_str(), lease.epoch), (OWNERS[owner], held.epoch));
                }
            }
            Act::Pass { seconds } => self.now = now.plus(Duration::from_secs(seconds)),
            Act::Rescue => drop(self.house.rescue(now, &[]).await),
            Act::Gone { owner } => drop(self.house.rescue(now, &[OWNERS[owner]]).await),
            Act::Cancel { task } => {
                let wish = move |tx: &mut chimera_store::Tx<'_>| {
                    steer::cancel(tx, &id(task), now, &Policy::default())
                };
                let _ = self.house.store.write(wish).await;
            }
            Act::Requeue { task } => {
                let wish = move |tx: &mut chimera_store::Tx<'_>| {
                    steer::requeue(tx, &id(task), Phase::E2eTestGeneration, now, &Policy::default())
                };
                let _ = self.house.store.write(wish).await;
            }
        }
    }

    /// The store takes it exactly if the lease is the newest one and has not been ended.
    async fn settle(&mut self, claim: usize, how: u8) {
        if self.claims.is_empty() {
            return;
        }
        let task = self.claims[claim % self.claims.len()].clone();
        let lease = task.lease.clone().expect("it was claimed");
        let number = (0..TASKS).find(|number| id(*number) == task.id).expect("ours");
        let before = self.house.task(number).await;
        let holds = before.lease.as_ref().is_some_and(|now| now.epoch == lease.epoch);
        let outcome = match how % 3 {
            0 => failure(),
            1 => Outcome::Interrupted,
            _ => Outcome::Transient {
                setback: Setback::new(Reason::AgentError, "try again"),
                retry_after: None,
            },
        };
        match self.house.settle(&task, lease.epoch, outcome, self.now).await {
            Ok(()) => assert!(holds, "a lost lease settled"),
            Err(StoreError::LeaseLost { .. }) => {
                assert!(!holds, "a lease that holds was refused");
                assert_eq!(self.house.task(number).await, before, "a refused write left a mark");
            }
            Err(err) => panic!("{err}"),
        }
    }

    async fn check(&self) {
        for number in 0..TASKS {
            let (task, journal) = (self.house.task(number).await, self.house.journal(number).await);
            let seqs: Vec<i64> = journal.iter().map(|event| event.seq).collect();
            assert_eq!(seqs, (1..=task.seq).collect::<Vec<_>>(), "no gap, no repetition");
            let epochs: Vec<i64> = journal.iter().filter_map(|event| epoch_of(&event.entry.kind)).collect();
            assert!(epochs.is_sorted_by(|a, b| a < b), "epochs only grow: {epochs:?}");
            if let Some(lease) = &task.lease {
                assert_eq!(Some(&lease.epoch), epochs.last());
            }
            assert_eq!(task.lease.is_some(), task.status == Status::Running);
        }
        let recount = self.house.store.read(counts::recount).await.expect("readable");
        assert_eq!(recount.kept, recount.counted);
        let counts = recount.kept;
        assert_eq!(counts.queued + counts.running + counts.failed + counts.cancelled, TASKS);
    }
}

fn epoch_of(kind: &EntryKind) -> Option<i64> {
    if let EntryKind::Claimed { epoch, .. } = kind { Some(*epoch) } else { None }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nobody_without_the_lease_leaves_a_mark_on_sqlite(acts in proptest::collection::vec(act(), 1..60)) {
        walk(House::sqlite(&Options::default()), acts);
    }

    #[test]
    fn nobody_without_the_lease_leaves_a_mark_on_postgres(acts in proptest::collection::vec(act(), 1..60)) {
        walk(House::postgres(), acts);
    }
}

fn walk(house: House, acts: Vec<Act>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let mut world = World { house, now: NOW, claims: Vec::new() };
        for number in 0..TASKS {
            world.house.submit(new_task(number)).await;
        }
        for act in acts {
            world.act(act).await;
        }
        world.check().await;
    });
}
