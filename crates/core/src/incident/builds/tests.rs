use reforge_api::{Check, Data, IncidentStatus, Phase, StepName, Verification, WorkspaceRef, condition};
use serde_json::json;

use crate::incident::decide::decide;
use crate::incident::view::PolicyState;

use super::*;

/// An Incident whose apply build has ended like this.
fn view(ended: BuildState) -> View {
    let spec = json!({
        "event": {"id": "e", "time": "2026-01-02T03:04:05Z", "name": "DeleteTable", "source": "s", "accountId": "1",
            "region": "r", "actor": {"type": "AWSService"}},
        "resource": {"type": "dynamodb", "cloudFormationType": "AWS::DynamoDB::Table", "id": "orders"},
        "change": "Deleted", "policyRef": {"name": "p"}
    });
    let policy = json!({
        "mode": "Enforce", "match": {"resourceTypes": ["dynamodb"]},
        "recovery": {"workspaces": [{"name": "shop", "project": "apply", "planProject": "plan"}], "maxAttempts": 2}
    });
    let mut status = IncidentStatus::default();
    status.timeline.detected_at = Some(Time(0));
    status.step.attempt = 1;
    status.step.name = StepName::Apply;
    let workspace = WorkspaceRef { name: "shop".into(), backend: "b/k".into(), addresses: vec!["t.a".into()] };
    status.workspace = Some(workspace);
    record_build(&mut status, build_ref(BuildKind::Apply, &ended));
    View {
        now: Time(1_000_000),
        created: Time(0),
        generation: 1,
        name: "i".into(),
        namespace: "n".into(),
        spec: serde_json::from_value(spec).expect("a spec"),
        evidence: (Vec::new(), 0),
        elder: None,
        own_build: None,
        status,
        policy: PolicyState::Stands {
            uid: "u".into(),
            generation: 1,
            spec: Box::new(serde_json::from_value(policy).expect("a policy")),
        },
        stateful: true,
        containment: false,
        has_verb: false,
        attachments: Vec::new(),
        identities: Vec::new(),
        hold: None,
        last_successful: None,
        builds_here: Vec::new(),
        seen: Seen::Build(Some(ended)),
    }
}

fn build(status: &str, error: Option<&str>) -> BuildState {
    let error = error.map(str::to_owned);
    BuildState { id: "apply:1".into(), status: status.into(), error, ..BuildState::default() }
}

fn ready(status: &IncidentStatus) -> (&str, &str) {
    let ready = status.conditions.iter().find(|c| c.r#type == condition::READY).expect("it says");
    (&ready.reason, &ready.message)
}

#[test]
fn each_way_of_failing_has_its_reason_and_its_next_step() {
    for (status, error, why, counts) in [
        ("FAILED", Some("ApplyFailed"), reason::BUILD_FAILED, true),
        ("FAILED", Some("Throttled"), reason::THROTTLED, true),
        ("FAULT", None, reason::BUILD_FAILED, true),
        ("TIMED_OUT", None, reason::BUILD_TIMED_OUT, true),
        ("STOPPED", None, reason::BUILD_STOPPED, true),
        ("FAILED", Some("StateLocked"), reason::STATE_LOCKED, false),
        ("FAILED", Some("StalePlan"), reason::PLAN_STALE, false),
    ] {
        let view = view(build(status, error));
        let step = decide(&view);
        assert_eq!(ready(&step.status).0, why, "{status} {error:?}");
        assert_eq!(step.status.recovery.failures, u32::from(counts), "{why}");
        assert_eq!((step.status.step.name, step.status.step.attempt), (StepName::Plan, 2), "{why}");
        assert!(step.effects.contains(&Effect::ReleaseWorkspace), "{why}");
    }
}

#[test]
fn a_plan_that_somebody_changed_is_refused_and_not_planned_again() {
    let step = decide(&view(build("FAILED", Some("DigestMismatch"))));
    assert_eq!((step.status.phase, ready(&step.status).0), (Phase::Failed, reason::REFUSED));
}

#[test]
fn a_lock_that_an_ended_build_of_ours_left_is_shown_with_the_command_that_frees_it() {
    let lock = Lock {
        id: "4711".into(),
        operation: "OperationTypeApply".into(),
        who: "root@build".into(),
        created: "1970-01-01 00:00:05.123456789 +0000 UTC".into(),
    };
    let mut locked = build("FAILED", Some("StateLocked"));
    locked.failure = Some(Box::new(Failure { said: String::new(), lock: Some(lock) }));
    let mut view = view(locked);
    let step = decide(&view);
    assert!(ready(&step.status).1.contains("root@build") && !ready(&step.status).1.contains("force-unlock"));
    view.builds_here = vec![BuildRef {
        kind: BuildKind::Apply,
        id: "apply:0".into(),
        url: None,
        status: "STOPPED".into(),
        start: Some(Time(1000)),
        end: Some(Time(9000)),
    }];
    let step = decide(&view);
    let said = ready(&step.status).1;
    assert!(said.contains("apply:0") && said.contains("terraform force-unlock 4711"), "{said}");
}

#[test]
fn what_takes_aws_long_is_asked_for_seldomer() {
    let wakes = |view: &mut View, since: Option<Time>| {
        view.status.timeline.classified_at = since;
        view.status.timeline.planned_at = since;
        [1, 60, 200].map(|seconds| {
            view.now = Time(seconds * 1000);
            decide(view).wake
        })
    };
    let mut view = view(build("SUCCEEDED", None));
    view.status.recovery.build = None;
    view.status.step.name = StepName::Settle;
    view.seen = Seen::Settling(Some("table orders is DELETING".into()));
    let growing = [Some(1_000), Some(6_000), Some(15_000)];
    assert_eq!(wakes(&mut view, Some(Time(0))), growing);
    view.status.step.name = StepName::Verify;
    let check = Check { name: "table is ACTIVE".into(), passed: false, detail: "CREATING".into() };
    view.seen = Seen::Verified(Verification { checks: vec![check], new_id: None, new_arn: None, data: Data::Empty });
    assert_eq!(wakes(&mut view, Some(Time(0))), growing);
}
