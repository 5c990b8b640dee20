//! The builds of an Incident, as decisions: record one, judge how it ended, plan again.

use reforge_api::{BuildFailure, BuildKind, BuildRef, FaultClass, IncidentStatus, RecoveryPolicySpec, Time, reason};

use crate::plan::build::{BuildError, BuildState, BuildStatus};
use crate::plan::published::{Failure, Lock};
use crate::words::fault::Fault;

use super::transition::{Ending, end, failed, plan_again, progress, record_build, stall};
use super::trouble;
use super::view::{Effect, Step, View};

/// How long until a busy workspace is looked at again.
pub const POLL_WORKSPACE: i64 = 2_000;
/// How long until it is looked again whether a hold was lifted.
const POLL_HOLD: i64 = 10_000;
/// Replanning without a failure must end: a plan that is always stale needs a human.
const MAX_PLANS: u32 = 20;
/// How long until it is planned again while somebody else works on the state, in seconds: at first, and at most.
const OTHERS_WORK: (i64, i64) = (30, 600);

/// Records a build that was started.
pub fn started(status: &IncidentStatus, kind: BuildKind, build: &BuildState, now: Time) -> IncidentStatus {
    let mut status = status.clone();
    status.trouble = None;
    status.recovery.next_attempt_time = None;
    record_build(&mut status, build_ref(kind, build));
    runs(&mut status, kind, &build.id, now);
    status
}

/// Says that a build is at work.
pub fn runs(status: &mut IncidentStatus, kind: BuildKind, build: &str, now: Time) {
    let (why, what) = match kind {
        BuildKind::Plan => (reason::PLANNING, "plans"),
        BuildKind::Apply => (reason::APPLYING, "applies the plan"),
    };
    progress(status, why, &format!("Build {build} {what}"), now);
}

/// Plans again, since the policy is no longer the one that the plan was judged by.
pub fn overtaken(status: &IncidentStatus, now: Time) -> IncidentStatus {
    let mut status = status.clone();
    replan(&mut status, Vec::new(), reason::PLANNING, "The policy was changed since the plan", now);
    status
}

/// Says that a build could not be started, and why; gives back how long until the next try, in milliseconds. It is written
/// in the status, so that the write does not wake the Incident into trying at once.
pub fn not_started(status: &IncidentStatus, why: &NotStarted, name: &str, now: Time) -> (IncidentStatus, i64) {
    let mut status = status.clone();
    if let Some(intent) = status.recovery.intent.as_mut().filter(|_| why.is_certain()) {
        // This try has started nothing: where none before it may have either, nobody's session can be this build's.
        intent.tries = intent.tries.saturating_sub(1);
    }
    let (word, message, pause) = match why {
        NotStarted::Busy(why) => (reason::WORKSPACE_BUSY, why.clone(), POLL_WORKSPACE),
        NotStarted::OnHold(why) => (reason::ON_HOLD, why.clone(), POLL_HOLD),
        NotStarted::Late => {
            (reason::PROGRESSING, "its start took too long and is decided on again".to_owned(), POLL_WORKSPACE)
        }
        NotStarted::Changed(why) => {
            let pause = trouble::note(&mut status, FaultClass::Ours, name, now);
            (reason::PROJECT_CHANGED, why.clone(), pause)
        }
        NotStarted::Fault(fault) | NotStarted::Asked(fault) => {
            let pause = trouble::note(&mut status, fault.class, name, now);
            (fault.reason(), fault.to_string(), pause)
        }
    };
    let next = now.plus_millis(pause);
    status.recovery.next_attempt_time = Some(next);
    let message = format!("The build was not started: {message}. It is tried again at {next}");
    if word == reason::PROJECT_CHANGED {
        stall(&mut status, word, &message, now);
    } else {
        progress(&mut status, word, &message, now);
    }
    (status, pause)
}

/// Why a build was not started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotStarted {
    /// Another Incident has the workspace.
    Busy(String),
    /// Somebody put work on hold.
    OnHold(String),
    /// The decision to start it is too old.
    Late,
    /// The project is not as the install made it.
    Changed(String),
    /// A call before the start did not go well.
    Fault(Fault),
    /// CodeBuild was asked to start it, once and without retries, and did not say that it has.
    Asked(Fault),
}

impl NotStarted {
    /// Whether it is certain that nothing was started: who was asked and gave no answer may have started it all the same.
    fn is_certain(&self) -> bool {
        !matches!(self, Self::Asked(Fault { class: FaultClass::Transient, .. }))
    }
}

/// A build did not end well: its own word for why decides what follows.
pub fn build_failed(view: &View, policy: &RecoveryPolicySpec, build: &BuildState, message: &str, step: &mut Step) {
    let status = &mut step.status;
    step.effects.push(Effect::ReleaseWorkspace);
    let failure = build.failure.as_deref();
    status.recovery.last_failure = Some(BuildFailure {
        build: build.id.clone(),
        reason: build.error.as_ref().map_or_else(|| build.status.word().to_owned(), ToString::to_string),
        said: failure.map(Failure::tail).unwrap_or_default(),
    });
    let retries = view.retries(policy);
    match (&build.error, build.status) {
        (Some(BuildError::StalePlan), _) => {
            replan(status, Vec::new(), reason::PLAN_STALE, "The state moved since the plan", view.now);
        }
        (Some(BuildError::StateLocked), _) => {
            let lock = failure.and_then(|f| f.lock.as_ref());
            replan_later(status, reason::STATE_LOCKED, &locked(view, lock), view.now);
        }
        (Some(BuildError::DigestMismatch), _) => {
            let message = format!("{message}: the saved plan is not the one that was judged; somebody changed it");
            end(status, Ending::Failed, reason::REFUSED, &message, view.now);
        }
        (Some(BuildError::Throttled), _) => failed(status, &retries, reason::THROTTLED, message, view.now),
        (_, BuildStatus::TimedOut) => failed(status, &retries, reason::BUILD_TIMED_OUT, message, view.now),
        (_, BuildStatus::Stopped) => {
            let message = format!("{message}: somebody stopped it, so a human is asked about the next plan");
            failed(status, &retries, reason::BUILD_STOPPED, &message, view.now);
        }
        _ => failed(status, &retries, reason::BUILD_FAILED, message, view.now),
    }
}

/// Who holds the state's lock, and what moves it on: a lock is never broken, but one that an ended build of ours left can
/// be freed by a human.
fn locked(view: &View, lock: Option<&Lock>) -> String {
    let Some(lock) = lock else { return "Somebody else holds Terraform's state lock; it is never broken".to_owned() };
    let during = |b: &&BuildRef| {
        let (Some(start), Some(end), Some(at)) = (b.start, b.end, lock.created()) else { return false };
        start <= at && at <= end
    };
    let workspace = view.status.workspace.as_ref().map(|w| w.name.as_str()).unwrap_or_default();
    match view.builds_here.iter().find(during) {
        Some(build) => format!(
            "The state lock {id} was left by the build {} of ours, which has ended as {}; to free it, in a checkout of workspace {workspace}: terraform force-unlock {id}",
            build.id,
            build.status,
            id = lock.id
        ),
        None => format!(
            "{} holds Terraform's state lock {} for {} since {}; it is waited for and never broken",
            lock.who, lock.id, lock.operation, lock.created
        ),
    }
}

/// Plans again without counting a failure; gives up when that goes on for too long.
pub fn replan(status: &mut IncidentStatus, targets: Vec<String>, why: &str, message: &str, now: Time) {
    if status.step.attempt >= MAX_PLANS {
        let message = format!("{message}. {MAX_PLANS} plans were made and none could be applied; a human is needed");
        return end(status, Ending::Failed, reason::ATTEMPTS_EXHAUSTED, &message, now);
    }
    plan_again(status, targets, why, message, now);
}

/// Plans again once somebody else may be done with the state; the more plans there were, the later.
pub fn replan_later(status: &mut IncidentStatus, why: &str, message: &str, now: Time) {
    let (first, longest) = OTHERS_WORK;
    let pause = (first << status.step.attempt.saturating_sub(1).min(8)).min(longest);
    let message = format!("{message}. It is planned again in {pause} s");
    replan(status, Vec::new(), why, &message, now);
    if status.recovery.intent.is_some() {
        status.recovery.next_attempt_time = Some(now.plus_seconds(pause));
    }
}

/// How a build ended, and where its log is.
pub fn describe(build: &BuildState) -> String {
    let log = build.url.as_ref().map(|url| format!(", log: {url}")).unwrap_or_default();
    let status = build.status.word();
    match &build.error {
        Some(error) => format!("{status} ({error}){log}"),
        None => format!("{status}{log}"),
    }
}

/// A build as the status keeps it.
pub fn build_ref(kind: BuildKind, build: &BuildState) -> BuildRef {
    BuildRef {
        kind,
        id: build.id.clone(),
        url: build.url.clone(),
        status: build.status.word().to_owned(),
        start: build.start,
        end: build.end,
    }
}

#[cfg(test)]
mod tests;
