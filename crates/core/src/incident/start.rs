//! The start of a build. Right before each start of an apply the gate is asked once more: what it cleared may have been denied,
//! put off or edited since. Where an earlier start may have been carried out, it is first found out whether it was.

use reforge_api::{BuildKind, IncidentStatus, RecoveryPolicySpec, StepName, Time, reason};

use crate::plan::build::BuildState;

use super::builds::started;
use super::fences::may_have_started;
use super::permit::at_gate;
use super::transition::{back_to_the_gate, progress};
use super::view::{Effect, PolicyState, Step, View};

/// How long after a try a build that it has started may not be told of yet, in seconds: as long as CodeBuild would take the same
/// token for the same start.
const TOLD_BY_THEN: i64 = 300;
/// How long until it is looked again for a build that may have been started.
const POLL_STARTED: i64 = 5_000;

/// Starts the build that is wanted: the try is counted first.
pub fn try_start(view: &View, kind: BuildKind, step: &mut Step) {
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
pub fn try_apply(view: &View, policy: &RecoveryPolicySpec, step: &mut Step) {
    let mut again = step.clone();
    back_to_the_gate(&mut again.status);
    at_gate(view, policy, &mut again);
    if again.status.step.name == StepName::Apply {
        // What was noted of decisions and records stays noted.
        step.status.approval = again.status.approval;
        step.status.classification = again.status.classification;
        return try_start(view, BuildKind::Apply, step);
    }
    if may_start_be_unseen(&view.status, view.now) {
        return nothing_was_started(view, BuildKind::Apply, "the plan is no longer cleared", step);
    }
    *step = again;
}

/// Records a build that a try was found to have started, whoever made it.
pub fn found(kind: BuildKind, build: &BuildState, now: Time, step: &mut Step) {
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

/// Whether a try may have started a build that nobody tells of yet.
fn may_start_be_unseen(status: &IncidentStatus, now: Time) -> bool {
    let last = status.recovery.intent.as_ref().map(|i| i.last_try_time.unwrap_or(i.since));
    may_have_started(&status.recovery) && last.is_some_and(|last| now < last.plus_seconds(TOLD_BY_THEN))
}

#[cfg(test)]
mod tests;
