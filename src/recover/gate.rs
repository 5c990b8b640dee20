//! The gate: may this very plan be applied? Pure: a plan, the policy and what people said go in, one answer with its
//! reasons comes out. Never destroys, never carries along what no cleared Incident explains.

use std::collections::BTreeSet;

use crate::api::{Approval, ApprovalMode, Change, Decision, GateRecord, Mode, RecoveryPolicySpec, Unexplained};

use super::plan::{PlanChange, Summary};

/// What the gate is asked about.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// The plan.
    pub summary: &'a Summary,
    /// The addresses that the Incident's own policy speaks for.
    pub own: &'a [String],
    /// The policy as it stands now.
    pub policy: &'a RecoveryPolicySpec,
    /// What happened to the resource.
    pub change: Change,
    /// Whether the type holds data that Terraform does not bring back.
    pub stateful: bool,
    /// Terraform types that hang on the resource: replacing them destroys nothing.
    pub attachments: &'a [String],
    /// What people said.
    pub approvals: &'a [Approval],
    /// What an approval of this plan is bound to.
    pub change_digest: &'a str,
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
    /// This person's.
    ByHuman(String),
}

/// Why a plan does nothing to the resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Nothing {
    /// The resource is as Terraform wants it.
    ToRestore,
    /// What was changed is not in the Terraform.
    CoveredByTerraform,
}

impl Gate {
    /// The answer as the status keeps it.
    pub fn record(&self) -> GateRecord {
        let (decision, reasons) = match self {
            Self::Go(Cleared::ByPolicy) => ("Go", vec!["the policy lets it go by itself".to_owned()]),
            Self::Go(Cleared::ByHuman(by)) => ("Go", vec![format!("{by} approved it")]),
            Self::Ask(reasons) => ("Ask", reasons.clone()),
            Self::PlanAgain { reasons, .. } => ("PlanAgain", reasons.clone()),
            Self::Refuse(reasons) => ("Refuse", reasons.clone()),
            Self::Denied { by } => ("Denied", vec![format!("{by} denied it")]),
            Self::ObserveOnly(reasons) => ("ObserveOnly", reasons.clone()),
            Self::Nothing(Nothing::ToRestore) => ("Nothing", vec!["the resource is as Terraform wants it".to_owned()]),
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

/// Judges a plan.
pub fn judge(q: &Question<'_>) -> Gate {
    let (explained, unexplained) = explain(q.summary, q.own);

    if !explained.iter().any(|c| q.own.contains(&c.address)) {
        return Gate::Nothing(match q.change {
            Change::Deleted => Nothing::ToRestore,
            Change::Stopped | Change::Modified => Nothing::CoveredByTerraform,
        });
    }

    let mut ask = Vec::new();
    if !unexplained.is_empty() {
        let reason = format!("{} would change without an Incident that explains it", list(&unexplained));
        match q.policy.plan.unexplained {
            Unexplained::Refuse => return Gate::Refuse(vec![reason]),
            Unexplained::Target if q.summary.targets.is_empty() => {
                let targets = explained.iter().map(|c| c.address.clone()).collect();
                return Gate::PlanAgain { targets, reasons: vec![reason] };
            }
            // With targets the rest is what Terraform needs for them: only a human can tell whether that is meant.
            Unexplained::Target | Unexplained::Ask => ask.push(reason),
        }
    }

    let destroyed: Vec<&PlanChange> = q.summary.changes.iter().filter(|c| destroys(q, c)).collect();
    if !destroyed.is_empty() {
        return Gate::Refuse(vec![format!("{} would be destroyed", list(&destroyed))]);
    }

    let many = q.summary.changes.len();
    if many > q.policy.plan.max_changes as usize {
        ask.push(format!("{many} changes are more than the policy's plan.maxChanges of {}", q.policy.plan.max_changes));
    }
    if needs_approval(q.policy, q.stateful) {
        ask.push(match (&q.policy.approval, q.stateful) {
            (None, true) => "the type holds data that Terraform does not bring back, so a human is asked".to_owned(),
            _ => "the policy's approval.mode is Always".to_owned(),
        });
    }

    if let Some(denied) = decided(q, Decision::Deny) {
        return Gate::Denied { by: denied.by.clone() };
    }
    if q.policy.mode == Mode::Observe {
        ask.insert(0, "the policy's mode is Observe".to_owned());
        return Gate::ObserveOnly(ask);
    }
    if ask.is_empty() {
        return Gate::Go(Cleared::ByPolicy);
    }
    match decided(q, Decision::Approve) {
        Some(approval) => Gate::Go(Cleared::ByHuman(approval.by.clone())),
        None => Gate::Ask(ask),
    }
}

/// Whether a human is asked: as the policy says, else for types that hold data.
pub fn needs_approval(policy: &RecoveryPolicySpec, stateful: bool) -> bool {
    policy.approval.as_ref().map_or(stateful, |a| a.mode == ApprovalMode::Always)
}

fn decided<'a>(q: &Question<'a>, decision: Decision) -> Option<&'a Approval> {
    q.approvals.iter().find(|a| a.decision == decision && a.change_digest == q.change_digest)
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
mod tests {
    use super::*;
    use crate::api::{ApprovalPolicy, Match, PlanPolicy, RecoverySpec};
    use crate::recover::plan::Drift;

    fn change(address: &str, actions: &[&str]) -> PlanChange {
        PlanChange {
            address: address.into(),
            r#type: address.split('.').next().unwrap().into(),
            actions: actions.iter().map(|a| (*a).to_owned()).collect(),
            attributes: vec!["name".into()],
            references: std::collections::BTreeMap::default(),
            value_hash: String::new(),
        }
    }

    fn summary(changes: Vec<PlanChange>) -> Summary {
        Summary {
            workspace: "w".into(),
            build: "b".into(),
            incident: "i".into(),
            attempt: 1,
            source_version: "c".into(),
            targets: vec![],
            drift: vec![],
            changes,
        }
    }

    fn policy() -> RecoveryPolicySpec {
        RecoveryPolicySpec {
            mode: Mode::Enforce,
            suspend: false,
            priority: 0,
            r#match: Match::default(),
            classification: crate::api::ClassificationPolicy::default(),
            recovery: RecoverySpec { workspaces: vec![], max_attempts: 3 },
            plan: PlanPolicy::default(),
            approval: Some(ApprovalPolicy { mode: ApprovalMode::Never }),
            verification: crate::api::VerificationPolicy::default(),
            notifications: vec![],
        }
    }

    fn ask(summary: &Summary, policy: &RecoveryPolicySpec, change: Change, approvals: &[Approval]) -> Gate {
        judge(&Question {
            summary,
            own: &["aws_table.a".to_owned()],
            policy,
            change,
            stateful: true,
            attachments: &["aws_attachment".to_owned()],
            approvals,
            change_digest: "d",
        })
    }

    fn said(decision: Decision, digest: &str) -> Approval {
        Approval { by: "ann".into(), decision, change_digest: digest.into(), reason: None }
    }

    #[test]
    fn a_lost_resource_alone_goes() {
        let plan = summary(vec![change("aws_table.a", &["create"])]);
        assert_eq!(ask(&plan, &policy(), Change::Deleted, &[]), Gate::Go(Cleared::ByPolicy));
    }

    #[test]
    fn a_plan_that_would_destroy_is_refused() {
        for actions in [&["delete"][..], &["delete", "create"], &["create", "delete"], &["forget"]] {
            let plan = summary(vec![change("aws_table.a", actions)]);
            assert!(matches!(ask(&plan, &policy(), Change::Modified, &[]), Gate::Refuse(_)), "{actions:?}");
        }
    }

    #[test]
    fn even_an_approval_does_not_make_it_destroy() {
        let mut policy = policy();
        policy.approval = None;
        let plan = summary(vec![change("aws_table.a", &["delete", "create"])]);
        let approvals = [said(Decision::Approve, "d")];
        assert!(matches!(ask(&plan, &policy, Change::Modified, &approvals), Gate::Refuse(_)));
    }

    #[test]
    fn replacing_what_is_gone_already_destroys_nothing() {
        let mut plan = summary(vec![change("aws_table.a", &["delete", "create"])]);
        plan.drift.push(Drift { address: "aws_table.a".into(), actions: vec!["delete".into()] });
        assert_eq!(ask(&plan, &policy(), Change::Deleted, &[]), Gate::Go(Cleared::ByPolicy));
    }

    #[test]
    fn what_nobody_explains_is_left_out_by_planning_again() {
        let plan = summary(vec![change("aws_table.a", &["create"]), change("aws_table.b", &["delete"])]);
        let Gate::PlanAgain { targets, .. } = ask(&plan, &policy(), Change::Deleted, &[]) else { panic!() };
        assert_eq!(targets, ["aws_table.a"]);
    }

    #[test]
    fn what_nobody_explains_is_asked_about_or_refused_as_the_policy_says() {
        let plan = summary(vec![change("aws_table.a", &["create"]), change("aws_table.b", &["update"])]);
        let mut policy = policy();
        policy.plan.unexplained = Unexplained::Ask;
        assert!(matches!(ask(&plan, &policy, Change::Deleted, &[]), Gate::Ask(_)));
        policy.plan.unexplained = Unexplained::Refuse;
        assert!(matches!(ask(&plan, &policy, Change::Deleted, &[]), Gate::Refuse(_)));
    }

    #[test]
    fn what_still_comes_along_with_targets_needs_a_human() {
        let mut plan = summary(vec![change("aws_table.a", &["create"]), change("aws_table.b", &["update"])]);
        plan.targets = vec!["aws_table.a".into()];
        assert!(matches!(ask(&plan, &policy(), Change::Deleted, &[]), Gate::Ask(_)));
    }

    #[test]
    fn a_change_that_only_follows_a_lost_resource_is_explained_by_it() {
        let mut follower = change("aws_rule.r", &["update"]);
        follower.references.insert("name".into(), ["aws_table.a".to_owned()].into());
        let plan = summary(vec![change("aws_table.a", &["create"]), follower.clone()]);
        assert_eq!(ask(&plan, &policy(), Change::Deleted, &[]), Gate::Go(Cleared::ByPolicy));
        follower.attributes.push("other".into());
        let plan = summary(vec![change("aws_table.a", &["create"]), follower]);
        assert!(matches!(ask(&plan, &policy(), Change::Deleted, &[]), Gate::PlanAgain { .. }));
    }

    #[test]
    fn more_changes_than_the_policy_allows_need_a_human() {
        let mut policy = policy();
        policy.plan.max_changes = 1;
        let mut follower = change("aws_rule.r", &["update"]);
        follower.references.insert("name".into(), ["aws_table.a".to_owned()].into());
        let plan = summary(vec![change("aws_table.a", &["create"]), follower]);
        assert!(matches!(ask(&plan, &policy, Change::Deleted, &[]), Gate::Ask(_)));
    }

    #[test]
    fn an_approval_counts_for_what_was_approved_only() {
        let mut policy = policy();
        policy.approval = None;
        let plan = summary(vec![change("aws_table.a", &["create"])]);
        assert!(matches!(ask(&plan, &policy, Change::Deleted, &[]), Gate::Ask(_)));
        assert!(matches!(ask(&plan, &policy, Change::Deleted, &[said(Decision::Approve, "old")]), Gate::Ask(_)));
        let go = ask(&plan, &policy, Change::Deleted, &[said(Decision::Approve, "d")]);
        assert_eq!(go, Gate::Go(Cleared::ByHuman("ann".into())));
        let both = [said(Decision::Approve, "d"), said(Decision::Deny, "d")];
        assert!(matches!(ask(&plan, &policy, Change::Deleted, &both), Gate::Denied { .. }));
    }

    #[test]
    fn an_observing_policy_applies_nothing() {
        let mut policy = policy();
        policy.mode = Mode::Observe;
        let plan = summary(vec![change("aws_table.a", &["create"])]);
        assert!(matches!(ask(&plan, &policy, Change::Deleted, &[]), Gate::ObserveOnly(_)));
    }

    #[test]
    fn an_empty_plan_restores_nothing_and_a_modification_it_does_not_see_is_said_so() {
        let plan = summary(vec![]);
        assert_eq!(ask(&plan, &policy(), Change::Deleted, &[]), Gate::Nothing(Nothing::ToRestore));
        assert_eq!(ask(&plan, &policy(), Change::Modified, &[]), Gate::Nothing(Nothing::CoveredByTerraform));
    }
}
