use std::sync::LazyLock;

use reforge_api::{LimitsPolicy, Match, PlanPolicy, RecoverySpec, Window};

use crate::plan::summary::Drift;

use super::*;

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
        unlisted: 0,
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
        unknown: None,
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
    answer(&Question { containment, ..question(summary, policy, incident, limits) })
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
fn what_is_gone_elsewhere_makes_no_replacement_harmless() {
    let mut plan = summary(vec![change("aws_table.a", &["delete", "create"])]);
    plan.drift = vec![
        Drift { address: "aws_table.b".into(), actions: vec!["delete".into()] },
        Drift { address: "aws_table.a".into(), actions: vec!["update".into()] },
    ];
    assert!(matches!(ask(&plan, &policy(), Change::Deleted, &[]), Gate::Refuse(_)));
}

#[test]
fn an_attachment_may_be_replaced_and_not_removed() {
    let own = ["aws_attachment.a".to_owned()];
    let (policy, spec, limits) = (policy(), incident(Change::Modified, &[]), Held::default());
    let judged = |actions: &[&str]| {
        let plan = summary(vec![change(&own[0], actions)]);
        answer(&Question { own: &own, ..question(&plan, &policy, &spec, &limits) })
    };
    assert_eq!(judged(&["delete", "create"]), Gate::Go(Cleared::ByPolicy));
    assert!(matches!(judged(&["delete"]), Gate::Refuse(_)));
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
fn what_would_be_destroyed_or_does_not_say_what_differs_follows_nothing() {
    let follower = |actions: &[&str], attributes: &[&str]| {
        let mut follower = change("aws_rule.r", actions);
        follower.attributes = attributes.iter().map(|a| (*a).to_owned()).collect();
        follower.references.insert("name".into(), ["aws_table.a".to_owned()].into());
        summary(vec![change("aws_table.a", &["create"]), follower])
    };
    let follows = follower(&["update"], &["name"]);
    assert_eq!(unexplained(&follows, &*OWN), Vec::<String>::new());
    for stranger in [follower(&["delete", "create"], &["name"]), follower(&["update"], &[])] {
        assert_eq!(unexplained(&stranger, &*OWN), ["aws_rule.r"]);
        let Gate::PlanAgain { targets, .. } = ask(&stranger, &policy(), Change::Deleted, &[]) else { panic!() };
        assert_eq!(targets, ["aws_table.a"]);
    }
}

#[test]
fn more_changes_than_the_policy_allows_need_a_human() {
    let mut policy = policy();
    policy.plan.max_changes = 1;
    assert_eq!(ask(&lost(), &policy, Change::Deleted, &[]), Gate::Go(Cleared::ByPolicy), "as many as it allows");
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
    let (policy, stopped, limits) = (policy(), incident(Change::Stopped, &[]), Held::default());
    let with_verb = answer(&Question { has_verb: true, ..question(&plan, &policy, &stopped, &limits) });
    assert_eq!(with_verb, Gate::Nothing(Nothing::ToRestore), "its verb would be in the plan, had it been of use");
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
    assert!(matches!(when("classification.verdict == 'Normal'"), Gate::Ask(r) if r[0].contains("cannot be answered")));
    assert_eq!(when("resource.id == 'users'"), Gate::Go(Cleared::ByPolicy));
}

#[test]
fn outside_of_its_window_a_plan_waits_even_when_a_human_approved() {
    let mut policy = policy();
    let closed = serde_json::from_value::<Window>(json!({"deny": {"from": "00:00", "to": "01:00", "timeZone": "UTC"}}));
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
    assert_eq!(ask_with(&lost(), &careful, &approved, &busy, false), Gate::Wait { reason: "full".into(), until: None });
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
    assert!(matches!(answer(&Question { now: Time(1000), ..asked.clone() }), Gate::Expired(_)));
    assert!(matches!(answer(&Question { now: Time(999), ..asked }), Gate::Ask(_)));
}

#[test]
fn no_approval_counts_while_the_apiserver_does_not_check_who_gives_it_and_a_denial_does() {
    let mut careful = policy();
    careful.approval = None;
    let plan = lost();
    let ask = |decision: Decision| {
        let spec = incident(Change::Deleted, &[said(decision, "d")]);
        let unchecked = Some("the policy is gone");
        answer(&Question { unchecked, asked: None, ..question(&plan, &careful, &spec, &Held::default()) })
    };
    assert!(matches!(ask(Decision::Approve), Gate::Ask(r) if r[1].contains("the policy is gone")));
    assert!(matches!(ask(Decision::Deny), Gate::Denied { .. }));
}

#[test]
fn what_nobody_is_known_to_have_done_waits_for_its_record_and_then_for_a_human() {
    let (free, plan, spec) = (policy(), lost(), incident(Change::Deleted, &[]));
    let ask = |policy: &RecoveryPolicySpec, attribution: Attribution| {
        answer(&Question { attribution, asked: None, ..question(&plan, policy, &spec, &Held::default()) })
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
    let asked = answer(&Question { own: &own, ..question(&plan, &free, &spec, &limits) });
    assert!(matches!(&asked, Gate::Ask(r) if r[0].contains("aws_other.b")), "{asked:?}");
    let fewer = answer(&Question { own: &own[1..], ..question(&plan, &free, &spec, &limits) });
    assert!(matches!(fewer, Gate::PlanAgain { targets, .. } if targets.len() == MAX_TARGETS));
}

#[test]
fn addresses_too_long_for_a_builds_environment_are_a_humans() {
    let judged = |length: usize| {
        let own: Vec<String> = (10..30).map(|i| format!("aws_table.{i}{}", "x".repeat(length - 12))).collect();
        let mut changes: Vec<PlanChange> = own.iter().map(|address| change(address, &["create"])).collect();
        changes.push(change("aws_other.b", &["update"]));
        let (plan, spec, limits) = (summary(changes), incident(Change::Deleted, &[]), Held::default());
        let free = RecoveryPolicySpec { plan: PlanPolicy { max_changes: 100, ..PlanPolicy::default() }, ..policy() };
        answer(&Question { own: &own, ..question(&plan, &free, &spec, &limits) })
    };
    // As JSON each has two quotes and a comma beside it.
    assert!(matches!(judged(4096 / 20 - 4), Gate::PlanAgain { targets, .. } if targets.len() == 20));
    assert!(matches!(judged(4096 / 20 - 2), Gate::Ask(r) if r[0].contains("aws_other.b")));
}

#[test]
fn a_resource_with_more_addresses_than_are_listed_asks_a_human_and_is_put_back_whole() {
    let plan = summary(vec![change("aws_table.a", &["create"]), change("aws_rule.the_33rd", &["create"])]);
    let (policy, spec, limits) = (policy(), incident(Change::Deleted, &[]), Held::default());
    let asked = |own: &[String]| answer(&Question { own, unlisted: 18, ..question(&plan, &policy, &spec, &limits) });
    for own in [OWN.as_slice(), &["aws_table.unchanged".to_owned()]] {
        let Gate::Ask(reasons) = asked(own) else { panic!("{:?}", asked(own)) };
        assert!(reasons[0].contains("19 addresses") && reasons[0].contains("the_33rd"), "{reasons:?}");
    }
    let whole = summary(vec![change("aws_table.a", &["create"])]);
    let gate = answer(&Question { unlisted: 18, ..question(&whole, &policy, &spec, &limits) });
    assert_eq!(gate, Gate::Go(Cleared::ByPolicy), "nothing of it is left out");
}

#[test]
fn an_apply_of_which_nobody_knows_how_it_ended_makes_the_next_plan_ask() {
    let plan = summary(vec![change("aws_table.a", &["create"])]);
    let (policy, spec, limits) = (policy(), incident(Change::Deleted, &[]), Held::default());
    let gate = answer(&Question { unknown: Some("apply:1"), ..question(&plan, &policy, &spec, &limits) });
    let Gate::Ask(reasons) = gate else { panic!("{gate:?}") };
    assert!(reasons[0].contains("apply:1"), "{reasons:?}");
}

#[test]
fn a_policy_that_asks_about_parameters_that_are_not_whole_asks_a_human() {
    let plan = summary(vec![change("aws_table.a", &["create"])]);
    let when = ["event.requestParameters.contains('prod')".to_owned()].to_vec();
    let asks = ApprovalPolicy { mode: ApprovalMode::When, when, ..ApprovalPolicy::default() };
    let policy = RecoveryPolicySpec { approval: Some(asks), ..policy() };
    let with = |parameters: &serde_json::Value| {
        let mut spec = incident(Change::Deleted, &[]);
        spec.event.request_parameters = redact::parameters(parameters);
        ask_with(&plan, &policy, &spec, &Held::default(), false)
    };
    assert_eq!(with(&json!({"names": ["test"]})), Gate::Go(Cleared::ByPolicy));
    let Gate::Ask(reasons) = with(&json!({"names": vec!["test"; 101]})) else { panic!("nobody can tell") };
    assert!(reasons[0].contains("cannot be answered"), "{reasons:?}");
}
