//! The gate: may this very plan be applied, now? Pure: a plan, the policy, what people said, the limits and the clock go
//! in, one answer with its reasons comes out. Never destroys, never carries along what no cleared Incident explains.

use std::collections::BTreeSet;

use reforge_api::{
    Approval, ApprovalMode, ApprovalPolicy, Change, Classification, Decision, GateRecord, IncidentSpec, Mode,
    RecoveryPolicySpec, SeenApproval, Time, Unexplained,
};
use serde_json::json;

use crate::policy::approval::{self, Identity, Word};
use crate::policy::expression::{self, Facts};
use crate::policy::limits::Held;
use crate::policy::window::{self, Opening};

use super::codebuild::can_be_told;
use super::plan::{PlanChange, Summary};

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

/// Judges a plan.
pub fn judge(q: &Question<'_>) -> Gate {
    let word = word(q);
    if let Word::Denied(by) = word {
        return Gate::Denied { by };
    }
    let (explained, unexplained) = explain(q.summary, q.own);

    if !explained.iter().any(|c| q.own.contains(&c.address)) {
        return Gate::Nothing(nothing(q));
    }
    if q.summary.state.moved_since(q.incident.event.time) {
        return Gate::PlanLater(vec!["somebody else applied in this workspace since the event".to_owned()]);
    }

    let mut ask = Vec::new();
    if !unexplained.is_empty() {
        let reason = format!("{} would change without an Incident that explains it", list(&unexplained));
        match q.policy.plan.unexplained {
            Unexplained::Refuse => return Gate::Refuse(vec![reason]),
            Unexplained::Target if q.summary.targets.is_empty() && explained.len() <= MAX_TARGETS => {
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
    if let Opening::Closed { reason, until } = window::judge(&q.policy.windows, q.now) {
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

/// What the policy's expressions can ask about.
fn facts(q: &Question<'_>) -> Facts {
    let changes: Vec<_> = q
        .summary
        .changes
        .iter()
        .map(|c| json!({"address": c.address, "type": c.r#type, "actions": c.actions, "attributes": c.attributes}))
        .collect();
    Facts::from([
        ("event", json!(q.incident.event)),
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
    let word = approval::judge(&approval::Case {
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
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::recover::plan::Drift;
    use reforge_api::{LimitsPolicy, Match, PlanPolicy, RecoverySpec, Window};

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
            ..Summary::default()
        }
    }

    fn policy() -> RecoveryPolicySpec {
        RecoveryPolicySpec {
            mode: Mode::Enforce,
            suspend: false,
            priority: 0,
            r#match: Match::default(),
            classification: reforge_api::ClassificationPolicy::default(),
            recovery: RecoverySpec::default(),
            plan: PlanPolicy::default(),
            approval: Some(ApprovalPolicy { mode: ApprovalMode::Never, ..ApprovalPolicy::default() }),
            limits: LimitsPolicy::default(),
            windows: vec![],
            drift: None,
            verification: reforge_api::VerificationPolicy::default(),
            notifications: vec![],
        }
    }

    fn incident(change: Change, approvals: &[Approval]) -> IncidentSpec {
        let mut spec: IncidentSpec = serde_json::from_value(json!({
            "event": {"id": "e", "time": "2026-01-02T03:04:05Z", "name": "DeleteTable", "source": "s", "accountId": "1",
                "region": "r", "actor": {"type": "AWSService"}},
            "resource": {"type": "dynamodb", "cloudFormationType": "AWS::DynamoDB::Table", "id": "orders"},
            "change": "Deleted", "policyRef": {"name": "p"}
        }))
        .unwrap();
        spec.change = change;
        spec.approvals = approvals.to_vec();
        spec
    }

    fn ask(summary: &Summary, policy: &RecoveryPolicySpec, change: Change, approvals: &[Approval]) -> Gate {
        ask_with(summary, policy, &incident(change, approvals), &Held::default(), false)
    }

    static OWN: LazyLock<[String; 1]> = LazyLock::new(|| ["aws_table.a".to_owned()]);
    static ATTACHMENTS: LazyLock<[String; 1]> = LazyLock::new(|| ["aws_attachment".to_owned()]);

    /// About a plan of one's own, with nothing special.
    fn question<'a>(
        summary: &'a Summary,
        policy: &'a RecoveryPolicySpec,
        incident: &'a IncidentSpec,
        limits: &'a Held,
    ) -> Question<'a> {
        Question {
            summary,
            own: &*OWN,
            policy,
            incident,
            classification: None,
            stateful: true,
            containment: false,
            has_verb: false,
            attachments: &*ATTACHMENTS,
            change_digest: "d",
            seen: &[],
            asked: Some(Time(0)),
            identities: &[],
            unchecked: None,
            stopped: None,
            attribution: Attribution::Known,
            limits,
            now: Time(1),
        }
    }

    fn ask_with(
        summary: &Summary,
        policy: &RecoveryPolicySpec,
        incident: &IncidentSpec,
        limits: &Held,
        containment: bool,
    ) -> Gate {
        judge(&Question { containment, ..question(summary, policy, incident, limits) })
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
        assert_eq!(go, Gate::Go(Cleared::ByHumans(vec!["ann".into()])));
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
        let mut plan = summary(vec![]);
        assert_eq!(ask(&plan, &policy(), Change::Deleted, &[]), Gate::Nothing(Nothing::NotDeclared));
        plan.unchanged.insert("aws_table.a".into());
        assert_eq!(ask(&plan, &policy(), Change::Deleted, &[]), Gate::Nothing(Nothing::ToRestore));
        assert_eq!(ask(&plan, &policy(), Change::Modified, &[]), Gate::Nothing(Nothing::CoveredByTerraform));
    }

    fn lost() -> Summary {
        summary(vec![change("aws_table.a", &["create"])])
    }

    #[test]
    fn a_denial_is_final_also_for_a_plan_that_would_be_planned_again_or_refused() {
        let plans = [
            summary(vec![change("aws_table.a", &["create"]), change("aws_table.b", &["update"])]),
            summary(vec![change("aws_table.a", &["delete"])]),
            lost(),
        ];
        for plan in plans {
            let denied = ask(&plan, &policy(), Change::Deleted, &[said(Decision::Deny, "d")]);
            assert_eq!(denied, Gate::Denied { by: "ann".into() });
        }
    }

    #[test]
    fn what_a_responder_may_have_done_is_never_undone_without_a_human() {
        let incident = incident(Change::Stopped, &[]);
        let answer = ask_with(&lost(), &policy(), &incident, &Held::default(), true);
        assert!(matches!(answer, Gate::Ask(reasons) if reasons[0].contains("contains an attack")));
    }

    #[test]
    fn a_policy_asks_when_its_expression_holds_or_cannot_be_answered() {
        let when = |text: &str| {
            let mut policy = policy();
            let when = vec![text.to_owned()];
            policy.approval = Some(ApprovalPolicy { mode: ApprovalMode::When, when, ..ApprovalPolicy::default() });
            ask(&lost(), &policy, Change::Deleted, &[])
        };
        assert!(matches!(when("resource.id == 'orders' && size(plan.changes) == 1"), Gate::Ask(_)));
        assert!(
            matches!(when("classification.verdict == 'Normal'"), Gate::Ask(r) if r[0].contains("cannot be answered"))
        );
        assert_eq!(when("resource.id == 'users'"), Gate::Go(Cleared::ByPolicy));
    }

    #[test]
    fn outside_of_its_window_a_plan_waits_even_when_a_human_approved() {
        let mut policy = policy();
        let closed =
            serde_json::from_value::<Window>(json!({"deny": {"from": "00:00", "to": "01:00", "timeZone": "UTC"}}));
        policy.windows = vec![closed.unwrap()];
        let wait = Gate::Wait {
            reason: "the policy denies changes daily from 00:00 to 01:00 UTC".into(),
            until: Some(Time(3_600_000)),
        };
        assert_eq!(ask(&lost(), &policy, Change::Deleted, &[]), wait);
        policy.approval = None;
        assert_eq!(ask(&lost(), &policy, Change::Deleted, &[said(Decision::Approve, "d")]), wait);
    }

    #[test]
    fn a_humans_word_goes_before_a_cool_down_and_not_before_a_full_house() {
        let cooling = Held { wait: Some(("cooling down".into(), Time(9))), ..Held::default() };
        let wait = Gate::Wait { reason: "cooling down".into(), until: Some(Time(9)) };
        let nobody = incident(Change::Deleted, &[]);
        assert_eq!(ask_with(&lost(), &policy(), &nobody, &cooling, false), wait);
        let mut careful = policy();
        careful.approval = None;
        let approved = incident(Change::Deleted, &[said(Decision::Approve, "d")]);
        assert!(matches!(ask_with(&lost(), &careful, &approved, &cooling, false), Gate::Go(Cleared::ByHumans(_))));
        let busy = Held { busy: Some("full".into()), ..Held::default() };
        assert_eq!(
            ask_with(&lost(), &careful, &approved, &busy, false),
            Gate::Wait { reason: "full".into(), until: None }
        );
    }

    #[test]
    fn what_the_limits_ask_about_is_asked_even_if_the_policy_never_asks() {
        let flood = Held { ask: vec!["a flood".into()], ..Held::default() };
        let answer = ask_with(&lost(), &policy(), &incident(Change::Deleted, &[]), &flood, false);
        assert!(matches!(answer, Gate::Ask(reasons) if reasons[0] == "a flood"));
    }

    #[test]
    fn who_is_asked_for_too_long_is_told_that_it_is_over() {
        let mut slow = policy();
        slow.approval = Some(ApprovalPolicy { expires_after: "1s".into(), ..ApprovalPolicy::default() });
        let spec = incident(Change::Deleted, &[]);
        let plan = lost();
        let limits = Held::default();
        let asked = question(&plan, &slow, &spec, &limits);
        assert!(matches!(judge(&Question { now: Time(1000), ..asked.clone() }), Gate::Expired(_)));
        assert!(matches!(judge(&Question { now: Time(999), ..asked }), Gate::Ask(_)));
    }

    #[test]
    fn no_approval_counts_while_the_apiserver_does_not_check_who_gives_it_and_a_denial_does() {
        let mut careful = policy();
        careful.approval = None;
        let plan = lost();
        let ask = |decision: Decision| {
            let spec = incident(Change::Deleted, &[said(decision, "d")]);
            let unchecked = Some("the policy is gone");
            judge(&Question { unchecked, asked: None, ..question(&plan, &careful, &spec, &Held::default()) })
        };
        assert!(matches!(ask(Decision::Approve), Gate::Ask(r) if r[1].contains("the policy is gone")));
        assert!(matches!(ask(Decision::Deny), Gate::Denied { .. }));
    }

    #[test]
    fn what_nobody_is_known_to_have_done_waits_for_its_record_and_then_for_a_human() {
        let (free, plan, spec) = (policy(), lost(), incident(Change::Deleted, &[]));
        let ask = |policy: &RecoveryPolicySpec, attribution: Attribution| {
            judge(&Question { attribution, asked: None, ..question(&plan, policy, &spec, &Held::default()) })
        };
        assert_eq!(ask(&free, Attribution::Known), Gate::Go(Cleared::ByPolicy));
        assert!(matches!(ask(&free, Attribution::Awaited(Time(9))), Gate::Wait { until: Some(Time(9)), .. }));
        assert!(matches!(ask(&free, Attribution::Nobody), Gate::Ask(r) if r[0].contains("no record")));
        assert!(matches!(ask(&free, Attribution::Several), Gate::Ask(r) if r[0].contains("several")));
        let always = RecoveryPolicySpec { approval: Some(ApprovalPolicy::default()), ..policy() };
        let asked = ask(&always, Attribution::Awaited(Time(9)));
        assert!(matches!(asked, Gate::Ask(r) if r.iter().any(|r| r.contains("not known yet"))), "people need not wait");
    }

    #[test]
    fn more_addresses_than_a_status_has_room_for_are_a_humans() {
        let own: Vec<String> = (0..=MAX_TARGETS).map(|i| format!("aws_table.t[{i}]")).collect();
        let mut changes: Vec<PlanChange> = own.iter().map(|address| change(address, &["create"])).collect();
        changes.push(change("aws_other.b", &["update"]));
        let (plan, spec, limits) = (summary(changes), incident(Change::Deleted, &[]), Held::default());
        let free = RecoveryPolicySpec { plan: PlanPolicy { max_changes: 100, ..PlanPolicy::default() }, ..policy() };
        let asked = judge(&Question { own: &own, ..question(&plan, &free, &spec, &limits) });
        assert!(matches!(&asked, Gate::Ask(r) if r[0].contains("aws_other.b")), "{asked:?}");
        let fewer = judge(&Question { own: &own[1..], ..question(&plan, &free, &spec, &limits) });
        assert!(matches!(fewer, Gate::PlanAgain { targets, .. } if targets.len() == MAX_TARGETS));
    }

    #[test]
    fn addresses_too_long_for_a_builds_environment_are_a_humans() {
        let judged = |length: usize| {
            let own: Vec<String> = (10..30).map(|i| format!("aws_table.{i}{}", "x".repeat(length - 12))).collect();
            let mut changes: Vec<PlanChange> = own.iter().map(|address| change(address, &["create"])).collect();
            changes.push(change("aws_other.b", &["update"]));
            let (plan, spec, limits) = (summary(changes), incident(Change::Deleted, &[]), Held::default());
            let free =
                RecoveryPolicySpec { plan: PlanPolicy { max_changes: 100, ..PlanPolicy::default() }, ..policy() };
            judge(&Question { own: &own, ..question(&plan, &free, &spec, &limits) })
        };
        // As JSON each has two quotes and a comma beside it.
        assert!(matches!(judged(4096 / 20 - 4), Gate::PlanAgain { targets, .. } if targets.len() == 20));
        assert!(matches!(judged(4096 / 20 - 2), Gate::Ask(r) if r[0].contains("aws_other.b")));
    }
}
