//! The start of a build, and the wait for its end. Right before each start of an apply the gate is asked once more: what it
//! cleared may have been denied, put off or edited since. Where an earlier start may have been carried out, it is first found
//! out whether it was.

use reforge_api::{BuildKind, IncidentStatus, RecoveryPolicySpec, StepName, Time, reason};

use crate::plan::build::{BuildState, BuildStatus};

use super::builds::{POLL_WORKSPACE, runs, started};
use super::evidence::LONGEST_BUILD;
use super::fences::may_have_started;
use super::step::gate::at_gate;
use super::transition::{back_to_the_gate, progress};
use super::view::{Effect, PolicyState, Seen, Step, View};

/// How long after a try a build that it has started may not be told of yet, in seconds: as long as CodeBuild would take the same
/// token for the same start.
const TOLD_BY_THEN: i64 = 300;
/// How long after its start CodeBuild may not know a build by its id, in seconds: what it tells is behind what it does.
const LISTED_BY_THEN: i64 = 120;
/// How long until it is looked again for a build that may have been started.
const POLL_STARTED: i64 = 5_000;
/// How long until a build's state is asked for again, should no event tell of it.
pub const POLL_BUILD: i64 = 5_000;

/// Starts the wanted build, or waits for it. Gives the build back once it is over; a plan build only if it failed,
/// since what it published is looked at instead.
pub fn wait_for_build(
    view: &View,
    policy: &RecoveryPolicySpec,
    kind: BuildKind,
    step: &mut Step,
) -> Option<BuildState> {
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
        Seen::Workspace(None) if kind == BuildKind::Plan => {
            try_start(view, kind, step);
            None
        }
        Seen::AtGate(_) | Seen::PlanGone if kind == BuildKind::Apply => {
            try_apply(view, policy, step);
            None
        }
        Seen::Build(Some(build)) if view.status.recovery.build.is_none() => {
            found(kind, build, view.now, step);
            None
        }
        Seen::Build(None) => {
            let known = view.status.recovery.build.as_ref()?;
            let since = known.start.or_else(|| view.status.recovery.intent.as_ref()?.last_try_time);
            if since.is_some_and(|since| view.now < since.plus_seconds(LISTED_BY_THEN)) {
                step.wake = Some(POLL_BUILD);
                return None;
            }
            Some(BuildState { id: known.id.clone(), status: BuildStatus::Unknown, ..BuildState::default() })
        }
        Seen::Build(Some(build)) if build.is_over() => Some(build.clone()),
        Seen::Build(Some(build)) => {
            if view.status.trouble.is_some() {
                runs(&mut step.status, kind, &build.id, view.now);
            }
            step.wake = Some(POLL_BUILD);
            None
        }
        _ => None,
    }
}

/// Starts the build that is wanted: the try is counted first.
fn try_start(view: &View, kind: BuildKind, step: &mut Step) {
    if let Some(why) = kept_back(view) {
        return nothing_was_started(view, kind, &why, step);
    }
    let Some(intent) = &mut step.status.recovery.intent else { return };
    intent.tries += 1;
    intent.last_try_time = Some(view.now);
    // Whoever asks about the workspace must see somebody at work.
    let why = if kind == BuildKind::Plan { reason::PLANNING } else { reason::APPLYING };
    progress(&mut step.status, why, "The build is being started", view.now);
    step.effects.push(Effect::StartBuild(kind));
}

/// Starts the apply if the gate still clears it; else takes it back to the gate, which says what follows.
fn try_apply(view: &View, policy: &RecoveryPolicySpec, step: &mut Step) {
    let mut again = step.clone();
    back_to_the_gate(&mut again.status);
    at_gate(view, policy, &mut again);
    if again.status.step.name == StepName::Apply {
        // What was noted of decisions and records stays noted.
        step.status.approval = again.status.approval;
        step.status.classification = again.status.classification;
        // A storm may have come since.
        step.reserve = again.reserve;
        return try_start(view, BuildKind::Apply, step);
    }
    if may_start_be_unseen(&view.status, view.now) {
        return nothing_was_started(view, BuildKind::Apply, "the plan is no longer cleared", step);
    }
    *step = again;
}

/// Records a build that a try was found to have started, whoever made it.
fn found(kind: BuildKind, build: &BuildState, now: Time, step: &mut Step) {
    step.status = started(&step.status, kind, build, now);
    step.effects.push(Effect::NoteBuild);
}

/// Why nothing may be started though the Incident is looked at, since a start may have been carried out.
fn kept_back(view: &View) -> Option<String> {
    match &view.policy {
        PolicyState::Stands { spec, .. } if spec.suspend => Some("the policy is suspended".to_owned()),
        _ => view.hold.clone(),
    }
}

/// Nothing more is started. A build that was is still looked for until it would be told of; then it is certain that there is
/// none.
fn nothing_was_started(view: &View, kind: BuildKind, why: &str, step: &mut Step) {
    if may_start_be_unseen(&view.status, view.now) {
        let what = if kind == BuildKind::Plan { reason::PLANNING } else { reason::APPLYING };
        let message = format!("Looking for a build that may have been started; no other is: {why}");
        progress(&mut step.status, what, &message, view.now);
        step.wake = Some(POLL_STARTED);
    } else if let Some(intent) = &mut step.status.recovery.intent {
        intent.tries = 0;
    }
}

/// Where nobody can look for a build that a try may have started, since its policy is gone or cannot be used: milliseconds until
/// it would have ended, whatever it was; then nothing runs any more.
pub fn unseen_until_over(view: &View, status: &mut IncidentStatus) -> Option<i64> {
    if !may_have_started(&status.recovery) {
        return None;
    }
    let intent = status.recovery.intent.as_mut()?;
    let over = intent.last_try_time.unwrap_or(intent.since).plus_seconds(LONGEST_BUILD);
    if view.now >= over {
        intent.tries = 0;
        return None;
    }
    Some(over.millis_since(view.now))
}

/// Whether a try may have started a build that nobody tells of yet.
fn may_start_be_unseen(status: &IncidentStatus, now: Time) -> bool {
    let last = status.recovery.intent.as_ref().map(|i| i.last_try_time.unwrap_or(i.since));
    may_have_started(&status.recovery) && last.is_some_and(|last| now < last.plus_seconds(TOLD_BY_THEN))
}

#[cfg(test)]
mod tests;
