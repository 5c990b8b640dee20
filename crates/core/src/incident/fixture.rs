//! An Incident for tests: a table that is lost, its plan, and people who may decide.

use reforge_api::{
    Actor, Approval, BuildKind, BuildRef, Decision, Evidence, IncidentStatus, Origin, Plan, RecoveryPolicySpec,
    StepName, Time, WorkspaceRef, condition,
};
use serde_json::json;

use crate::plan::build::{BuildState, BuildStatus};
use crate::plan::summary::{PlanChange, PlanDigest, Summary};
use crate::policy::limits::Ledger;
use crate::policy::reserve::Reservations;

use super::builds::build_ref;
use super::step::gate::renew;
use super::transition::want;
use super::view::{AtGate, PolicyState, Seen, View};

/// An Incident that is new in this step; its policy lets everything go by itself.
pub fn view(step: StepName) -> View {
    let spec = json!({
        "event": {"id": "e", "time": "1970-01-01T00:00:00Z", "name": "DeleteTable", "source": "s", "accountId": "1",
            "region": "r", "actor": {"type": "AWSService"}},
        "resource": {"type": "dynamodb", "cloudFormationType": "AWS::DynamoDB::Table", "id": "orders"},
        "change": "Deleted", "policyRef": {"name": "p"}
    });
    let policy = json!({
        "mode": "Enforce", "match": {"resourceTypes": ["dynamodb"]}, "approval": {"mode": "Never"},
        "recovery": {"workspaces": [{"name": "shop", "project": "apply", "planProject": "plan"}], "maxAttempts": 2}
    });
    let mut status = IncidentStatus::default();
    status.timeline.detected_at = Some(Time(0));
    status.step.attempt = 1;
    status.step.name = step;
    status.workspace = Some(WorkspaceRef {
        name: "shop".into(),
        backend: "b/k".into(),
        addresses: vec!["t.a".into()],
        addresses_unlisted: 0,
    });
    let policy = PolicyState::Stands {
        uid: "u".into(),
        generation: 1,
        spec: Box::new(serde_json::from_value(policy).expect("a policy")),
    };
    View::alone("i", serde_json::from_value(spec).expect("a spec"), status, policy, Time(1_000_000))
}

/// One with a plan that makes these addresses again, looked at by the gate.
pub fn planned(step: StepName, addresses: &[&str]) -> View {
    let mut view = view(step);
    let change = |address: &&str| PlanChange {
        address: (*address).to_owned(),
        r#type: "t".into(),
        actions: vec!["create".into()],
        attributes: vec!["name".into()],
        references: std::collections::BTreeMap::default(),
        value_hash: String::new(),
    };
    let changes = addresses.iter().map(change).collect();
    let summary = Summary { source_version: "commit".into(), changes, ..Summary::default() };
    let digest = PlanDigest::of(b"summary");
    let plan = Plan {
        build: "plan:1".into(),
        digest: digest.to_string(),
        change_digest: summary.change_digest("u", 1),
        source_version: summary.source_version.clone(),
        policy_generation: 1,
        policy_uid: "u".into(),
        targets: Vec::new(),
        restores_data: false,
        changes_total: 1,
        changes: Vec::new(),
        unexplained: Vec::new(),
    };
    renew(&mut view.status, None, &plan);
    view.status.plan = Some(plan);
    view.status.timeline.planned_at = Some(Time(900_000));
    if step == StepName::Apply {
        view.status.recovery.committed_to = Some(digest.to_string());
        want(&mut view.status, BuildKind::Apply, Vec::new(), Time(950_000));
    }
    view.seen = Seen::AtGate(Box::new(AtGate {
        summary,
        digest,
        covered: false,
        judged_again: None,
        unchecked: None,
        ledger: Ledger::default(),
        opened: Vec::new(),
        applying: 0,
        reserved: Reservations::default(),
    }));
    view
}

/// What another source told of the same change.
pub fn report(origin: Origin) -> Evidence {
    Evidence {
        time: Time(1000),
        origin,
        id: "r".into(),
        name: "DeleteTable".into(),
        source: "s".into(),
        actor: Actor::default(),
        incident: "n/r".into(),
    }
}

/// The policy, to be changed.
pub fn policy(view: &mut View) -> &mut RecoveryPolicySpec {
    let PolicyState::Stands { spec, .. } = &mut view.policy else { panic!("it stands") };
    spec
}

/// Somebody decides on the plan.
pub fn decides(view: &mut View, by: &str, decision: Decision) {
    let change_digest = view.status.plan.as_ref().expect("a plan").change_digest.clone();
    view.spec.approvals.push(Approval { by: by.into(), decision, change_digest, reason: None });
}

/// What Ready says: the reason and the message.
pub fn ready(status: &IncidentStatus) -> (&str, &str) {
    let ready = status.conditions.iter().find(|c| c.r#type == condition::READY).expect("it says");
    (&ready.reason, &ready.message)
}

/// A build of the Incident that runs.
pub fn running(kind: BuildKind) -> BuildRef {
    let state = BuildState { id: "p:1".into(), status: BuildStatus::InProgress, ..BuildState::default() };
    build_ref(kind, &state)
}
