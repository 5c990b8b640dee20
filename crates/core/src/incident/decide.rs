//! What happens next to an Incident: a [`View`] goes in, a [`Step`] comes out.
//!
//! The status that a step asks for is written before its effects are carried out, and an effect is only ever asked for
//! together with a status that differs from the one before. A restart between any two instructions therefore finds
//! either the old status, and decides the same again, or the new one, and goes on from there.

use reforge_api::{Handling, IncidentStatus, Moment, Phase, StepName, duration, reason};

use crate::intake::plumbing::CANARY_LOST;

use super::fences::{is_held, works};
use super::pace::POLL_TROUBLE;
use super::step::{apply, classify, gate, locate, plan, settle, verify};
use super::transition::{Ending, end, progress, stall};
use super::view::{Effect, PolicyState, Seen, Step, View};
use super::{evidence, start, trouble, word};

/// How long until it is looked again where nothing was seen.
const POLL_AGAIN: i64 = 1_000;

/// Decides.
pub fn decide(view: &View) -> Step {
    let mut step = next(view);
    // Whoever waits gives the workspace back, whatever it waits for.
    if works(&view.status) && !works(&step.status) && !step.effects.contains(&Effect::ReleaseWorkspace) {
        step.effects.insert(0, Effect::ReleaseWorkspace);
    }
    step
}

fn next(view: &View) -> Step {
    let mut step = Step { reserve: None, status: view.status.clone(), effects: Vec::new(), wake: Some(0) };
    step.status.observed_generation = view.generation;
    if step.status.timeline.detected_at.is_none() {
        detected(view, &mut step.status);
    }
    if view.status.step.name == StepName::Ended {
        step.wake = None;
        return step;
    }
    if view.spec.handling != Handling::Recover {
        of_reforge(view, &mut step);
        finish(view, &mut step);
        return step;
    }
    (step.status.evidence, step.status.evidence_total) = view.evidence.clone();
    if let Some(elder) = view.elder.as_ref().filter(|_| evidence::may_give_way(&view.status)) {
        duplicate(view, elder, &mut step);
        return step;
    }
    let policy = match &view.policy {
        PolicyState::Stands { spec, .. } if !is_held(&view.status, spec, view.hold.as_deref()) => spec,
        other => return held(view, other, step),
    };
    if word::ends(view, policy, &mut step.status) {
        finish(view, &mut step);
        return step;
    }
    if let Some(pause) = trouble::pause(&view.status, view.now) {
        step.wake = Some(word::time_left(view).map_or(pause, |left| left.min(pause)));
        return step;
    }
    if let Seen::Trouble(fault) = &view.seen {
        let pause = trouble::tell(&mut step.status, fault, &view.name, view.now);
        step.wake = Some(word::time_left(view).map_or(pause, |left| left.min(pause)));
        return step;
    }
    // That the workspace is free and the gate open says nothing of the start of a build, which is what did not go well there.
    let before_start = matches!(view.seen, Seen::AtGate(_)) && view.status.step.name == StepName::Apply;
    if !before_start && !matches!(view.seen, Seen::Nothing | Seen::Workspace(_)) {
        step.status.trouble = None;
    }
    match view.status.step.name {
        StepName::Locate => locate::locate(view, &mut step),
        StepName::Classify => classify::classify(view, &mut step),
        StepName::Settle => settle::settle(view, &mut step),
        StepName::Plan => plan::plan(view, policy, &mut step),
        StepName::Gate => gate::at_gate(view, policy, &mut step),
        StepName::Apply => apply::apply(view, policy, &mut step),
        StepName::Verify => verify::verify(view, policy, &mut step),
        StepName::Ended => {}
    }
    finish(view, &mut step);
    step
}

/// Something that Reforge stands on: people are told, and nothing is put back; or its own canary, which proves the way.
fn of_reforge(view: &View, step: &mut Step) {
    let (event, resource) = (&view.spec.event, &view.spec.resource);
    let status = &mut step.status;
    if view.spec.handling == Handling::Canary {
        let message = "A canary has come from CloudTrail to here: events are delivered";
        return end(status, Ending::Dismissed, reason::CANARY, message, view.now);
    }
    let message = if event.name == CANARY_LOST {
        format!(
            "The canary that was written to {} at {} has not come back: events do not reach the queue. Look at the trail, the rules and the queue's policy; docs/operations.md, \"When the canary is lost\", has the commands",
            resource.id, event.time
        )
    } else {
        format!(
            "{} by {} changed the {} {}, which Reforge itself stands on. Nothing is put back by itself: find out who did it and why, then apply the install's Terraform",
            event.name,
            event.actor.arn.as_deref().unwrap_or(&event.actor.r#type),
            resource.r#type,
            resource.id
        )
    };
    end(status, Ending::Failed, reason::PLUMBING, &message, view.now);
}

/// Another Incident goes on in place of this one, which is evidence for it. People are told of that one.
fn duplicate(view: &View, elder: &str, step: &mut Step) {
    let message = format!("{elder} is about the same change, and goes on in place of this Incident");
    step.status.duplicate_of = Some(elder.to_owned());
    end(&mut step.status, Ending::Dismissed, reason::DUPLICATE, &message, view.now);
    step.effects = vec![Effect::Wake(elder.to_owned())];
    step.wake = None;
}

/// Whoever ends gives the workspace back and is told of, whichever way it ended.
fn finish(view: &View, step: &mut Step) {
    if step.status.step.name == StepName::Ended {
        step.wake = None;
        step.effects = vec![Effect::ReleaseWorkspace];
        if !concerns_nobody(view, &step.status) {
            step.effects.push(Effect::Tell(ending(&step.status)));
        }
        if step.status.phase == Phase::Recovered && step.status.recovery.applied_version.is_some() {
            step.effects.insert(0, Effect::NoteSuccess);
        }
    } else if step.status == view.status && step.wake == Some(0) {
        step.wake = Some(POLL_AGAIN);
    }
}

/// A canary, and what no Terraform owns, which is most of what comes in a large account: such an Incident is one write, and nobody
/// hears of it.
fn concerns_nobody(view: &View, status: &IncidentStatus) -> bool {
    view.spec.handling == Handling::Canary || (status.phase == Phase::Dismissed && status.workspace.is_none())
}

fn ending(status: &IncidentStatus) -> Moment {
    match status.phase {
        Phase::Recovered => Moment::Recovered,
        Phase::Dismissed => Moment::Dismissed,
        _ => Moment::Failed,
    }
}

fn detected(view: &View, status: &mut IncidentStatus) {
    let event = view.spec.event.time;
    status.timeline.event_time = Some(event);
    status.timeline.detected_at = Some(view.created);
    status.timeline.time_to_detect = Some(duration(view.created.millis_since(event)));
    status.step.attempt = 1;
    progress(status, reason::PROGRESSING, "Looking for the Terraform workspace that owns the resource", view.now);
}

/// The policy, or somebody's hold, does not let the Incident go on.
fn held(view: &View, policy: &PolicyState, mut step: Step) -> Step {
    let name = &view.spec.policy_ref.name;
    let (why, message) = match (policy, &view.hold) {
        (PolicyState::Gone, _) => (
            reason::POLICY_GONE,
            format!(
                "RecoveryPolicy {name} was deleted; create it again to go on, or leave it: nothing will be applied"
            ),
        ),
        (PolicyState::Unusable { why, what }, _) => {
            (*why, format!("RecoveryPolicy {name}: {what}; extend the operator's grants, or change the policy"))
        }
        (PolicyState::Stands { .. }, Some(hold)) => (reason::ON_HOLD, hold.clone()),
        (PolicyState::Stands { .. }, None) => (
            reason::SUSPENDED,
            format!(
                "RecoveryPolicy {name} is suspended; to go on: kubectl patch rpol {name} -n {} --type=merge -p '{{\"spec\":{{\"suspend\":false}}}}'",
                view.namespace
            ),
        ),
    };
    step.status.trouble = None;
    stall(&mut step.status, why, &message, view.now);
    let over = start::unseen_until_over(view, &mut step.status);
    step.wake = if view.hold.is_some() { Some(POLL_TROUBLE) } else { over };
    step
}

#[cfg(test)]
mod tests;
