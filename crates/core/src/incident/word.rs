//! What people's word decides without a look at AWS, and what their silence does: a denial, and that nobody decided in time.
//! Both count also while the look that the gate needs does not go well.

use reforge_api::{Approval, Decision, IncidentStatus, RecoveryPolicySpec, StepName, condition, reason};

use crate::plan::gate::rules;
use crate::policy::approval::{Ballot, Word, word_of};

use super::fences::may_have_started;
use super::step::gate::{denied, expired};
use super::transition::back_to_the_gate;
use super::view::{Seen, View};

/// Ends an Incident whose plan was denied before anything of it was started, or that nobody decided on in time.
pub fn ends(view: &View, policy: &RecoveryPolicySpec, status: &mut IncidentStatus) -> bool {
    if let Some(denial) = denial(view) {
        back_to_the_gate(status);
        denied(status, &denial.by, view.now);
        return true;
    }
    if is_too_late(view, policy) {
        let reasons = view.status.gate.as_ref().map(|g| g.reasons.clone()).unwrap_or_default();
        expired(status, &reasons, view.now);
        return true;
    }
    false
}

/// Milliseconds until it is too late for who is asked; None: nobody is.
pub fn time_left(view: &View) -> Option<i64> {
    let asked = view.status.approval.as_ref().filter(|_| is_asked(view))?;
    asked.expires_at.map(|at| at.millis_since(view.now).max(1))
}

fn denial(view: &View) -> Option<&Approval> {
    let recovery = &view.status.recovery;
    let nothing_started = match view.status.step.name {
        StepName::Gate => true,
        StepName::Apply => recovery.build.is_none() && !may_have_started(recovery),
        _ => false,
    };
    let digest = view.status.plan.as_ref().filter(|_| nothing_started)?.change_digest.as_str();
    view.spec.approvals.iter().find(|a| a.decision == Decision::Deny && a.change_digest == digest)
}

fn is_asked(view: &View) -> bool {
    let asks = |c: &reforge_api::Condition| c.r#type == condition::APPROVED && c.reason == reason::APPROVAL_NEEDED;
    view.status.step.name == StepName::Gate && view.status.conditions.iter().any(asks)
}

/// With a look at hand the gate itself says so. Here every approval counts: where they are too few all the same, fewer are.
fn is_too_late(view: &View, policy: &RecoveryPolicySpec) -> bool {
    let (Some(plan), Some(asked)) = (&view.status.plan, &view.status.approval) else { return false };
    let unseen = matches!(view.seen, Seen::Nothing | Seen::Trouble(_));
    let ballot = Ballot {
        policy: &rules(policy),
        approvals: &view.spec.approvals,
        change_digest: &plan.change_digest,
        seen: &asked.seen,
        asked: asked.asked_at,
        now: view.now,
        actor: &view.spec.event.actor,
        identities: &view.identities,
    };
    unseen && is_asked(view) && word_of(&ballot) == Word::Expired
}

#[cfg(test)]
mod tests;
