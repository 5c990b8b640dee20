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

    fn word(&self) -> Word {
        let known = |user: &str, arn: &str| Identity { user: user.into(), arns: vec![arn.into()] };
        word_of(&Ballot {
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
    assert_eq!(one.word(), Word::Given(vec!["ann".into()]));
    one.policy.approvers = 2;
    assert!(matches!(one.word(), Word::Missing(m) if m.starts_with("1 of 2")));
    let mut two = Setting::new(&[("ann", Approve), ("ben", Approve)]);
    two.policy.approvers = 2;
    assert_eq!(two.word(), Word::Given(vec!["ann".into(), "ben".into()]));
}

#[test]
fn the_same_person_does_not_count_twice() {
    let mut twice = Setting::new(&[("ann", Approve), ("ann", Approve)]);
    twice.policy.approvers = 2;
    assert!(matches!(twice.word(), Word::Missing(_)));
}

#[test]
fn a_denial_is_final_however_many_approve() {
    let both = Setting::new(&[("ann", Approve), ("ben", Deny), ("cleo", Approve)]);
    assert_eq!(both.word(), Word::Denied("ben".into()));
}

#[test]
fn who_made_the_change_may_not_approve_its_undoing_unless_allowed() {
    for name in ["mal", MALLORY] {
        let mut own = Setting::new(&[(name, Approve)]);
        assert!(matches!(own.word(), Word::Missing(m) if m.contains("who made the change")), "{name}");
        own.policy.actor_may_approve = true;
        assert_eq!(own.word(), Word::Given(vec![name.into()]));
    }
    let role = Setting {
        actor: Actor {
            arn: Some("arn:aws:sts::111122223333:assumed-role/admin/x".into()),
            issuer_arn: Some(MALLORY.into()),
            ..Actor::default()
        },
        ..Setting::new(&[("mal", Approve)])
    };
    assert!(matches!(role.word(), Word::Missing(_)), "the role behind the session is compared too");
}

#[test]
fn where_nobody_can_tell_a_second_approver_is_needed() {
    let one = Setting::new(&[("stranger", Approve)]);
    assert!(matches!(one.word(), Word::Missing(m) if m.contains("two are needed")));
    let two = Setting::new(&[("stranger", Approve), ("ann", Approve)]);
    assert!(matches!(two.word(), Word::Given(_)));
    let mut service = Setting::new(&[("stranger", Approve)]);
    service.actor.arn = None;
    assert!(matches!(service.word(), Word::Given(_)), "a service is nobody");
}

#[test]
fn a_decision_on_another_plan_does_not_count() {
    let mut old = Setting::new(&[("ann", Approve), ("ben", Deny)]);
    old.approvals.iter_mut().for_each(|a| a.change_digest = "old".into());
    assert!(matches!(old.word(), Word::Missing(_)));
}

#[test]
fn both_the_question_and_the_answer_expire() {
    let hours = 3_600_000;
    let mut silent = Setting::new(&[]);
    silent.now = 4 * hours - 1;
    assert!(matches!(silent.word(), Word::Missing(_)));
    silent.now = 4 * hours;
    assert_eq!(silent.word(), Word::Expired);
    let mut late = Setting::new(&[("ann", Approve)]);
    late.now = 4 * hours;
    late.seen = vec![SeenApproval { by: "ann".into(), change_digest: "d".into(), at: Time(hours) }];
    assert!(matches!(late.word(), Word::Given(_)), "seen three hours ago");
    late.now = 5 * hours;
    assert_eq!(late.word(), Word::Expired);
    assert_eq!(deadlines(&silent.policy, Time(0)), (Time(2 * hours), Time(4 * hours)));
}

#[test]
fn when_somebody_decided_on_an_older_plan_makes_their_word_on_this_one_no_older() {
    let hours = 3_600_000;
    let mut again = Setting::new(&[("ann", Approve)]);
    let seen = |by: &str, digest: &str| SeenApproval { by: by.into(), change_digest: digest.into(), at: Time(0) };
    again.now = 5 * hours;
    again.seen = vec![seen("ann", "old"), seen("ben", "d")];
    assert_eq!(again.word(), Word::Given(vec!["ann".into()]));
}
