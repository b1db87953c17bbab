//! What follows when an attempt has ended.

use super::{Move, Policy, State, product};
use crate::workflow::Feedback;
use crate::{
    EntryKind, Finding, Next, Outcome, Phase, Reason, Setback, Severity, Status, Tick, UnixMillis, Usage,
    Workflow, limits,
};
use std::time::Duration;

/// Where an outcome leads.
pub(super) enum Verdict {
    /// On to the next phase, or to the end.
    GoTo(Phase),
    /// Another round of whoever can do something about it: see [`Phase::sends_back_to`].
    SendBack,
    /// The same phase again, not before that time.
    RetryAt(UnixMillis),
    /// The end without proof.
    Fail(Reason, String),
}

/// `None` if the outcome is the product of another phase.
pub(super) fn settled(
    before: &Workflow,
    outcome: Outcome,
    usage: Usage,
    tick: Tick,
    policy: &Policy,
) -> Option<Move> {
    let mut workflow = before.clone();
    // Added to nothing first: what goes into the journal is checked like what is summed up.
    let usage = Usage::default().plus(usage);
    workflow.usage = workflow.usage.plus(usage);
    let result = outcome.clone();
    let verdict = match outcome {
        Outcome::Interrupted => return Some(back_into_the_queue(workflow, result, usage, tick)),
        Outcome::Unavailable { setback, .. } => {
            workflow.error = Some(setback.summary);
            return Some(back_into_the_queue(workflow, result, usage, tick));
        }
        Outcome::Passed { output } if output.phase() != before.phase => return None,
        Outcome::Passed { output } => product::passed(&mut workflow, output),
        Outcome::Rejected(setback) => rejected(&mut workflow, setback, policy),
        Outcome::Failed(setback) => Verdict::Fail(setback.reason, setback.summary),
        Outcome::Transient { setback, retry_after } => {
            again(&mut workflow, setback, retry_after, tick, policy)
        }
        Outcome::Unknown(setback) => again(&mut workflow, setback, None, tick, policy),
    };
    workflow.crashes = 0;
    Some(conclude(workflow, Ended { result, usage }, verdict, policy))
}

/// The attempt counts as nothing: the same phase again, as soon as something may begin it.
fn back_into_the_queue(workflow: Workflow, result: Outcome, usage: Usage, tick: Tick) -> Move {
    Move {
        state: State { status: Status::Queued, workflow },
        kind: EntryKind::Settled { result, reason: None, retry_at: None, usage, handed_back: false },
        next: Next::Wait(tick.now),
    }
}

/// What the journal tells of the attempt that ended.
struct Ended {
    result: Outcome,
    usage: Usage,
}

fn conclude(mut workflow: Workflow, ended: Ended, verdict: Verdict, policy: &Policy) -> Move {
    let (mut reason, mut retry_at) = (None, None);
    let (status, next) = match follow(&mut workflow, verdict, policy) {
        Ok(Next::End) => (Status::Completed, Next::End),
        Ok(Next::Run) => (Status::Running, Next::Run),
        Ok(Next::Wait(at)) => {
            retry_at = Some(at);
            (Status::Queued, Next::Wait(at))
        }
        Err((why, summary)) => {
            fail(&mut workflow, why, summary);
            reason = Some(why);
            (Status::Failed, Next::End)
        }
    };
    let Ended { result, usage } = ended;
    let kind = EntryKind::Settled { result, reason, retry_at, usage, handed_back: false };
    Move { state: State { status, workflow }, kind, next }
}

fn follow(workflow: &mut Workflow, verdict: Verdict, policy: &Policy) -> Result<Next, (Reason, String)> {
    match verdict {
        Verdict::GoTo(Phase::Complete) => {
            workflow.phase = Phase::Complete;
            Ok(Next::End)
        }
        Verdict::GoTo(phase) => {
            let again = workflow.iteration > 0;
            enter(workflow, phase, again, policy).map(|()| Next::Run)
        }
        Verdict::SendBack => {
            let to = workflow.phase.sends_back_to();
            // What is written before there is a test has a limit of its own, and uses up no round of the coder's.
            enter(workflow, to, to == Phase::CodeImplementation, policy)?;
            // Not before: a task that ends here may be retried from the phase that said no.
            workflow.artifacts.forget_verdicts();
            Ok(Next::Run)
        }
        Verdict::RetryAt(at) => Ok(Next::Wait(at)),
        Verdict::Fail(reason, summary) => Err((reason, summary)),
    }
}

/// Begins the next attempt, counting it as an iteration if the task has been sent back to the coder.
fn enter(
    workflow: &mut Workflow,
    phase: Phase,
    sent_back: bool,
    policy: &Policy,
) -> Result<(), (Reason, String)> {
    if sent_back && workflow.iteration >= policy.max_iterations {
        let done = workflow.iteration;
        let why = format!("{done} phase executions after the first pass did not lead to a proof");
        return Err((Reason::MaxIterations, why));
    }
    workflow.iteration += u32::from(sent_back);
    workflow.phase = phase;
    workflow.attempt += 1;
    (workflow.failures, workflow.waits) = (0, 0);
    Ok(())
}

/// Ends the task in the phase where it stands.
pub(super) fn fail(workflow: &mut Workflow, reason: Reason, summary: String) {
    workflow.failed_in = Some(workflow.phase);
    workflow.phase = Phase::Failed;
    workflow.reason = Some(reason);
    workflow.error = Some(summary);
}

fn again(
    workflow: &mut Workflow,
    setback: Setback,
    retry_after: Option<Duration>,
    tick: Tick,
    policy: &Policy,
) -> Verdict {
    if let Some(asked) = retry_after.filter(|_| workflow.waits < limits::WAITS) {
        // Whoever names a time says that nothing is broken.
        workflow.waits += 1;
        workflow.error = Some(setback.summary);
        return Verdict::RetryAt(tick.now.plus(asked.min(limits::RETRY_AFTER).max(policy.retry.base)));
    }
    workflow.failures += 1;
    match policy.retry.delay(workflow.failures, tick.jitter) {
        None => Verdict::Fail(setback.reason, setback.summary),
        Some(delay) => {
            workflow.error = Some(setback.summary);
            let asked = retry_after.unwrap_or_default().min(limits::RETRY_AFTER);
            Verdict::RetryAt(tick.now.plus(delay.max(asked)))
        }
    }
}

/// A no that another round can answer, if one is left.
fn rejected(workflow: &mut Workflow, setback: Setback, policy: &Policy) -> Verdict {
    let same = setback.fingerprint.is_some() && setback.fingerprint == workflow.last_failure;
    // A reviewer's words have no fingerprint, and a round without a change says nothing about the last failure.
    if !matches!(workflow.phase, Phase::GuardianReview | Phase::CodeImplementation) {
        workflow.last_failure.clone_from(&setback.fingerprint);
    }
    let (count, most) = match workflow.phase {
        Phase::E2eTestGeneration => (&mut workflow.test_rounds, policy.max_test_rounds),
        Phase::CodeImplementation => (&mut workflow.unchanged, limits::UNCHANGED),
        Phase::GuardianReview => (&mut workflow.review_rounds, policy.max_review_rounds),
        Phase::StagingDeployment | Phase::E2eValidation => {
            (&mut workflow.validation_rounds, policy.max_validation_rounds)
        }
        Phase::Complete | Phase::Failed => return Verdict::Fail(setback.reason, setback.summary),
    };
    *count += 1;
    let rounds_left = *count <= most && !same;
    let (reason, summary) = (setback.reason, setback.summary.clone());
    // Twice nothing: what the first was told still says it all.
    if workflow.phase == Phase::CodeImplementation && !rounds_left && workflow.feedback.is_some() {
        return Verdict::Fail(reason, summary);
    }
    let mut told = feedback(workflow.phase, workflow.feedback.take(), setback);
    if std::mem::take(&mut workflow.test_restored) {
        told.findings.insert(0, leave_the_test_alone(workflow.artifacts.test_path.clone()));
        told.findings.truncate(limits::FINDINGS);
    }
    workflow.feedback = Some(told);
    if rounds_left { Verdict::SendBack } else { Verdict::Fail(reason, summary) }
}

/// What the next round is told. A coder that left the last no unanswered still has to answer it.
fn feedback(from: Phase, unanswered: Option<Feedback>, setback: Setback) -> Feedback {
    let Setback { summary, findings, files, .. } = setback;
    let mut now = Feedback { from, summary, findings, files };
    if let Some(before) = unanswered.filter(|_| from == Phase::CodeImplementation) {
        now.summary = format!("{}\n\nStill to be answered: {}", now.summary, before.summary);
        limits::truncate(&mut now.summary, limits::SUMMARY_BYTES);
        now.findings.extend(before.findings);
        now.findings.truncate(limits::FINDINGS);
        now.files.extend(before.files);
        now.from = before.from;
    }
    now
}

fn leave_the_test_alone(file: Option<String>) -> Finding {
    let message = "your last change touched the frozen test; it was restored, because it stays as it is: keep formatters and other tools away from it";
    Finding { file, line: None, severity: Severity::Warning, message: message.to_owned() }
}
