//! The builds of an Incident, as decisions: wait for one, judge how it ended, plan again. Pure.

use crate::api::{BuildKind, BuildRef, IncidentStatus, RecoveryPolicySpec, Time, reason};
use crate::recover::codebuild::BuildState;

use super::decide::{Effect, Seen, Step, View};
use super::transition::{Ending, end, failed, plan_again, progress, record_build};

/// How long until a build's state is asked for again, should no event tell of it.
const POLL_BUILD: i64 = 5_000;
/// How long until a busy workspace is looked at again.
const POLL_WORKSPACE: i64 = 2_000;
/// Replanning without a failure must end: a plan that is always stale needs a human.
const MAX_PLANS: u32 = 20;

/// Records a build that was started.
pub fn started(status: &IncidentStatus, kind: BuildKind, build: &BuildState, now: Time) -> IncidentStatus {
    let mut status = status.clone();
    record_build(&mut status, build_ref(kind, build));
    let (why, what) = match kind {
        BuildKind::Plan => (reason::PLANNING, "plans"),
        BuildKind::Apply => (reason::APPLYING, "applies the plan"),
    };
    progress(&mut status, why, &format!("Build {} {what}", build.id), now);
    status
}

/// Plans again, since the policy is no longer the one that the plan was judged by.
pub fn overtaken(status: &IncidentStatus, now: Time) -> IncidentStatus {
    let mut status = status.clone();
    replan(&mut status, Vec::new(), "The policy was changed since the plan", now);
    status
}

/// Says that a build could not be started, and why.
pub fn not_started(status: &IncidentStatus, why: &str, now: Time) -> IncidentStatus {
    let mut status = status.clone();
    let message = format!("The build was not started: {why}; it is tried again");
    progress(&mut status, reason::UNREACHABLE, &message, now);
    status
}

/// Starts the wanted build, or waits for it. Gives the build back once it is over; a plan build only if it failed,
/// since what it published is looked at instead.
pub fn wait_for_build(view: &View, kind: BuildKind, step: &mut Step) -> Option<BuildState> {
    if let Some(at) = view.status.recovery.next_attempt_time
        && at > view.now
    {
        step.wake = Some(at.millis_since(view.now));
        return None;
    }
    match &view.seen {
        Seen::Workspace(Some(holder)) => {
            let message = format!("Waiting for {holder}, which works on the same Terraform workspace");
            progress(&mut step.status, reason::WORKSPACE_BUSY, &message, view.now);
            step.wake = Some(POLL_WORKSPACE);
            None
        }
        Seen::Workspace(None) => {
            if let Some(intent) = &mut step.status.recovery.intent {
                intent.tries += 1;
                step.effects.push(Effect::StartBuild(kind));
            }
            None
        }
        Seen::Build(None) => {
            let id = view.status.recovery.build.as_ref().map(|b| b.id.clone()).unwrap_or_default();
            Some(BuildState { id, status: "UNKNOWN".into(), url: None, start: None, end: None, error: None })
        }
        Seen::Build(Some(build)) if build.is_over() => Some(build.clone()),
        Seen::Build(Some(_)) => {
            step.wake = Some(POLL_BUILD);
            None
        }
        _ => None,
    }
}

/// A build did not end well: its own word for why decides what follows.
pub fn build_failed(view: &View, policy: &RecoveryPolicySpec, build: &BuildState, message: &str, step: &mut Step) {
    let status = &mut step.status;
    step.effects.push(Effect::ReleaseWorkspace);
    match build.error.as_deref() {
        Some("StalePlan") => replan(status, Vec::new(), "The state moved since the plan", view.now),
        Some("StateLocked") => {
            replan(status, Vec::new(), "Somebody else holds Terraform's state lock; it is never broken", view.now);
            status.recovery.next_attempt_time = Some(view.now.plus_seconds(30));
        }
        Some("DigestMismatch") => {
            let message = format!("{message}: the saved plan is not the one that was judged; somebody changed it");
            end(status, Ending::Failed, reason::REFUSED, &message, view.now);
        }
        _ => failed(status, policy.recovery.max_attempts, reason::BUILD_FAILED, message, view.now),
    }
}

/// Plans again without counting a failure; gives up when that goes on for too long.
pub fn replan(status: &mut IncidentStatus, targets: Vec<String>, message: &str, now: Time) {
    if status.step.attempt >= MAX_PLANS {
        let message = format!("{message}. {MAX_PLANS} plans were made and none could be applied; a human is needed");
        return end(status, Ending::Failed, reason::ATTEMPTS_EXHAUSTED, &message, now);
    }
    plan_again(status, targets, reason::PLANNING, message, now);
}

/// How a build ended, and where its log is.
pub fn describe(build: &BuildState) -> String {
    let log = build.url.as_ref().map(|url| format!(", log: {url}")).unwrap_or_default();
    match &build.error {
        Some(error) => format!("{} ({error}){log}", build.status),
        None => format!("{}{log}", build.status),
    }
}

/// A build as the status keeps it.
pub fn build_ref(kind: BuildKind, build: &BuildState) -> BuildRef {
    BuildRef {
        kind,
        id: build.id.clone(),
        url: build.url.clone(),
        status: build.status.clone(),
        start: build.start,
        end: build.end,
    }
}
