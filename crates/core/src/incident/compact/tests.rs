use proptest::prelude::*;
use reforge_api::{
    Asked, BuildFailure, Check, Classification, Data, Evidence, GateRecord, Judge, Phase, PlannedChange, SeenApproval,
    StepName, Time, Trouble, Verdict, Verification, WorkspaceRef, reason,
};
use serde_json::json;

use super::*;
use crate::incident::transition::{Ending, end, say};
use crate::index::{How, Row};

const DIGEST: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const URL: &str = "https://eu-west-1.console.aws.amazon.com/codesuite/codebuild/111122223333/projects/shop-recovery/build/shop-recovery%3A0b1c2d3e-0000-4000-8000-000000000000/?region=eu-west-1";

fn incident(parameters: usize) -> Incident {
    let spec = json!({
        "event": {"id": "5f1c7f5e-0000-4000-8000-000000000000", "time": "2026-03-01T12:00:00Z", "name": "DeleteTable",
            "source": "dynamodb.amazonaws.com", "accountId": "111122223333", "region": "eu-west-1",
            "actor": {"type": "AssumedRole", "arn": "arn:aws:sts::111122223333:assumed-role/admin/mallory",
                "issuerArn": "arn:aws:iam::111122223333:role/admin", "sessionName": "mallory", "sourceIp": "192.0.2.7",
                "userAgent": "aws-cli/2.15.0"},
            "requestParameters": "x".repeat(parameters)},
        "resource": {"type": "dynamodb", "cloudFormationType": "AWS::DynamoDB::Table", "id": "orders",
            "arn": "arn:aws:dynamodb:eu-west-1:111122223333:table/orders"},
        "change": "Deleted", "policyRef": {"name": "orders"},
    });
    let mut incident = Incident::new("dynamodb-0123456789abcdef0123", serde_json::from_value(spec).expect("a spec"));
    incident.metadata.namespace = Some("payments".into());
    incident.metadata.uid = Some("5f1c7f5e-0000-4000-8000-000000000000".into());
    incident.metadata.resource_version = Some("1234567".into());
    incident
}

fn build(kind: BuildKind, id: &str, url: &str) -> BuildRef {
    let (start, end) = (Some(Time(1_000)), Some(Time(61_000)));
    BuildRef { kind, id: id.into(), url: Some(url.into()), status: "SUCCEEDED".into(), start, end }
}

/// What ended after `size` of everything that there can be several of, with texts of `text`, and names of `name`.
fn ended(size: usize, text: &str, name: &str) -> IncidentStatus {
    let many = |make: &dyn Fn(usize) -> String| (0..size).map(make).collect::<Vec<_>>();
    let mut status = IncidentStatus { observed_generation: 3, phase: Phase::Recovering, ..IncidentStatus::default() };
    status.step.attempt = 4;
    status.step.name = StepName::Verify;
    status.workspace = Some(WorkspaceRef {
        name: "orders-prod".into(),
        backend: format!("states/{name}"),
        addresses: many(&|i| format!("module.{name}.aws_dynamodb_table.orders[{i}]")),
        addresses_unlisted: 0,
    });
    status.classification = Some(Classification {
        verdict: Verdict::Tampering,
        confidence_percent: 90,
        by: Judge::Bedrock,
        model: Some(name.into()),
        record: Some(name.into()),
        reason: text.into(),
        input_tokens: 900,
        output_tokens: 80,
    });
    let change = |address: &String| PlannedChange {
        address: address.clone(),
        r#type: "aws_dynamodb_table".into(),
        actions: vec!["create".into()],
        attributes: many(&|i| format!("attribute_{i}")),
    };
    let addresses = many(&|i| format!("{name}.{i}"));
    status.plan = Some(Plan {
        build: format!("shop-plan:{name}"),
        digest: DIGEST.into(),
        change_digest: DIGEST.into(),
        source_version: name.into(),
        policy_generation: 2,
        policy_uid: "5f1c7f5e-0000-4000-8000-000000000000".into(),
        targets: addresses.clone(),
        restores_data: false,
        changes_total: u32::try_from(size).expect("it is small"),
        changes: addresses.iter().map(change).collect(),
        unexplained: addresses.clone(),
    });
    let seen = |by: &String| SeenApproval { by: by.clone(), change_digest: DIGEST.into(), at: Time(5) };
    status.approval = Some(Asked {
        change_digest: DIGEST.into(),
        asked_at: Some(Time(4)),
        reminded_at: None,
        expires_at: Some(Time(9)),
        changed: Some(text.into()),
        seen: addresses.iter().map(seen).collect(),
    });
    status.gate = Some(GateRecord { decision: "Go".into(), reasons: many(&|i| format!("{text} {i}")) });
    let report = |i: usize| Evidence {
        time: Time(7),
        origin: if i < 2 { Origin::CloudTrail } else { Origin::Config },
        id: format!("{name}{i}"),
        name: "DeleteTable".into(),
        source: "dynamodb.amazonaws.com".into(),
        actor: Actor { arn: Some(name.into()), user_agent: Some(text.into()), ..Actor::default() },
        incident: format!("payments/{name}"),
    };
    status.evidence = (0..size.min(16)).rev().map(report).collect();
    let recovery = &mut status.recovery;
    recovery.committed_to = Some(DIGEST.into());
    recovery.applied_version = Some(name.into());
    recovery.failures = 2;
    let kind = |i: usize| if i % 2 == 0 { BuildKind::Plan } else { BuildKind::Apply };
    recovery.builds = (0..size * 2).map(|i| build(kind(i), &format!("shop:{name}-{i}"), URL)).collect();
    recovery.build = Some(build(BuildKind::Apply, &format!("shop:{name}"), URL));
    recovery.last_failure =
        Some(BuildFailure { build: format!("shop:{name}"), reason: "ApplyFailed".into(), said: text.into() });
    let check = |i: usize| Check { name: format!("check {i}"), passed: i % 2 == 0, detail: text.into() };
    status.verification = Some(Verification {
        checks: (0..size.min(16)).map(check).collect(),
        new_id: Some(name.into()),
        new_arn: Some(name.into()),
        data: Data::Empty,
    });
    let (class, next_try_time) = (reforge_api::FaultClass::Denied, Time(9));
    status.trouble = Some(Trouble { class, tries: 3, since: Time(8), next_try_time });
    for r#type in [condition::LOCATED, condition::CLASSIFIED, condition::PLANNED, condition::APPROVED] {
        say(&mut status, r#type, ConditionStatus::True, reason::SUCCEEDED, text, Time(5));
    }
    let line = &mut status.timeline;
    for at in [
        &mut line.event_time,
        &mut line.detected_at,
        &mut line.classified_at,
        &mut line.settled_at,
        &mut line.planned_at,
        &mut line.approved_at,
        &mut line.recovering_at,
    ] {
        *at = Some(Time(1_772_366_400_123));
    }
    line.time_to_detect = Some("12s".into());
    end(&mut status, Ending::Recovered, reason::VERIFIED, text, Time(1_772_366_500_123));
    status
}

fn whole(incident: &Incident, status: &IncidentStatus) -> usize {
    bytes(&Incident { status: Some(status.clone()), ..incident.clone() })
}

/// What people look for in what has ended, and what the others ask of it.
fn facts_of(status: &IncidentStatus) -> impl PartialEq + std::fmt::Debug + use<> {
    let ready = status.conditions.iter().find(|c| c.r#type == condition::READY).map(|c| (c.status, c.reason.clone()));
    let plan = status.plan.as_ref().map(|p| (p.digest.clone(), p.source_version.clone(), p.changes_total));
    let build = status.recovery.build.as_ref().map(|b| (b.id.clone(), b.url.clone()));
    let verdict = status.classification.as_ref().map(|c| c.verdict);
    let recovery = (status.recovery.committed_to.clone(), status.recovery.applied_version.clone());
    (status.phase, status.step, status.timeline.clone(), ready, plan, build, verdict, recovery)
}

#[test]
fn what_has_ended_as_most_do_loses_nothing_but_what_the_bucket_has() {
    let mut status = ended(1, "the table orders was deleted by a person", "0a1b2c3d4e5f");
    status.recovery.last_failure = None;
    status.approval = None;
    status.evidence.clear();
    let incident = incident(80);
    let kept = compact(&incident, &status);
    assert!(whole(&incident, &kept) <= MOST, "{} of {}", whole(&incident, &kept), whole(&incident, &status));
    assert_eq!(kept.recovery.builds.len(), 2);
    assert_eq!((kept.gate, kept.verification, kept.workspace), (status.gate, status.verification, status.workspace));
}

#[test]
fn however_much_went_on_four_kilobytes_say_what_happened_what_was_applied_and_why() {
    let incident = incident(80);
    let status = ended(32, &"why ".repeat(500), "0a1b2c3d4e5f");
    let kept = compact(&incident, &status);
    assert!(whole(&incident, &status) > 50_000);
    assert!(whole(&incident, &kept) <= MOST, "{}: {kept:#?}", whole(&incident, &kept));
    assert_eq!(facts_of(&kept), facts_of(&status));
    assert!(kept.gate.is_some_and(|gate| !gate.reasons.is_empty() && gate.reasons[0].starts_with("why")));
    assert!(kept.recovery.last_failure.is_some_and(|failure| failure.said.ends_with("why ")), "its end says the most");
    assert!(kept.verification.is_some_and(|v| !v.checks[0].passed), "what is open goes before what is not");
    assert!(kept.recovery.builds.iter().any(|build| build.kind == BuildKind::Apply));
}

#[test]
fn what_a_call_said_at_length_is_kept_and_the_status_gives_up_all_that_it_can() {
    let incident = incident(8192);
    let status = ended(32, &"why ".repeat(500), "0a1b2c3d4e5f");
    let kept = compact(&incident, &status);
    assert!(bytes(&kept) <= MOST_OF_STATUS);
    assert_eq!(facts_of(&kept), facts_of(&status));
}

#[test]
fn what_is_cut_says_so_to_whoever_decides_on_it() {
    let incident = incident(80);
    let row = |status: IncidentStatus| Row::from(&Incident { status: Some(status), ..incident.clone() });
    let status = ended(32, &"why ".repeat(500), "0a1b2c3d4e5f");
    let (before, after) = (row(status.clone()), row(compact(&incident, &status)));
    let (had, has) = (before.work.expect("it did something"), after.work.expect("it did something"));
    assert!(had.is_shown_whole && !has.is_shown_whole, "it may have changed anything");
    assert_eq!((before.ended, before.actor, before.planned), (after.ended, after.actor, after.planned));
    assert_eq!(after.ended.map(|e| e.how), Some(How::Recovered));
    assert_eq!(had.backend, has.backend);
    assert!(has.builds.iter().any(|build| build.applies && build.succeeded));
    let kept = compact(&incident, &status);
    let records = kept.evidence.iter().filter(|e| e.origin == Origin::CloudTrail).count();
    assert_eq!(records, 2, "nobody could tell which of them it was, and nobody can now");
    let unlisted = kept.workspace.map(|w| w.addresses.len() + w.addresses_unlisted as usize);
    assert_eq!(unlisted, Some(32));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_status_of_what_has_ended_is_bounded_whatever_is_in_it(
        size in 0..33usize,
        text in "[a-z \\n\"ü\u{1}…]{0,2000}",
        name in "[a-z/\"ü\\\\\u{1}]{0,256}",
        parameters in 0..8192usize,
    ) {
        let incident = incident(parameters);
        let status = ended(size, &text, &name);
        let kept = compact(&incident, &status);
        prop_assert!(whole(&incident, &kept) <= MOST || bytes(&kept) <= MOST_OF_STATUS, "{}: {kept:#?}", bytes(&kept));
        prop_assert_eq!((kept.phase, kept.step, &kept.timeline), (status.phase, status.step, &status.timeline));
        prop_assert_eq!(&kept.recovery.committed_to, &status.recovery.committed_to);
        let ready = |s: &IncidentStatus| s.conditions.iter().find(|c| c.r#type == condition::READY).map(|c| c.reason.clone());
        prop_assert_eq!(ready(&kept), ready(&status));
    }
}
