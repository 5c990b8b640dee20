//! Plan: a build plans, and what it publishes is noted. It is judged at the gate.

use reforge_api::{BuildKind, ConditionStatus, Plan, PlannedChange, RecoveryPolicySpec, StepName, condition, reason};

use crate::incident::builds::{build_failed, build_ref, describe};
use crate::incident::start;
use crate::incident::transition::{failed, progress, record_build, say};
use crate::incident::view::{PolicyState, Seen, Step, View};
use crate::plan::gate;
use crate::plan::summary::PlanChange;

use super::gate::renew;

/// The most changes that a status shows.
const MAX_SHOWN: usize = 32;

/// Sees the plan build to its end.
pub fn plan(view: &View, policy: &RecoveryPolicySpec, step: &mut Step) {
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
    renew(status, view.status.plan.as_ref(), &plan);
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

fn shown(change: &PlanChange) -> PlannedChange {
    PlannedChange {
        address: change.address.clone(),
        r#type: change.r#type.clone(),
        actions: change.actions.clone(),
        attributes: change.attributes.iter().take(64).cloned().collect(),
    }
}
