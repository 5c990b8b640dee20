use reforge_api::{BuildRef, Condition, ConditionStatus};
use serde_json::json;

use super::*;

fn incident(name: &str, origin: &str, seconds: i64) -> Incident {
    let actor = if origin == "CloudTrail" { json!({"type": "IAMUser", "arn": "mallory"}) } else { json!({}) };
    let spec = json!({
        "event": {"origin": origin, "id": name, "time": Time(seconds * 1000).to_string(), "name": "TerminateInstances",
            "source": "ec2.amazonaws.com", "accountId": "111122223333", "region": "eu-west-1", "actor": actor},
        "resource": {"type": "ec2", "cloudFormationType": "AWS::EC2::Instance", "id": "i-1"},
        "change": "Deleted", "policyRef": {"name": "p"},
    });
    let mut incident = Incident::new(name, serde_json::from_value(spec).unwrap());
    incident.metadata.namespace = Some("shop".into());
    incident.metadata.uid = Some(name.into());
    let created = k8s_openapi::jiff::Timestamp::from_second(seconds + 1).unwrap();
    incident.metadata.creation_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(created));
    incident
}

fn having_ended(mut incident: Incident, why: &str, phase: Phase, at: i64) -> Incident {
    let mut status = IncidentStatus { phase, ..IncidentStatus::default() };
    status.step.name = StepName::Ended;
    status.timeline.ended_at = Some(Time(at * 1000));
    status.conditions.push(Condition {
        r#type: condition::READY.into(),
        status: ConditionStatus::True,
        reason: why.into(),
        message: String::new(),
        last_transition_time: Time(0),
        observed_generation: None,
    });
    incident.status = Some(status);
    incident
}

#[test]
fn the_record_of_what_was_told_of_is_the_younger_ones_and_its_evidence() {
    let (told, record) = (incident("a", "StateChange", 100), incident("b", "CloudTrail", 160));
    assert_eq!(elder(&record, [&told, &record].into_iter()), Some("shop/a".to_owned()));
    assert_eq!(elder(&told, [&told, &record].into_iter()), None);
    let (found, total) = evidence(&told, [&told, &record].into_iter());
    assert_eq!((found[0].actor.arn.as_deref(), total), (Some("mallory"), 1));
    let judged = told.spec.with_evidence(&found);
    assert_eq!((judged.event.actor.arn.as_deref(), judged.event.id.as_str()), (Some("mallory"), "a"));
}

#[test]
fn what_is_not_the_same_change_is_no_duplicate() {
    let me = incident("b", "CloudTrail", 160);
    let same_source = incident("a", "CloudTrail", 100);
    let long_ago = incident("a", "StateChange", 160 - RECORD_COMES - 1);
    let mut elsewhere = incident("a", "StateChange", 100);
    elsewhere.spec.event.region = "us-east-1".into();
    let mut others_policy = incident("a", "StateChange", 100);
    others_policy.spec.policy_ref.name = "q".into();
    let mut stopped = incident("a", "StateChange", 100);
    stopped.spec.change = reforge_api::Change::Stopped;
    for other in [same_source, long_ago, elsewhere, others_policy, stopped] {
        assert_eq!(elder(&me, [&other].into_iter()), None, "{other:?}");
    }
    let told = incident("a", "StateChange", 100);
    let much_later = incident("b", "CloudTrail", 100 + RECORD_COMES + 1);
    assert!(evidence(&told, [&much_later].into_iter()).0.is_empty(), "nor the other way round");
    assert_eq!(elder(&much_later, [&told].into_iter()), None);
}

#[test]
fn a_notice_takes_one_records_place_and_no_second_ones() {
    let (told, first, second) =
        (incident("a", "StateChange", 100), incident("b", "CloudTrail", 150), incident("c", "CloudTrail", 160));
    let all = [&told, &first, &second];
    assert_eq!(elder(&first, all.into_iter()), Some("shop/a".to_owned()));
    assert_eq!(elder(&second, all.into_iter()), None, "it goes on by itself");
    let (found, _) = evidence(&told, all.into_iter());
    assert!(has_record(&found) && Evidence::only_record(&found).is_none(), "nobody can tell which of the two it was");
    assert_eq!(told.spec.with_evidence(&found), told.spec);
}

#[test]
fn an_incident_that_stands_for_nothing_takes_nobodys_place() {
    let me = incident("b", "CloudTrail", 160);
    let of = |why, phase, at| {
        let told = having_ended(incident("a", "StateChange", 100), why, phase, at);
        elder(&me, [&told].into_iter()).is_some()
    };
    assert!(of(reason::VERIFIED, Phase::Recovered, 200), "it put back what this is about");
    assert!(!of(reason::VERIFIED, Phase::Recovered, 150), "it was put back before, and is gone again");
    assert!(!of(reason::DUPLICATE, Phase::Dismissed, 200));
    assert!(!of(reason::APPROVAL_EXPIRED, Phase::Failed, 200));
}

#[test]
fn who_made_an_earlier_change_is_no_evidence_for_this_one() {
    let me = incident("b", "StateChange", 160);
    let count = |other: &Incident| evidence(&me, [other].into_iter()).0.len();
    let record = || incident("a", "CloudTrail", 100);
    assert_eq!(count(&having_ended(record(), reason::VERIFIED, Phase::Recovered, 150)), 0);
    assert_eq!(count(&having_ended(record(), reason::VERIFIED, Phase::Recovered, 200)), 1);
    assert_eq!(count(&record()), 1);
    let mut drift = me.clone();
    drift.spec.event.origin = Origin::Drift;
    assert!(evidence(&drift, [&record()].into_iter()).0.is_empty(), "it may be of any time");
}

#[test]
fn one_event_in_two_namespaces_goes_on_once() {
    let elder_one = incident("a", "CloudTrail", 100);
    let mut other = incident("a", "CloudTrail", 100);
    other.metadata.namespace = Some("zoo".into());
    other.metadata.uid = Some("z".into());
    assert_eq!(elder(&other, [&elder_one].into_iter()), Some("shop/a".to_owned()));
    assert_eq!(elder(&elder_one, [&other].into_iter()), None);
}

#[test]
fn what_an_apply_of_ours_may_have_done_is_known_by_its_time_and_state() {
    let told = incident("a", "StateChange", 1000).spec;
    let workspace = |backend: &str, address: &str| WorkspaceRef {
        name: "w".into(),
        backend: backend.into(),
        addresses: vec![address.into()],
        addresses_unlisted: 0,
    };
    let plan = serde_json::json!({"build": "p:0", "digest": "", "changeDigest": "", "sourceVersion": "c", "policyGeneration": 1,
        "policyUid": "u", "changesTotal": 1, "changes": [{"address": "aws_x.a", "type": "aws_x", "actions": ["update"]}]});
    let mut status = IncidentStatus {
        workspace: Some(workspace("b/k", "aws_x.other")),
        plan: serde_json::from_value(plan).unwrap(),
        ..IncidentStatus::default()
    };
    status.recovery.builds.push(BuildRef {
        kind: BuildKind::Apply,
        id: "p:1".into(),
        url: None,
        status: "SUCCEEDED".into(),
        start: Some(Time(990_000)),
        end: Some(Time(1_010_000)),
    });
    let of =
        |spec: &IncidentSpec, backend: &str| own_build(spec, &workspace(backend, "aws_x.a"), [&status].into_iter());
    assert_eq!(of(&told, "b/k"), Some("p:1".to_owned()));
    assert_eq!(of(&told, "b/other"), None);
    assert_eq!(of(&incident("a", "StateChange", 2000).spec, "b/k"), None);
    assert_eq!(of(&incident("a", "Config", 1500).spec, "b/k"), Some("p:1".to_owned()));
    assert_eq!(of(&incident("a", "CloudTrail", 1000).spec, "b/k"), None, "a record says who did it");
    let elsewhere = own_build(&told, &workspace("b/k", "aws_x.b"), [&status].into_iter());
    assert_eq!(elsewhere, None, "it had nothing to do with the resource");
    status.plan.as_mut().expect("a plan").changes_total = 33;
    let elsewhere = own_build(&told, &workspace("b/k", "aws_x.b"), [&status].into_iter());
    assert_eq!(elsewhere, Some("p:1".to_owned()), "nobody can tell of a plan that is not shown whole");
}

#[test]
fn a_record_is_kept_however_many_other_reports_there_are() {
    let mut me = incident("a", "StateChange", 100);
    let reports: Vec<Incident> = (0..20).map(|i| incident(&format!("c{i:02}"), "Config", 101 + i)).collect();
    let (known, evidence_total) = evidence(&me, reports.iter());
    assert_eq!((known.len(), evidence_total), (MAX_EVIDENCE, 20));
    me.status = Some(IncidentStatus { evidence: known, evidence_total, ..IncidentStatus::default() });
    let record = incident("r", "CloudTrail", 160);
    let (found, total) = evidence(&me, reports.iter().chain([&record]));
    assert_eq!((found.len(), total), (MAX_EVIDENCE, 21));
    assert!(has_record(&found), "it says who did it");
}
