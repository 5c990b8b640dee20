//! What happens next to an Incident: a [`View`] goes in, a [`Step`] comes out.
//!
//! The status that a step asks for is written before its effects are carried out, and an effect is only ever asked for
//! together with a status that differs from the one before. A restart between any two instructions therefore finds
//! either the old status, and decides the same again, or the new one, and goes on from there.

use reforge_api::{
    BuildKind, ConditionStatus, Data, Handling, IncidentStatus, Judge, Moment, Phase, Plan, PlannedChange,
    RecoveryPolicySpec, StepName, Time, Verdict, condition, duration, duration_millis, reason,
};

use crate::intake::plumbing::CANARY_LOST;
use crate::plan::gate;
use crate::plan::inventory::Location;
use crate::plan::summary::PlanChange;

use super::builds::{build_failed, build_ref, describe};
use super::evidence::{self, RECORD_COMES};
use super::fences::{is_held, works};
use super::pace;
use super::permit::{self, at_gate};
use super::transition::{Ending, end, failed, progress, record_build, say, stall, want};
use super::view::{Effect, PolicyState, Seen, Step, View};
use super::{start, trouble, word};

/// How long until it is looked again where nothing was seen.
const POLL_AGAIN: i64 = 1_000;
/// How long until something is tried again that is not there or does not answer.
const POLL_TROUBLE: i64 = 10_000;
/// How long until it is looked again whether a record has come, should nothing tell of it.
const POLL_RECORD: i64 = 60_000;
/// The most changes that a status shows.
const MAX_SHOWN: usize = 32;

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
    let mut step = Step { status: view.status.clone(), effects: Vec::new(), wake: Some(0) };
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
    if let Some(elder) = view.elder.as_ref().filter(|_| view.status.step.name == StepName::Locate) {
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
        StepName::Locate => locate(view, &mut step),
        StepName::Classify => classify(view, &mut step),
        StepName::Settle => settle(view, &mut step),
        StepName::Plan => plan(view, policy, &mut step),
        StepName::Gate => at_gate(view, policy, &mut step),
        StepName::Apply => apply(view, policy, &mut step),
        StepName::Verify => verify(view, policy, &mut step),
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

fn locate(view: &View, step: &mut Step) {
    let Seen::Location(location) = &view.seen else { return };
    let status = &mut step.status;
    match location {
        Location::Owned(workspace) => {
            if let Some((build, until)) = maybe_own(view) {
                let message = format!(
                    "The build {build} of ours was at work on it then, and may have done this; a record until {until} may say otherwise"
                );
                progress(status, reason::WAITING, &message, view.now);
                step.wake = Some(until.millis_since(view.now).clamp(1, POLL_RECORD));
                return;
            }
            let message = format!("Workspace {} owns it as {}", workspace.name, workspace.addresses.join(", "));
            say(status, condition::LOCATED, ConditionStatus::True, reason::IN_INVENTORY, &message, view.now);
            status.workspace = Some(workspace.clone());
            status.step.name = StepName::Classify;
            progress(status, reason::PROGRESSING, "Judging the event", view.now);
            step.effects.push(Effect::LabelWorkspace);
        }
        Location::NotManaged => {
            let message = "No inventory of the policy's workspaces lists the resource: Terraform does not own it";
            say(status, condition::LOCATED, ConditionStatus::False, reason::NOT_MANAGED, message, view.now);
            end(status, Ending::Dismissed, reason::NOT_MANAGED, message, view.now);
        }
        Location::Missing(workspaces) => {
            let message = format!(
                "No inventory of {} was published yet; its next plan build does so: aws codebuild start-build --project-name <the policy's planProject>",
                workspaces.join(", ")
            );
            say(status, condition::LOCATED, ConditionStatus::Unknown, reason::INVENTORY_MISSING, &message, view.now);
            stall(status, reason::INVENTORY_MISSING, &message, view.now);
            step.wake = Some(POLL_TROUBLE);
        }
    }
}

/// The apply of ours that may have done what nobody else is known to have done, and until when a record may come. After that
/// a plan says whether there is anything to put back.
fn maybe_own(view: &View) -> Option<(&str, Time)> {
    let until = view.spec.event.time.plus_seconds(RECORD_COMES);
    let build = view.own_build.as_deref().filter(|_| !evidence::has_record(&view.evidence.0))?;
    (view.now < until).then_some((build, until))
}

fn classify(view: &View, step: &mut Step) {
    let Seen::Verdict(classification) = &view.seen else { return };
    let status = &mut step.status;
    let why = match classification.by {
        Judge::Rules => reason::BY_RULES,
        Judge::Bedrock => reason::BY_BEDROCK,
    };
    say(status, condition::CLASSIFIED, ConditionStatus::True, why, &classification.reason, view.now);
    status.timeline.classified_at = Some(view.now);
    status.classification = Some(classification.clone());
    if classification.verdict == Verdict::Normal {
        return end(status, Ending::Dismissed, reason::NORMAL, &classification.reason, view.now);
    }
    status.step.name = StepName::Settle;
    progress(status, reason::SETTLING, "Waiting until AWS has carried the change out", view.now);
    step.effects.push(Effect::Tell(Moment::Detected));
}

fn settle(view: &View, step: &mut Step) {
    let Seen::Settling(settling) = &view.seen else { return };
    if let Some(detail) = settling {
        let message = format!("Waiting until AWS has carried the change out: {detail}");
        progress(&mut step.status, reason::SETTLING, &message, view.now);
        let since = view.status.timeline.classified_at.unwrap_or(view.now);
        step.wake = Some(pace::next_look(since, view.now));
        return;
    }
    let status = &mut step.status;
    status.timeline.settled_at = Some(view.now);
    status.step.name = StepName::Plan;
    want(status, BuildKind::Plan, Vec::new(), view.now);
    progress(status, reason::PLANNING, "A plan is wanted", view.now);
}

fn plan(view: &View, policy: &RecoveryPolicySpec, step: &mut Step) {
    if let Some(build) = start::wait_for_build(view, policy, BuildKind::Plan, step) {
        let message = format!("The plan build {} ended as {}", build.id, describe(&build));
        record_build(&mut step.status, build_ref(BuildKind::Plan, &build));
        return build_failed(view, policy, &build, &message, step);
    }
    let Seen::Planned(build, published) = &view.seen else { return };
    record_build(&mut step.status, build_ref(BuildKind::Plan, build));
    let Some((summary, digest)) = published.as_deref() else {
        let message = format!("The plan build {} ended well but published no summary", build.id);
        return failed(&mut step.status, &view.retries(policy), reason::BUILD_FAILED, &message, view.now);
    };
    if summary.incident != view.name || summary.attempt != view.status.step.attempt {
        let message = format!("The summary of {} is of another Incident or attempt", build.id);
        return failed(&mut step.status, &view.retries(policy), reason::BUILD_FAILED, &message, view.now);
    }
    let PolicyState::Stands { uid, generation, .. } = &view.policy else { return };
    let status = &mut step.status;
    let own = status.workspace.as_ref().map(|w| w.addresses.clone()).unwrap_or_default();
    let plan = Plan {
        build: build.id.clone(),
        digest: digest.to_string(),
        change_digest: summary.change_digest(uid, *generation),
        source_version: summary.source_version.clone(),
        policy_generation: *generation,
        policy_uid: uid.clone(),
        targets: summary.targets.iter().take(MAX_SHOWN).cloned().collect(),
        restores_data: summary.restore.as_ref().is_some_and(|r| r.declared),
        changes_total: u32::try_from(summary.changes.len()).unwrap_or(u32::MAX),
        changes: summary.changes.iter().take(MAX_SHOWN).map(shown).collect(),
        unexplained: gate::unexplained(summary, &own).into_iter().take(MAX_SHOWN).collect(),
    };
    permit::renew(status, view.status.plan.as_ref(), &plan);
    status.plan = Some(plan);
    status.timeline.planned_at = Some(view.now);
    status.recovery.intent = None;
    status.step.name = StepName::Gate;
    let message = format!("The plan has {} changes", summary.changes.len());
    say(status, condition::PLANNED, ConditionStatus::True, reason::SUCCEEDED, &message, view.now);
    // What was said of the plan before does not hold for this one.
    say(status, condition::APPROVED, ConditionStatus::Unknown, reason::PROGRESSING, "Judging the plan", view.now);
    progress(status, reason::PROGRESSING, "Judging the plan", view.now);
}

fn apply(view: &View, policy: &RecoveryPolicySpec, step: &mut Step) {
    let Some(build) = start::wait_for_build(view, policy, BuildKind::Apply, step) else { return };
    record_build(&mut step.status, build_ref(BuildKind::Apply, &build));
    if build.succeeded() {
        let status = &mut step.status;
        status.recovery.intent = None;
        status.recovery.applied_version = status.plan.as_ref().map(|p| p.source_version.clone());
        status.step.name = StepName::Verify;
        progress(status, reason::VERIFYING, "The plan was applied; asking AWS whether the resource is back", view.now);
        step.effects.push(Effect::ReleaseWorkspace);
        return;
    }
    let message = format!("The apply build {} ended as {}", build.id, describe(&build));
    build_failed(view, policy, &build, &message, step);
}

fn verify(view: &View, policy: &RecoveryPolicySpec, step: &mut Step) {
    let Seen::Verified(verification) = &view.seen else { return };
    let status = &mut step.status;
    status.verification = Some(verification.clone());
    if verification.passed() {
        let message = match verification.data {
            Data::Empty => "The resource is back in its shape; its data is not: it is empty",
            Data::Unknown => {
                "The resource is back; its Terraform was offered a restore of the data: look whether it is there"
            }
            Data::Intact => "The resource is back",
        };
        return end(status, Ending::Recovered, reason::VERIFIED, message, view.now);
    }
    let open: Vec<String> =
        verification.checks.iter().filter(|c| !c.passed).map(|c| format!("{}: {}", c.name, c.detail)).collect();
    let since = status.recovery.build.as_ref().and_then(|b| b.end).or(status.timeline.planned_at).unwrap_or(view.now);
    if view.now.millis_since(since) >= duration_millis(&policy.verification.timeout).unwrap_or(0) {
        let message = format!("AWS does not confirm that the resource is back: {}", open.join("; "));
        return failed(status, &view.retries(policy), reason::VERIFICATION_FAILED, &message, view.now);
    }
    progress(status, reason::VERIFYING, &format!("Waiting for AWS: {}", open.join("; ")), view.now);
    step.wake = Some(pace::next_look(since, view.now));
}

fn shown(change: &PlanChange) -> PlannedChange {
    PlannedChange {
        address: change.address.clone(),
        r#type: change.r#type.clone(),
        actions: change.actions.clone(),
        attributes: change.attributes.iter().take(64).cloned().collect(),
    }
}

#[cfg(test)]
mod tests;
