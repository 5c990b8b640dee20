//! People's word on a plan: who has decided, whose decision counts, who is still missing. Pure.
//!
//! That a decision was made by the person whose name it bears, once and on the plan that was there, is the apiserver's
//! to check: the chart's admission policies. Here it is judged what the decisions amount to.

use std::collections::BTreeSet;

use reforge_api::{Actor, Approval, ApprovalPolicy, Decision, SeenApproval, Time, duration_millis};
use serde::Deserialize;

/// Which AWS identities a Kubernetes user has, as the operator's settings say.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Identity {
    /// The user's name in Kubernetes, as `kubectl auth whoami` prints it.
    pub user: String,
    /// ARNs of the users, roles or sessions that this person acts as in AWS; empty: none.
    #[serde(default)]
    pub arns: Vec<String>,
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Case<'a> {
    /// The policy's rules.
    pub policy: &'a ApprovalPolicy,
    /// All decisions.
    pub approvals: &'a [Approval],
    /// What a decision must be on.
    pub change_digest: &'a str,
    /// When the operator first saw which decision.
    pub seen: &'a [SeenApproval],
    /// When people were first asked about this very change.
    pub asked: Option<Time>,
    /// Now.
    pub now: Time,
    /// Who made the change.
    pub actor: &'a Actor,
    /// Who is who.
    pub identities: &'a [Identity],
}

/// What the decisions amount to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Word {
    /// Somebody denied it; that is final.
    Denied(String),
    /// Enough people approved: these.
    Given(Vec<String>),
    /// Not enough yet; what is missing.
    Missing(String),
    /// Nobody decided in time.
    Expired,
}

/// Judges the decisions on a change.
pub fn judge(case: &Case<'_>) -> Word {
    let on_it = |a: &&Approval| a.change_digest == case.change_digest;
    if let Some(denied) = case.approvals.iter().filter(on_it).find(|a| a.decision == Decision::Deny) {
        return Word::Denied(denied.by.clone());
    }
    let patience = patience(case.policy);
    let counts = |a: &&Approval| {
        let seen = case.seen.iter().find(|s| s.by == a.by && s.change_digest == a.change_digest);
        seen.is_none_or(|s| case.now.millis_since(s.at) < patience)
    };
    let approved: BTreeSet<&str> = case.approvals.iter().filter(on_it).filter(counts).map(|a| a.by.as_str()).collect();
    let (actors, others): (BTreeSet<&str>, BTreeSet<&str>) =
        approved.into_iter().partition(|by| !case.policy.actor_may_approve && is_actor(case, by) == Some(true));
    let unknown = !case.policy.actor_may_approve && others.iter().any(|by| is_actor(case, by).is_none());
    let needed = if unknown { case.policy.approvers.max(2) } else { case.policy.approvers } as usize;
    if others.len() >= needed {
        return Word::Given(others.into_iter().map(str::to_owned).collect());
    }
    if case.asked.is_some_and(|asked| case.now.millis_since(asked) >= patience) {
        return Word::Expired;
    }
    let mut missing = vec![format!("{} of {needed} approvals", others.len())];
    if let Some(actor) = actors.first() {
        missing.push(format!("that of {actor} does not count, who made the change"));
    }
    if unknown {
        missing.push("two are needed, since it cannot be told that the approver is not the one who made the change (settings.identities says who is who)".to_owned());
    }
    Word::Missing(missing.join("; "))
}

/// When people are reminded, and when it is too late, if they were asked at `asked`.
pub fn deadlines(policy: &ApprovalPolicy, asked: Time) -> (Time, Time) {
    let patience = patience(policy);
    (Time(asked.0.saturating_add(patience / 2)), Time(asked.0.saturating_add(patience)))
}

/// The schema admits nothing that is not a duration; should one slip through, it is over at once: the careful side.
fn patience(policy: &ApprovalPolicy) -> i64 {
    duration_millis(&policy.expires_after).unwrap_or(0)
}

/// The type of an actor that no record tells of.
const UNKNOWN: &str = "Unknown";

/// Whether a user is who made the change; None where the two cannot be compared.
fn is_actor(case: &Case<'_>, user: &str) -> Option<bool> {
    let actor = case.actor;
    let theirs: BTreeSet<&str> = [&actor.arn, &actor.issuer_arn].into_iter().flatten().map(String::as_str).collect();
    // What an AWS service does on its own has no ARN that a person could have; where nobody knows who it was, it may be anyone.
    if theirs.is_empty() {
        return (actor.r#type != UNKNOWN).then_some(false);
    }
    if theirs.contains(user) {
        return Some(true);
    }
    if let Some(known) = case.identities.iter().find(|i| i.user == user) {
        return Some(known.arns.iter().any(|arn| theirs.contains(arn.as_str())));
    }
    user.starts_with("arn:").then_some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MALLORY: &str = "arn:aws:iam::111122223333:user/mallory";

    struct Setting {
        policy: ApprovalPolicy,
        approvals: Vec<Approval>,
        seen: Vec<SeenApproval>,
        actor: Actor,
        now: i64,
    }

    impl Setting {
        fn new(approvals: &[(&str, Decision)]) -> Self {
            let one = |(by, decision): &(&str, Decision)| Approval {
                by: (*by).into(),
                decision: *decision,
                change_digest: "d".into(),
                reason: None,
            };
            Self {
                policy: ApprovalPolicy::default(),
                approvals: approvals.iter().map(one).collect(),
                seen: vec![],
                actor: Actor { arn: Some(MALLORY.into()), ..Actor::default() },
                now: 0,
            }
        }

        fn judge(&self) -> Word {
            let known = |user: &str, arn: &str| Identity { user: user.into(), arns: vec![arn.into()] };
            judge(&Case {
                policy: &self.policy,
                approvals: &self.approvals,
                change_digest: "d",
                seen: &self.seen,
                asked: Some(Time(0)),
                now: Time(self.now),
                actor: &self.actor,
                identities: &[
                    known("ann", "arn:aws:iam::111122223333:user/ann"),
                    known("ben", "arn:aws:iam::111122223333:user/ben"),
                    known("mal", MALLORY),
                ],
            })
        }
    }

    use Decision::{Approve, Deny};

    #[test]
    fn one_approval_is_enough_unless_the_policy_wants_more() {
        let mut one = Setting::new(&[("ann", Approve)]);
        assert_eq!(one.judge(), Word::Given(vec!["ann".into()]));
        one.policy.approvers = 2;
        assert!(matches!(one.judge(), Word::Missing(m) if m.starts_with("1 of 2")));
        let mut two = Setting::new(&[("ann", Approve), ("ben", Approve)]);
        two.policy.approvers = 2;
        assert_eq!(two.judge(), Word::Given(vec!["ann".into(), "ben".into()]));
    }

    #[test]
    fn the_same_person_does_not_count_twice() {
        let mut twice = Setting::new(&[("ann", Approve), ("ann", Approve)]);
        twice.policy.approvers = 2;
        assert!(matches!(twice.judge(), Word::Missing(_)));
    }

    #[test]
    fn a_denial_is_final_however_many_approve() {
        let both = Setting::new(&[("ann", Approve), ("ben", Deny), ("cleo", Approve)]);
        assert_eq!(both.judge(), Word::Denied("ben".into()));
    }

    #[test]
    fn who_made_the_change_may_not_approve_its_undoing_unless_allowed() {
        for name in ["mal", MALLORY] {
            let mut own = Setting::new(&[(name, Approve)]);
            assert!(matches!(own.judge(), Word::Missing(m) if m.contains("who made the change")), "{name}");
            own.policy.actor_may_approve = true;
            assert_eq!(own.judge(), Word::Given(vec![name.into()]));
        }
        let role = Setting {
            actor: Actor {
                arn: Some("arn:aws:sts::111122223333:assumed-role/admin/x".into()),
                issuer_arn: Some(MALLORY.into()),
                ..Actor::default()
            },
            ..Setting::new(&[("mal", Approve)])
        };
        assert!(matches!(role.judge(), Word::Missing(_)), "the role behind the session is compared too");
    }

    #[test]
    fn where_nobody_can_tell_a_second_approver_is_needed() {
        let one = Setting::new(&[("stranger", Approve)]);
        assert!(matches!(one.judge(), Word::Missing(m) if m.contains("two are needed")));
        let two = Setting::new(&[("stranger", Approve), ("ann", Approve)]);
        assert!(matches!(two.judge(), Word::Given(_)));
        let mut service = Setting::new(&[("stranger", Approve)]);
        service.actor.arn = None;
        assert!(matches!(service.judge(), Word::Given(_)), "a service is nobody");
    }

    #[test]
    fn a_decision_on_another_plan_does_not_count() {
        let mut old = Setting::new(&[("ann", Approve), ("ben", Deny)]);
        old.approvals.iter_mut().for_each(|a| a.change_digest = "old".into());
        assert!(matches!(old.judge(), Word::Missing(_)));
    }

    #[test]
    fn both_the_question_and_the_answer_expire() {
        let hours = 3_600_000;
        let mut silent = Setting::new(&[]);
        silent.now = 4 * hours - 1;
        assert!(matches!(silent.judge(), Word::Missing(_)));
        silent.now = 4 * hours;
        assert_eq!(silent.judge(), Word::Expired);
        let mut late = Setting::new(&[("ann", Approve)]);
        late.now = 4 * hours;
        late.seen = vec![SeenApproval { by: "ann".into(), change_digest: "d".into(), at: Time(hours) }];
        assert!(matches!(late.judge(), Word::Given(_)), "seen three hours ago");
        late.now = 5 * hours;
        assert_eq!(late.judge(), Word::Expired);
        assert_eq!(deadlines(&silent.policy, Time(0)), (Time(2 * hours), Time(4 * hours)));
    }
}
