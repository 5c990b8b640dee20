//! The gate: may this very plan be applied, now? Pure: a plan, the policy, what people said, the limits and the clock go
//! in, one answer with its reasons comes out. Never destroys, never carries along what no cleared Incident explains.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use reforge_api::{
    Approval, ApprovalMode, ApprovalPolicy, Change, Classification, Decision, GateRecord, IncidentSpec, Mode,
    RecoveryPolicySpec, SeenApproval, Time, Unexplained,
};
use serde_json::json;

use crate::intake::redact;
use crate::plan::build::can_be_told;
use crate::plan::summary::{PlanChange, Summary};
use crate::policy::approval::{self, Identity, Word};
use crate::policy::expression::{self, Facts};
use crate::policy::limits::Held;
use crate::policy::window::{self, Opening};

/// The most addresses that a plan is limited to.
const MAX_TARGETS: usize = 32;
/// What is never made again: a key that somebody deleted is a key that somebody wanted gone.
const NEVER: [&str; 1] = ["aws_iam_access_key"];

/// What the gate is asked about.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// The plan.
    pub summary: &'a Summary,
    /// The addresses that the Incident's own policy speaks for.
    pub own: &'a [String],
    /// How many further addresses of the resource are not among them, since there are too many.
    pub unlisted: u32,
    /// The policy as it stands now.
    pub policy: &'a RecoveryPolicySpec,
    /// The Incident: what happened, by whom, and what people said.
    pub incident: &'a IncidentSpec,
    /// The verdict on it.
    pub classification: Option<&'a Classification>,
    /// Whether the type holds data that Terraform does not bring back.
    pub stateful: bool,
    /// Whether the change is one that responders make to contain an attack.
    pub containment: bool,
    /// Whether the change is undone by a verb of its own, beside Terraform.
    pub has_verb: bool,
    /// Terraform types that hang on the resource: replacing them destroys nothing.
    pub attachments: &'a [String],
    /// What an approval of this plan is bound to.
    pub change_digest: &'a str,
    /// When the operator first saw which decision.
    pub seen: &'a [SeenApproval],
    /// When people were first asked about this very change.
    pub asked: Option<Time>,
    /// Who is who.
    pub identities: &'a [Identity],
    /// Why no approval counts, if none does: the apiserver does not check who decides.
    pub unchecked: Option<&'a str>,
    /// A build of this Incident that somebody stopped, if one was.
    pub stopped: Option<&'a str>,
    /// An apply of this Incident of which nobody knows how it ended, if there was one.
    pub unknown: Option<&'a str>,
    /// Whether it is known who did what happened.
    pub attribution: Attribution,
    /// What the limits say.
    pub limits: &'a Held,
    /// Now.
    pub now: Time,
}

/// Whether it is known who did what happened. Only a record of CloudTrail's says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Attribution {
    /// A record says who.
    Known,
    /// Several calls may have done it.
    Several,
    /// None does yet; one may come until then.
    Awaited(Time),
    /// None does, and none will.
    Nobody,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Gate {
    /// Apply it. Says on whose word.
    Go(Cleared),
    /// A human must approve it first.
    Ask(Vec<String>),
    /// Plan again for these addresses alone.
    PlanAgain {
        /// The addresses of the changes that are explained.
        targets: Vec<String>,
        /// Why.
        reasons: Vec<String>,
    },
    /// Plan again in a while: somebody else is at work on the state.
    PlanLater(Vec<String>),
    /// It may be applied later.
    Wait {
        /// Why not now.
        reason: String,
        /// When; None: when something changes.
        until: Option<Time>,
    },
    /// Nobody decided in time.
    Expired(Vec<String>),
    /// It will not be applied.
    Refuse(Vec<String>),
    /// A human denied it.
    Denied {
        /// Who.
        by: String,
    },
    /// It would be applied if the policy enforced.
    ObserveOnly(Vec<String>),
    /// The plan does nothing to the resource.
    Nothing(Nothing),
}

/// On whose word a plan goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Cleared {
    /// The policy's.
    ByPolicy,
    /// These people's.
    ByHumans(Vec<String>),
}

/// Why a plan does nothing to the resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Nothing {
    /// The resource is as Terraform wants it.
    ToRestore,
    /// The Terraform no longer declares the resource.
    NotDeclared,
    /// What was changed is not in the Terraform.
    CoveredByTerraform,
}

impl Gate {
    /// The answer as the status keeps it.
    pub fn record(&self) -> GateRecord {
        let (decision, reasons) = match self {
            Self::Go(Cleared::ByPolicy) => ("Go", vec!["the policy lets it go by itself".to_owned()]),
            Self::Go(Cleared::ByHumans(by)) => ("Go", vec![format!("{} approved it", by.join(", "))]),
            Self::Ask(reasons) => ("Ask", reasons.clone()),
            Self::PlanAgain { reasons, .. } => ("PlanAgain", reasons.clone()),
            Self::PlanLater(reasons) => ("PlanLater", reasons.clone()),
            Self::Wait { reason, .. } => ("Wait", vec![reason.clone()]),
            Self::Expired(reasons) => ("Expired", reasons.clone()),
            Self::Refuse(reasons) => ("Refuse", reasons.clone()),
            Self::Denied { by } => ("Denied", vec![format!("{by} denied it")]),
            Self::ObserveOnly(reasons) => ("ObserveOnly", reasons.clone()),
            Self::Nothing(Nothing::ToRestore) => ("Nothing", vec!["the resource is as Terraform wants it".to_owned()]),
            Self::Nothing(Nothing::NotDeclared) => ("Nothing", vec!["the Terraform no longer declares it".to_owned()]),
            Self::Nothing(Nothing::CoveredByTerraform) => {
                ("Nothing", vec!["what was changed is not in the Terraform".to_owned()])
            }
        };
        GateRecord { decision: decision.to_owned(), reasons }
    }
}

/// The addresses of the changes that `own` does not explain.
pub fn unexplained(summary: &Summary, own: &[String]) -> Vec<String> {
    explain(summary, own).1.into_iter().map(|c| c.address.clone()).collect()
}

/// Asks the gate.
pub fn answer(q: &Question<'_>) -> Gate {
    let word = word(q);
    if let Word::Denied(by) = word {
        return Gate::Denied { by };
    }
    let (explained, unexplained) = explain(q.summary, q.own);

    // What is changed at an address that is not listed is not explained, and may be the resource's all the same.
    let may_be_own = q.unlisted > 0 && !unexplained.is_empty();
    if !may_be_own && !explained.iter().any(|c| q.own.contains(&c.address)) {
        return Gate::Nothing(nothing(q));
    }
    if q.summary.state.moved_since(q.incident.event.time) {
        return Gate::PlanLater(vec!["somebody else applied in this workspace since the event".to_owned()]);
    }

    let mut ask = Vec::new();
    if !unexplained.is_empty() {
        let mut reason = format!("{} would change without an Incident that explains it", list(&unexplained));
        if may_be_own {
            write!(
                reason,
                "; {} addresses of the resource are more than are listed, so that nobody can tell which of these are its own",
                q.own.len() + q.unlisted as usize
            )
            .unwrap_or_default();
        }
        match q.policy.plan.unexplained {
            Unexplained::Refuse => return Gate::Refuse(vec![reason]),
            Unexplained::Target if !may_be_own && q.summary.targets.is_empty() && explained.len() <= MAX_TARGETS => {
                let targets: Vec<String> = explained.iter().map(|c| c.address.clone()).collect();
                if can_be_told(&targets) {
                    return Gate::PlanAgain { targets, reasons: vec![reason] };
                }
                ask.push(reason);
            }
            // With targets the rest is what Terraform needs for them: only a human can tell whether that is meant. So it is
            // with more targets than a status and a build's environment have room for.
            Unexplained::Target | Unexplained::Ask => ask.push(reason),
        }
    }

    let destroyed: Vec<&PlanChange> = q.summary.changes.iter().filter(|c| destroys(q, c)).collect();
    if !destroyed.is_empty() {
        return Gate::Refuse(vec![format!("{} would be destroyed", list(&destroyed))]);
    }

    let never: Vec<&PlanChange> = q.summary.changes.iter().filter(|c| NEVER.contains(&c.r#type.as_str())).collect();
    if !never.is_empty() {
        return Gate::Refuse(vec![format!("{} would be made, and access keys are never made again", list(&never))]);
    }

    let many = q.summary.changes.len();
    if many > q.policy.plan.max_changes as usize {
        ask.push(format!("{many} changes are more than the policy's plan.maxChanges of {}", q.policy.plan.max_changes));
    }
    if q.containment {
        ask.push(format!(
            "{} may be somebody who contains an attack, which is never undone without a human",
            q.incident.event.name
        ));
    }
    if let Some(build) = q.stopped {
        ask.push(format!("somebody stopped the build {build}; an approval goes on all the same"));
    }
    if let Some(build) = q.unknown {
        ask.push(format!("nobody knows how the apply {build} ended, or whether it still runs; look at its log first"));
    }
    ask.extend(asked_by_policy(q));
    ask.extend(q.limits.ask.iter().cloned());
    match q.attribution {
        Attribution::Known => {}
        Attribution::Nobody => ask.push("no record says who did it".to_owned()),
        Attribution::Several => ask.push("several calls may have done it".to_owned()),
        Attribution::Awaited(until) if ask.is_empty() && q.policy.mode == Mode::Enforce => {
            let reason = "CloudTrail's record, which says who did it, is waited for".to_owned();
            return Gate::Wait { reason, until: Some(until) };
        }
        Attribution::Awaited(_) => ask.push("it is not known yet who did it".to_owned()),
    }

    if q.policy.mode == Mode::Observe {
        ask.insert(0, "the policy's mode is Observe".to_owned());
        return Gate::ObserveOnly(ask);
    }
    let cleared = match word {
        _ if ask.is_empty() => Cleared::ByPolicy,
        Word::Given(by) => Cleared::ByHumans(by),
        Word::Expired => return Gate::Expired(ask),
        Word::Missing(missing) => {
            ask.push(missing);
            return Gate::Ask(ask);
        }
        Word::Denied(by) => return Gate::Denied { by },
    };
    match later(q, &cleared) {
        Some(wait) => wait,
        None => Gate::Go(cleared),
    }
}

/// Why a plan does nothing to the resource.
fn nothing(q: &Question<'_>) -> Nothing {
    match q.incident.change {
        Change::Deleted if !q.own.iter().any(|a| q.summary.unchanged.contains(a)) => Nothing::NotDeclared,
        Change::Deleted => Nothing::ToRestore,
        // Had the verb been of use, it would be in the plan.
        Change::Stopped | Change::Modified if q.has_verb => Nothing::ToRestore,
        Change::Stopped | Change::Modified => Nothing::CoveredByTerraform,
    }
}

/// What keeps a plan that is cleared from being applied now. A human's word goes before a cool-down, and before nothing
/// else.
fn later(q: &Question<'_>, cleared: &Cleared) -> Option<Gate> {
    if let Opening::Closed { reason, until } = window::opening(&q.policy.windows, q.now) {
        return Some(Gate::Wait { reason, until });
    }
    if let (Some((reason, until)), Cleared::ByPolicy) = (&q.limits.wait, cleared) {
        return Some(Gate::Wait { reason: reason.clone(), until: Some(*until) });
    }
    q.limits.busy.clone().map(|reason| Gate::Wait { reason, until: None })
}

/// Whether the policy asks a human about this plan, and why: as it says, else for types that hold data.
fn asked_by_policy(q: &Question<'_>) -> Option<String> {
    let Some(approval) = &q.policy.approval else {
        let why = "the type holds data that Terraform does not bring back, so a human is asked";
        return q.stateful.then(|| why.to_owned());
    };
    match approval.mode {
        ApprovalMode::Never => None,
        ApprovalMode::Always => Some("the policy's approval.mode is Always".to_owned()),
        ApprovalMode::When => {
            let facts = facts(q);
            approval.when.iter().find_map(|text| match expression::holds(text, &facts) {
                Ok(false) => None,
                Ok(true) => Some(format!("the policy asks when {text}")),
                Err(why) => Some(format!("the policy asks when {text}, which cannot be answered: {why}")),
            })
        }
    }
}

/// What the policy's expressions can ask about: of parameters that are not whole nothing, since nobody can tell.
fn facts(q: &Question<'_>) -> Facts {
    let changes: Vec<_> = q
        .summary
        .changes
        .iter()
        .map(|c| json!({"address": c.address, "type": c.r#type, "actions": c.actions, "attributes": c.attributes}))
        .collect();
    let mut event = q.incident.event.clone();
    event.request_parameters = event.request_parameters.filter(|parameters| redact::is_whole(parameters));
    Facts::from([
        ("event", json!(event)),
        ("resource", json!(q.incident.resource)),
        ("change", json!(q.incident.change)),
        ("classification", json!(q.classification)),
        ("plan", json!({"changes": changes, "sourceVersion": q.summary.source_version})),
    ])
}

/// What people said. A denial counts in any case; an approval only while the apiserver checks who gives it.
fn word(q: &Question<'_>) -> Word {
    let counts = |a: &&Approval| a.decision == Decision::Deny || q.unchecked.is_none();
    let approvals: Vec<Approval> = q.incident.approvals.iter().filter(counts).cloned().collect();
    let word = approval::word_of(&approval::Ballot {
        policy: &rules(q.policy),
        approvals: &approvals,
        change_digest: q.change_digest,
        seen: q.seen,
        asked: q.asked,
        now: q.now,
        actor: &q.incident.event.actor,
        identities: q.identities,
    });
    match (word, q.unchecked) {
        (Word::Missing(missing), Some(why)) => Word::Missing(format!("{missing}; no approval counts, since {why}")),
        (word, _) => word,
    }
}

/// The rules for decisions: those of the policy, else the defaults, since any plan can come to be asked about.
pub fn rules(policy: &RecoveryPolicySpec) -> ApprovalPolicy {
    policy.approval.clone().unwrap_or_default()
}

/// Splits the changes into those that the addresses explain and the others. A change is explained by its address, or
/// when every attribute that differs refers to an explained address: a rule that names a security group's new id.
fn explain<'a>(summary: &'a Summary, own: &[String]) -> (Vec<&'a PlanChange>, Vec<&'a PlanChange>) {
    let mut addresses: BTreeSet<&str> = own.iter().map(String::as_str).collect();
    loop {
        let before = addresses.len();
        for change in &summary.changes {
            let follows = !change.attributes.is_empty()
                && !change.deletes()
                && !NEVER.contains(&change.r#type.as_str())
                && change.attributes.iter().all(|attribute| {
                    let refers = change.references.get(attribute);
                    refers.is_some_and(|to| to.iter().any(|a| addresses.contains(a.as_str())))
                });
            if follows {
                addresses.insert(&change.address);
            }
        }
        if addresses.len() == before {
            break;
        }
    }
    summary.changes.iter().partition(|c| addresses.contains(c.address.as_str()))
}

/// Replacing counts as destroying unless the old object is already gone or the type is only an attachment.
fn destroys(q: &Question<'_>, change: &PlanChange) -> bool {
    let harmless = change.creates() && (q.summary.is_gone(&change.address) || q.attachments.contains(&change.r#type));
    change.deletes() && !harmless
}

fn list(changes: &[&PlanChange]) -> String {
    let shown: Vec<&str> = changes.iter().take(5).map(|c| c.address.as_str()).collect();
    match changes.len().saturating_sub(5) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests;
