//! The step at the gate: asks it, and says what follows from its answer.

use std::collections::BTreeSet;

use reforge_api::{
    Asked, BuildKind, ConditionStatus, Evidence, IncidentStatus, Moment, Origin, Plan, PlannedChange,
    RecoveryPolicySpec, SeenApproval, StepName, Time, Verdict, condition, duration, reason,
};

use crate::plan::build::BuildStatus;
use crate::plan::gate::{self, Attribution, Cleared, Gate, Nothing, Question};
use crate::policy::approval::deadlines;
use crate::policy::limits::{self, Held};
use crate::policy::reserve::Reserve;
use crate::words::text::shorten;

use crate::incident::builds::{replan, replan_later};
use crate::incident::evidence::{self, RECORD_COMES};
use crate::incident::transition::{Ending, end, progress, say, stall, want};
use crate::incident::view::{AtGate, Effect, PolicyState, Seen, Step, View};

/// How long until the gate is asked again about a plan that a limit holds back: limits ease with time.
const POLL_LIMITS: i64 = 20_000;
/// How long until it is looked again whether the apiserver checks who decides.
const POLL_UNCHECKED: i64 = 10_000;
/// How long until the gate is asked again about a plan that waits for others.
const POLL_BUSY: i64 = 2_000;
/// The most characters of why a human is asked.
const MAX_WHY: usize = 1_000;
/// How long a wait is at most before it is looked at again: clocks are set, and zones change.
const LONGEST: i64 = 3_600_000;

/// Asks the gate, and takes what follows.
pub fn at_gate(view: &View, policy: &RecoveryPolicySpec, step: &mut Step) {
    let status = &mut step.status;
    if view.seen == Seen::PlanGone {
        return replan(
            status,
            Vec::new(),
            reason::PLANNING,
            "What the plan build published is gone from the bucket",
            view.now,
        );
    }
    let (Seen::AtGate(seen), PolicyState::Stands { uid, generation, .. }, Some(plan)) =
        (&view.seen, &view.policy, &view.status.plan)
    else {
        return;
    };
    if plan.digest != seen.digest.as_str() {
        let message = format!("The summary of {} was changed after it was read", plan.build);
        return end(status, Ending::Failed, reason::REFUSED, &message, view.now);
    }
    if plan.policy_uid != *uid || plan.policy_generation != *generation {
        return replan(status, Vec::new(), reason::PLANNING, "The policy was changed since the plan", view.now);
    }
    if let Some(again) = &seen.judged_again {
        say(status, condition::CLASSIFIED, ConditionStatus::True, reason::BY_RECORD, &again.reason, view.now);
        status.classification = Some(again.clone());
        if again.verdict == Verdict::Normal {
            return end(status, Ending::Dismissed, reason::NORMAL, &again.reason, view.now);
        }
    }
    note_decisions(view, plan, status);
    let held = held(view, policy, seen);
    if held.tug_of_war {
        escalate(status);
    }
    let own = status.workspace.as_ref().map(|w| w.addresses.clone()).unwrap_or_default();
    let unlisted = status.workspace.as_ref().map_or(0, |w| w.addresses_unlisted);
    let asked = status.approval.clone();
    let ended_as = |how: BuildStatus| {
        let mut builds = status.recovery.builds.iter();
        builds.find(|b| b.status == how.word()).map(|b| b.id.clone())
    };
    let (stopped, unknown) = (ended_as(BuildStatus::Stopped), ended_as(BuildStatus::Unknown));
    let answer = gate::answer(&Question {
        summary: &seen.summary,
        own: &own,
        unlisted,
        policy,
        incident: &view.spec,
        classification: status.classification.as_ref(),
        stateful: view.stateful,
        containment: view.containment,
        has_verb: view.has_verb,
        attachments: &view.attachments,
        change_digest: &plan.change_digest,
        seen: asked.as_ref().map(|a| a.seen.as_slice()).unwrap_or_default(),
        asked: asked.as_ref().and_then(|a| a.asked_at),
        identities: &view.identities,
        unchecked: seen.unchecked.as_deref(),
        stopped: stopped.as_deref(),
        unknown: unknown.as_deref(),
        attribution: attribution(view),
        limits: &held,
        now: view.now,
    });
    status.gate = Some(answer.record());
    match answer {
        Gate::Go(cleared) => {
            step.reserve = Some(Reserve::of(policy, held.in_storm));
            go(view, plan, &cleared, step);
        }
        Gate::Ask(reasons) => ask(view, policy, plan, (&held, seen.unchecked.is_some()), &reasons, step),
        Gate::Wait { reason, until } => wait(view, &reason, until, step),
        Gate::Expired(reasons) => expired(status, &reasons, view.now),
        Gate::PlanAgain { targets, reasons } => {
            let message = format!("Planning again without it: {}", reasons.join("; "));
            replan(status, targets, reason::PLANNING, &message, view.now);
        }
        Gate::PlanLater(reasons) => replan_later(status, reason::STATE_MOVED, &reasons.join("; "), view.now),
        Gate::Refuse(reasons) => {
            let message = format!("The plan is refused: {}", reasons.join("; "));
            say(status, condition::APPROVED, ConditionStatus::False, reason::REFUSED, "The plan is refused", view.now);
            end(status, Ending::Failed, reason::REFUSED, &message, view.now);
        }
        Gate::Denied { by } => denied(status, &by, view.now),
        Gate::ObserveOnly(reasons) => {
            let count = seen.summary.changes.len();
            let message = format!("The plan with {count} changes was not applied: {}", reasons.join("; "));
            end(status, Ending::Dismissed, reason::OBSERVED, &message, view.now);
        }
        Gate::Nothing(_) if seen.covered || status.recovery.applied_version.is_some() => {
            status.step.name = StepName::Verify;
            progress(status, reason::VERIFYING, "An apply since the event has covered it; asking AWS", view.now);
        }
        Gate::Nothing(Nothing::ToRestore) => {
            let message = if status.recovery.builds.iter().any(|b| b.kind == BuildKind::Apply) {
                "The plan does nothing to the resource: it is there as its Terraform wants it; an apply of ours that did not end well may have put it back"
            } else {
                "The plan does nothing to the resource: it is there as its Terraform wants it"
            };
            end(status, Ending::Dismissed, reason::NOTHING_TO_RESTORE, message, view.now);
        }
        Gate::Nothing(Nothing::NotDeclared) => {
            let message = "The Terraform no longer declares the resource, so its deletion was meant: there is nothing to put back";
            if let Some(classification) = &mut status.classification {
                classification.verdict = Verdict::Normal;
                classification.reason = at_first(message, &classification.reason);
            }
            end(status, Ending::Dismissed, reason::NOTHING_TO_RESTORE, message, view.now);
        }
        Gate::Nothing(Nothing::CoveredByTerraform) => {
            let message = "What was changed is not in the Terraform that owns the resource, so no plan puts it back; look at the event, and undo it by hand or add it to the Terraform";
            end(status, Ending::Failed, reason::NOT_COVERED, message, view.now);
        }
    }
}

/// Whether it is known who did what happened.
fn attribution(view: &View) -> Attribution {
    let event = &view.spec.event;
    match event.origin {
        Origin::CloudTrail => Attribution::Known,
        _ if Evidence::only_record(&view.evidence.0).is_some() => Attribution::Known,
        _ if evidence::has_record(&view.evidence.0) => Attribution::Several,
        Origin::StateChange | Origin::Config if view.now < event.time.plus_seconds(RECORD_COMES) => {
            Attribution::Awaited(event.time.plus_seconds(RECORD_COMES))
        }
        _ => Attribution::Nobody,
    }
}

/// Nobody decided in time.
pub fn expired(status: &mut IncidentStatus, reasons: &[String], now: Time) {
    let message = format!(
        "Nobody decided in time on what a human was asked about: {}. Nothing more is done for this event; put the resource back by hand",
        reasons.join("; ")
    );
    let short = "Nobody decided in time";
    say(status, condition::APPROVED, ConditionStatus::False, reason::APPROVAL_EXPIRED, short, now);
    end(status, Ending::Failed, reason::APPROVAL_EXPIRED, &message, now);
}

/// A human denied the plan; that is final.
pub fn denied(status: &mut IncidentStatus, by: &str, now: Time) {
    status.gate = Some(Gate::Denied { by: by.to_owned() }.record());
    let message = format!("{by} denied this plan");
    say(status, condition::APPROVED, ConditionStatus::False, reason::DENIED, &message, now);
    end(status, Ending::Dismissed, reason::DENIED, &message, now);
}

fn go(view: &View, plan: &Plan, cleared: &Cleared, step: &mut Step) {
    let status = &mut step.status;
    let (why, message) = match cleared {
        Cleared::ByPolicy => (reason::CLEARED, "The policy lets this plan go by itself".to_owned()),
        Cleared::ByHumans(by) => (reason::APPROVED_BY_HUMAN, format!("{} approved this plan", by.join(", "))),
    };
    say(status, condition::APPROVED, ConditionStatus::True, why, &message, view.now);
    let line = &mut status.timeline;
    // An apply that was taken back to the gate was told of before.
    let told = line.recovering_at.is_some_and(|at| line.planned_at.is_some_and(|planned| planned <= at));
    line.approved_at = Some(view.now);
    line.recovering_at = Some(view.now);
    status.recovery.committed_to = Some(plan.digest.clone());
    status.step.name = StepName::Apply;
    want(status, BuildKind::Apply, Vec::new(), view.now);
    progress(status, reason::APPLYING, "The plan is to be applied", view.now);
    if !told {
        step.effects.push(Effect::Tell(Moment::Recovering));
    }
}

/// Asks people: once, again halfway to the end of their time, and never quietly.
fn ask(
    view: &View,
    policy: &RecoveryPolicySpec,
    plan: &Plan,
    (held, unchecked): (&Held, bool),
    reasons: &[String],
    step: &mut Step,
) {
    let status = &mut step.status;
    let Some(asked) = &mut status.approval else { return };
    let first = asked.asked_at.is_none();
    let since = *asked.asked_at.get_or_insert(view.now);
    let (remind, expire) = deadlines(&gate::rules(policy), since);
    asked.expires_at = Some(expire);
    let reminds = asked.reminded_at.is_none() && view.now >= remind;
    if reminds {
        asked.reminded_at = Some(view.now);
    }
    let changed = asked.changed.as_ref().map(|c| format!(". Since the last plan: {c}")).unwrap_or_default();
    let reminder = if asked.reminded_at.is_some() { "Reminder: a" } else { "A" };
    // However long that is, there is room for the command.
    let why = shorten(&format!("{}{changed}", reasons.join("; ")), MAX_WHY);
    let message = format!(
        "{reminder} human must approve until {expire}: {why}. To approve: kubectl reforge approve {name} -n {namespace}; or: kubectl patch incident {name} -n {namespace} --type=json -p '[{{\"op\":\"add\",\"path\":\"/spec/approvals/-\",\"value\":{{\"by\":\"<your user, as kubectl auth whoami prints it>\",\"decision\":\"Approve\",\"changeDigest\":\"{digest}\"}}}}]'",
        name = view.name,
        namespace = view.namespace,
        digest = plan.change_digest
    );
    say(status, condition::APPROVED, ConditionStatus::False, reason::APPROVAL_NEEDED, &why, view.now);
    stall(status, reason::APPROVAL_NEEDED, &message, view.now);
    let next = if view.now < remind { remind } else { expire };
    let at_most = match (held.ask.is_empty(), unchecked) {
        (_, true) => POLL_UNCHECKED,
        (false, false) => POLL_LIMITS,
        (true, false) => LONGEST,
    };
    step.wake = Some(next.millis_since(view.now).clamp(1, at_most));
    if first || reminds {
        step.effects.push(Effect::Tell(Moment::AwaitingApproval));
    }
}

fn wait(view: &View, why: &str, until: Option<Time>, step: &mut Step) {
    let status = &mut step.status;
    let message = match until {
        Some(until) => format!("The plan may be applied, but not before {until}: {why}"),
        None => format!("The plan may be applied, but not yet: {why}"),
    };
    say(status, condition::APPROVED, ConditionStatus::Unknown, reason::WAITING, why, view.now);
    progress(status, reason::WAITING, &message, view.now);
    step.wake = Some(until.map_or(POLL_BUSY, |until| until.millis_since(view.now).clamp(1, LONGEST)));
}

/// A new plan: what people were asked about before stays so if it would do the same; else they are asked again, and
/// told what is different.
pub fn renew(status: &mut IncidentStatus, before: Option<&Plan>, plan: &Plan) {
    if status.approval.as_ref().is_some_and(|a| a.change_digest == plan.change_digest) {
        return;
    }
    let asked = status.approval.take().is_some_and(|a| a.asked_at.is_some());
    status.approval = Some(Asked {
        change_digest: plan.change_digest.clone(),
        asked_at: None,
        reminded_at: None,
        expires_at: None,
        changed: before.filter(|_| asked).map(|before| difference(before, plan)),
        seen: Vec::new(),
    });
}

/// What a plan would do otherwise than the one before, for people.
fn difference(before: &Plan, after: &Plan) -> String {
    let line = |c: &PlannedChange| format!("{} {}", c.actions.join("+"), c.address);
    let old: BTreeSet<String> = before.changes.iter().map(line).collect();
    let new: BTreeSet<String> = after.changes.iter().map(line).collect();
    let mut parts = Vec::new();
    for (what, list) in [("it would also", new.difference(&old)), ("it would no longer", old.difference(&new))] {
        let list: Vec<&str> = list.map(String::as_str).collect();
        if !list.is_empty() {
            parts.push(format!("{what} {}", list.join(", ")));
        }
    }
    if before.source_version != after.source_version {
        parts.push(format!("the Terraform is of {} and not of {}", after.source_version, before.source_version));
    }
    if before.policy_generation != after.policy_generation || before.policy_uid != after.policy_uid {
        parts.push("the policy was changed".to_owned());
    }
    if parts.is_empty() {
        parts.push("other values would be written to the same attributes".to_owned());
    }
    parts.join("; ").chars().take(1000).collect()
}

/// Notes when each decision was first seen.
fn note_decisions(view: &View, plan: &Plan, status: &mut IncidentStatus) {
    let Some(asked) = &mut status.approval else { return };
    for decision in view.spec.approvals.iter().filter(|a| a.change_digest == plan.change_digest) {
        if !asked.seen.iter().any(|s| s.by == decision.by) {
            asked.seen.push(SeenApproval {
                by: decision.by.clone(),
                change_digest: decision.change_digest.clone(),
                at: view.now,
            });
        }
    }
}

fn held(view: &View, policy: &RecoveryPolicySpec, seen: &AtGate) -> Held {
    let mut held = limits::hold(&limits::Lately {
        limits: &policy.limits,
        criticality: policy.classification.criticality,
        ledger: &seen.ledger,
        opened: &seen.opened,
        // An apply has its place among those of the policy since the gate cleared it.
        applying: if view.status.step.name == StepName::Apply { 0 } else { seen.applying },
        reserved: &seen.reserved,
        incident: &format!("{}/{}", view.namespace, view.name),
        resource: &limits::resource_key(&view.spec),
        actor: &limits::actor_key(&view.spec.event.actor),
        now: view.now,
    });
    if let Some(age) = view.late {
        held.ask.push(format!(
            "the event was {} old when it came, which is longer than Incidents are kept: what became of it then is not known any more",
            duration(age)
        ));
    }
    if let Some(since) = view.policy_since {
        held.ask.push(format!(
            "it happened at {}, before the policy was created at {since}: nobody had agreed then to have it put back",
            view.spec.event.time
        ));
    }
    held
}

/// What is undone again and again is no accident.
fn escalate(status: &mut IncidentStatus) {
    if let Some(classification) = &mut status.classification
        && classification.verdict != Verdict::Tampering
    {
        classification.verdict = Verdict::Tampering;
        classification.reason = at_first("It was undone again and again", &classification.reason);
    }
}

fn at_first(now: &str, before: &str) -> String {
    format!("{now}. At first: {before}").chars().take(1000).collect()
}

#[cfg(test)]
mod tests;
