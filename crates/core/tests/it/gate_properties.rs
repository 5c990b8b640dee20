//! What holds of the gate for every plan, policy and decision, not only for those that somebody thought of.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use reforge_api::{Approval, Decision, IncidentSpec, Mode, RecoveryPolicySpec, Time, Unexplained};
use reforge_core::plan::gate::{self, Attribution, Cleared, Gate, Question};
use reforge_core::plan::summary::{Drift, PlanChange, StateRef, Summary};
use reforge_core::policy::limits::Held;
use serde_json::json;

/// The addresses that plans are made of; the first is the Incident's own.
const ADDRESSES: [&str; 5] =
    ["aws_table.own", "aws_table.other", "aws_rule.follows", "aws_attachment.own", "aws_iam_access_key.of_somebody"];
const ATTACHMENT: &str = "aws_attachment";
const DIGEST: &str = "d";

#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each of them is a question of its own")]
struct World {
    summary: Summary,
    policy: RecoveryPolicySpec,
    incident: IncidentSpec,
    limits: Held,
    containment: bool,
    unchecked: bool,
    stopped: bool,
    unknown: bool,
    unlisted: u32,
    attribution: Attribution,
}

impl World {
    fn judge(&self) -> Gate {
        gate::answer(&Question {
            summary: &self.summary,
            own: &[ADDRESSES[0].to_owned()],
            unlisted: self.unlisted,
            policy: &self.policy,
            incident: &self.incident,
            classification: None,
            stateful: true,
            containment: self.containment,
            has_verb: false,
            attachments: &[ATTACHMENT.to_owned()],
            change_digest: DIGEST,
            seen: &[],
            asked: None,
            identities: &[],
            unchecked: self.unchecked.then_some("it is gone"),
            stopped: self.stopped.then_some("plan:1"),
            unknown: self.unknown.then_some("apply:1"),
            attribution: self.attribution,
            limits: &self.limits,
            now: Time(0),
        })
    }
}

fn a_change(address: &'static str) -> impl Strategy<Value = PlanChange> {
    let actions = prop::sample::select(vec![
        vec!["create"],
        vec!["update"],
        vec!["delete"],
        vec!["delete", "create"],
        vec!["create", "delete"],
        vec!["forget"],
    ]);
    let attributes = prop::collection::btree_set(prop::sample::select(vec!["name", "arn", "policy"]), 0..3);
    let references = prop::collection::btree_map(
        prop::sample::select(vec!["name", "arn", "policy"]),
        prop::collection::btree_set(prop::sample::select(ADDRESSES.to_vec()), 0..2),
        0..3,
    );
    (actions, attributes, references).prop_map(move |(actions, attributes, references)| PlanChange {
        address: address.to_owned(),
        r#type: address.split('.').next().unwrap_or_default().to_owned(),
        actions: actions.into_iter().map(str::to_owned).collect(),
        attributes: attributes.into_iter().map(str::to_owned).collect(),
        references: references
            .into_iter()
            .map(|(name, to)| (name.to_owned(), to.into_iter().map(str::to_owned).collect::<BTreeSet<_>>()))
            .collect::<BTreeMap<_, _>>(),
        value_hash: String::new(),
    })
}

fn a_summary() -> impl Strategy<Value = Summary> {
    let changes = ADDRESSES.map(|a| prop::option::of(a_change(a)));
    let gone = prop::collection::vec(prop::sample::select(ADDRESSES.to_vec()), 0..3);
    let state = prop::sample::select(vec![(3, Some(3)), (3, None), (4, Some(3))]);
    (changes, gone, any::<bool>(), state).prop_map(|(changes, gone, targeted, (serial, known))| Summary {
        workspace: "w".to_owned(),
        build: "b".to_owned(),
        incident: "i".to_owned(),
        attempt: 1,
        source_version: "c".to_owned(),
        targets: if targeted { vec![ADDRESSES[0].to_owned()] } else { Vec::new() },
        drift: gone
            .into_iter()
            .map(|address| Drift { address: address.to_owned(), actions: vec!["delete".to_owned()] })
            .collect(),
        changes: changes.into_iter().flatten().collect(),
        state: StateRef { serial, known, modified: Some(Time(i64::MAX)) },
        ..Summary::default()
    })
}

fn a_policy() -> impl Strategy<Value = RecoveryPolicySpec> {
    let unexplained = prop::sample::select(vec![Unexplained::Target, Unexplained::Ask, Unexplained::Refuse]);
    let approval = prop::sample::select(vec![
        json!(null),
        json!({"mode": "Never"}),
        json!({"mode": "Always"}),
        json!({"mode": "Always", "approvers": 2}),
        json!({"mode": "When", "when": ["size(plan.changes) > 1"]}),
        json!({"mode": "When", "when": ["plan.nothing == 1"]}),
    ]);
    let windows =
        prop::sample::select(vec![json!([]), json!([{"deny": {"from": "00:00", "to": "01:00", "timeZone": "UTC"}}])]);
    (any::<bool>(), unexplained, 1_u32..5, approval, windows).prop_map(
        |(enforce, unexplained, max, approval, windows)| {
            let mut policy: RecoveryPolicySpec = serde_json::from_value(json!({
                "mode": if enforce { "Enforce" } else { "Observe" },
                "match": {"resourceTypes": ["dynamodb"]},
                "recovery": {"workspaces": []},
                "approval": approval,
                "windows": windows,
            }))
            .expect("a policy");
            policy.plan.unexplained = unexplained;
            policy.plan.max_changes = max;
            policy
        },
    )
}

fn an_incident() -> impl Strategy<Value = IncidentSpec> {
    let decision = prop::sample::select(vec![Decision::Approve, Decision::Approve, Decision::Deny]);
    let digest = prop::sample::select(vec![DIGEST, "old"]);
    let who = prop::sample::select(vec!["ann", "ben", "cleo"]);
    let change = prop::sample::select(vec!["Deleted", "Stopped", "Modified"]);
    let approvals = prop::collection::vec((who, decision, digest), 0..4);
    (change, approvals).prop_map(|(change, approvals)| {
        let mut spec: IncidentSpec = serde_json::from_value(json!({
            "event": {"id": "e", "time": "2026-01-02T03:04:05Z", "name": "DeleteTable", "source": "s", "accountId": "1",
                "region": "r", "actor": {"type": "AWSService"}},
            "resource": {"type": "dynamodb", "cloudFormationType": "AWS::DynamoDB::Table", "id": "orders"},
            "change": change, "policyRef": {"name": "p"}
        }))
        .expect("a spec");
        spec.approvals = approvals
            .into_iter()
            .map(|(by, decision, digest)| Approval {
                by: by.to_owned(),
                decision,
                change_digest: digest.to_owned(),
                reason: None,
            })
            .collect();
        spec
    })
}

fn a_world() -> impl Strategy<Value = World> {
    let limits = (any::<bool>(), any::<bool>()).prop_map(|(ask, busy)| Held {
        ask: ask.then(|| "a storm".to_owned()).into_iter().collect(),
        busy: busy.then(|| "full".to_owned()),
        ..Held::default()
    });
    let attribution = prop::sample::select(vec![
        Attribution::Known,
        Attribution::Several,
        Attribution::Awaited(Time(9)),
        Attribution::Nobody,
    ]);
    let unlisted = prop::sample::select(vec![0, 0, 18]);
    (a_summary(), a_policy(), an_incident(), limits, attribution, unlisted, any::<[bool; 4]>()).prop_map(
        |(summary, policy, incident, limits, attribution, unlisted, [containment, unchecked, stopped, unknown])| {
            World { summary, policy, incident, limits, containment, unchecked, stopped, unknown, unlisted, attribution }
        },
    )
}

fn removes(world: &World, change: &PlanChange) -> bool {
    let attachment = change.r#type == ATTACHMENT;
    change.deletes() && !(change.creates() && (attachment || world.summary.is_gone(&change.address)))
}

fn said(world: &World, decision: Decision) -> BTreeSet<&str> {
    let on_it = |a: &&Approval| a.decision == decision && a.change_digest == DIGEST;
    world.incident.approvals.iter().filter(on_it).map(|a| a.by.as_str()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_goes_destroys_nothing(world in a_world()) {
        if matches!(world.judge(), Gate::Go(_)) {
            prop_assert!(!world.summary.changes.iter().any(|c| removes(&world, c)));
        }
    }

    #[test]
    fn what_goes_makes_no_access_key_and_runs_into_nobody_elses_apply(world in a_world()) {
        if matches!(world.judge(), Gate::Go(_)) {
            prop_assert!(!world.summary.changes.iter().any(|c| c.r#type == "aws_iam_access_key"));
            prop_assert!(!world.summary.state.moved_since(world.incident.event.time));
        }
    }

    #[test]
    fn what_goes_by_itself_is_explained_bounded_and_enforced(world in a_world()) {
        if world.judge() == Gate::Go(Cleared::ByPolicy) {
            let own = [ADDRESSES[0].to_owned()];
            prop_assert!(gate::unexplained(&world.summary, &own).is_empty());
            prop_assert!(world.summary.changes.len() <= world.policy.plan.max_changes as usize);
            prop_assert_eq!(world.policy.mode, Mode::Enforce);
            prop_assert!(!world.containment && !world.stopped && !world.unknown && world.limits.ask.is_empty());
            prop_assert_eq!(world.attribution, Attribution::Known);
        }
    }

    #[test]
    fn a_resource_that_is_not_listed_whole_is_not_put_back_in_part(world in a_world()) {
        if world.unlisted > 0 {
            let answer = world.judge();
            prop_assert!(!matches!(answer, Gate::PlanAgain { .. }), "{:?}", answer);
        }
    }

    #[test]
    fn what_goes_by_people_has_as_many_of_them_as_the_policy_wants(world in a_world()) {
        if let Gate::Go(Cleared::ByHumans(by)) = world.judge() {
            let approved = said(&world, Decision::Approve);
            prop_assert!(by.iter().all(|b| approved.contains(b.as_str())));
            prop_assert!(by.len() >= gate::rules(&world.policy).approvers as usize);
            prop_assert!(!world.unchecked, "no approval counts while nobody checks who gives it");
        }
    }

    #[test]
    fn a_denial_of_this_plan_is_final(world in a_world()) {
        if !said(&world, Decision::Deny).is_empty() {
            let answer = world.judge();
            prop_assert!(matches!(answer, Gate::Denied { .. }), "{:?}", answer);
        }
    }

    #[test]
    fn nothing_goes_outside_of_its_window_or_into_a_full_house(world in a_world()) {
        if matches!(world.judge(), Gate::Go(_)) {
            prop_assert!(world.policy.windows.is_empty() && world.limits.busy.is_none());
        }
    }

    #[test]
    fn the_order_of_a_plan_does_not_matter(world in a_world()) {
        let mut turned = world.clone();
        turned.summary.changes.reverse();
        let kind = |gate: &Gate| gate.record().decision;
        prop_assert_eq!(kind(&world.judge()), kind(&turned.judge()));
    }

    #[test]
    fn a_stranger_in_the_plan_never_makes_it_go_by_itself(world in a_world(), stranger in a_change("aws_iam_role.admin")) {
        let mut more = world.clone();
        more.summary.changes.push(stranger);
        if world.judge() != Gate::Go(Cleared::ByPolicy) {
            prop_assert_ne!(more.judge(), Gate::Go(Cleared::ByPolicy));
        }
    }
}
