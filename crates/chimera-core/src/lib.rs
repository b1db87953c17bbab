//! The pure heart of Chimera: its words, its limits and the state machine that decides.
//!
//! Nothing here does IO, reads a clock or rolls a die: time and jitter come in as arguments, so that
//! every decision can be replayed. Map: [`task`] and [`phase`] are the vocabulary, [`workflow`] the durable
//! state of a delivery, [`outcome`] what an attempt came to, [`report`] what test runs showed, [`proof`] what
//! counts as red and green, [`machine`] the one place that turns an event into the next state, [`gates`] what decides
//! which tasks may start, [`replay`](mod@replay) follows a journal through the rules again and
//! [`rejudge`](mod@rejudge) the reports through [`proof`].

pub mod digest;
pub mod evidence;
pub mod gates;
pub mod ids;
pub mod journal;
pub mod limits;
pub mod machine;
pub mod outcome;
pub mod phase;
pub mod proof;
pub mod rank;
pub mod reason;
pub mod rejudge;
pub mod replay;
pub mod report;
pub mod retry;
pub mod slug;
pub mod task;
pub mod time;
pub mod workflow;

/// The number of the words that workflows, requests and journals are written in. It grows with each new phase, reason,
/// status, outcome or event, so that a daemon that would not understand them refuses the database.
pub const VOCABULARY: i64 = 1;

pub use digest::Digest;
pub use evidence::{Evidence, EvidenceKind};
pub use gates::{Gates, Lane, Scope};
pub use ids::TaskId;
pub use journal::{Entry, EntryKind};
pub use machine::{Event, IllegalEvent, Next, Policy, State, Transition, step};
pub use outcome::{Finding, Outcome, PhaseOutput, Setback, Severity, Usage};
pub use phase::{Phase, Role};
pub use proof::{FailedStep, GreenProof, GreenRuns, NotGreen, NotRed, Reach, RedProof, RedRuns};
pub use rank::Rank;
pub use reason::Reason;
pub use rejudge::{Disagreement, Shown, rejudge};
pub use replay::{Broken, Replayed, replay};
pub use report::{FailedAt, TestReport, TestResult, TestStatus};
pub use retry::RetryPolicy;
pub use task::{Lease, Priority, Request, Status, Task, TimeUp};
pub use time::{Tick, UnixMillis};
pub use workflow::{Artifacts, Feedback, Workflow};
