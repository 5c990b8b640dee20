use reforge_api::{BuildKind, BuildRef, Condition, ConditionStatus, Phase, StepName, condition, reason};
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

/// What the index says of one among these.
fn asked<T>(me: &Incident, all: &[&Incident], question: impl FnOnce(&Index, &Row) -> T) -> T {
    let mut index = Index::default();
    for one in all {
        index.put(Row::from(*one));
    }
    question(&index, &Row::from(me))
}

fn elder(me: &Incident, all: &[&Incident]) -> Option<String> {
    asked(me, all, super::elder).map(|id| id.to_string())
}

fn evidence(me: &Incident, all: &[&Incident]) -> (Vec<Evidence>, u32) {
    let status = me.status.clone().unwrap_or_default();
    let (fresh, total) = asked(me, all, |index, row| reports(index, row, &status.evidence));
    let named = |id: &Id| all.iter().find(|one| Id::of(**one) == *id).copied().expect("it is there");
    super::evidence(&status, fresh.iter().map(named), total)
}

fn having_ended(mut incident: Incident, why: &str, phase: Phase, at: i64) -> Incident {
    let mut status = IncidentStatus { phase, ..IncidentStatus::default() };
    status.step.name = StepName::Ended;
    status.timeline.ended_at = Some(Time(at * 1000));
    let say = |r#type: &str| Condition {
        r#type: r#type.into(),
        status: ConditionStatus::True,
        reason: why.into(),
        message: String::new(),
        last_transition_time: Time(0),
        observed_generation: None,
    };
    status.conditions.push(say(condition::READY));
    match phase {
        Phase::Recovered => status.conditions.push(say(condition::RECOVERED)),
        Phase::Failed => status.conditions.push(say(condition::STALLED)),
        _ => status.duplicate_of = (why == reason::DUPLICATE).then(|| "shop/elder".to_owned()),
    }
    incident.status = Some(status);
    incident
}

#[test]
fn the_record_of_what_was_told_of_is_the_younger_ones_and_its_evidence() {
    let (told, record) = (incident("a", "StateChange", 100), incident("b", "CloudTrail", 160));
    assert_eq!(elder(&record, &[&told, &record]), Some("shop/a".to_owned()));
    assert_eq!(elder(&told, &[&told, &record]), None);
    let (found, total) = evidence(&told, &[&told, &record]);
    assert_eq!((found[0].actor.arn.as_deref(), total), (Some("mallory"), 1));
    let judged = told.spec.with_evidence(&found);
    assert_eq!((judged.event.actor.arn.as_deref(), judged.event.id.as_str()), (Some("mallory"), "a"));
}

#[test]
fn of_two_of_the_same_second_one_goes_on_whichever_was_known_first() {
    let mut two = [incident("a", "StateChange", 100), incident("b", "CloudTrail", 100)];
    for first in 0..2 {
        let second = 1 - first;
        assert_eq!(elder(&two[first], &[&two[first]]), None, "nobody knows of another yet");
        let mut begun = IncidentStatus::default();
        begun.step.name = StepName::Settle;
        two[first].status = Some(begun.clone());
        let goes_on = |i: usize| {
            let status = two[i].status.clone().unwrap_or_default();
            !may_give_way(&status) || elder(&two[i], &[&two[0], &two[1]]).is_none()
        };
        assert_eq!([goes_on(first), goes_on(second)].iter().filter(|goes| **goes).count(), 1);
        two[first].status = None;
    }
}

#[test]
fn who_has_a_build_under_way_or_is_cleared_gives_way_to_nobody_any_more() {
    let mut status = IncidentStatus::default();
    let mut gives_way = |step, tries| {
        status.step.name = step;
        super::super::transition::want(&mut status, BuildKind::Plan, Vec::new(), Time(0));
        status.recovery.intent.as_mut().expect("it is wanted").tries = tries;
        may_give_way(&status)
    };
    assert!(gives_way(StepName::Plan, 0) && gives_way(StepName::Gate, 0));
    assert!(!gives_way(StepName::Plan, 1) && !gives_way(StepName::Apply, 0));
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
        assert_eq!(elder(&me, &[&other]), None, "{other:?}");
    }
    let told = incident("a", "StateChange", 100);
    let much_later = incident("b", "CloudTrail", 100 + RECORD_COMES + 1);
    assert!(evidence(&told, &[&much_later]).0.is_empty(), "nor the other way round");
    assert_eq!(elder(&much_later, &[&told]), None);
}

#[test]
fn a_notice_takes_one_records_place_and_no_second_ones() {
    let (told, first, second) =
        (incident("a", "StateChange", 100), incident("b", "CloudTrail", 150), incident("c", "CloudTrail", 160));
    let all = [&told, &first, &second];
    assert_eq!(elder(&first, &all), Some("shop/a".to_owned()));
    assert_eq!(elder(&second, &all), None, "it goes on by itself");
    let (found, _) = evidence(&told, &all);
    assert!(has_record(&found) && Evidence::only_record(&found).is_none(), "nobody can tell which of the two it was");
    assert_eq!(told.spec.with_evidence(&found), told.spec);
}

#[test]
fn an_incident_that_stands_for_nothing_takes_nobodys_place() {
    let me = incident("b", "CloudTrail", 160);
    let of = |why, phase, at| {
        let told = having_ended(incident("a", "StateChange", 100), why, phase, at);
        elder(&me, &[&told]).is_some()
    };
    assert!(of(reason::VERIFIED, Phase::Recovered, 200), "it put back what this is about");
    assert!(!of(reason::VERIFIED, Phase::Recovered, 150), "it was put back before, and is gone again");
    let mut planned_before = having_ended(incident("a", "StateChange", 100), reason::VERIFIED, Phase::Recovered, 200);
    for (planned, stands) in [(159, false), (160, true)] {
        planned_before.status.as_mut().expect("it ended").timeline.planned_at = Some(Time(planned * 1000));
        assert_eq!(elder(&me, &[&planned_before]).is_some(), stands, "planned at {planned} s");
    }
    assert!(!of(reason::DUPLICATE, Phase::Dismissed, 200));
    assert!(!of(reason::APPROVAL_EXPIRED, Phase::Failed, 200));
}

#[test]
fn who_made_an_earlier_change_is_no_evidence_for_this_one() {
    let me = incident("b", "StateChange", 160);
    let count = |other: &Incident| evidence(&me, &[other]).0.len();
    let record = || incident("a", "CloudTrail", 100);
    assert_eq!(count(&having_ended(record(), reason::VERIFIED, Phase::Recovered, 150)), 0);
    assert_eq!(count(&having_ended(record(), reason::VERIFIED, Phase::Recovered, 200)), 1);
    assert_eq!(count(&record()), 1);
    let mut drift = me.clone();
    drift.spec.event.origin = Origin::Drift;
    assert!(evidence(&drift, &[&record()]).0.is_empty(), "it may be of any time");
}

#[test]
fn one_event_in_two_namespaces_goes_on_once() {
    let elder_one = incident("a", "CloudTrail", 100);
    let mut other = incident("a", "CloudTrail", 100);
    other.metadata.namespace = Some("zoo".into());
    other.metadata.uid = Some("z".into());
    assert_eq!(elder(&other, &[&elder_one]), Some("shop/a".to_owned()));
    assert_eq!(elder(&elder_one, &[&other]), None);
    other.spec.event.id = "another".into();
    assert_eq!(elder(&other, &[&elder_one]), None, "another event");
}

#[test]
fn an_alert_is_about_something_else_than_a_recovery() {
    let (mut alert, record) = (incident("a", "StateChange", 100), incident("b", "CloudTrail", 160));
    assert!(elder(&record, &[&alert]).is_some());
    alert.spec.handling = Handling::Alert;
    assert_eq!(elder(&record, &[&alert]), None);
}

#[test]
fn a_record_of_another_change_takes_no_notices_place() {
    let (told, record) = (incident("a", "StateChange", 100), incident("b", "CloudTrail", 160));
    let mut stopped = incident("c", "CloudTrail", 120);
    stopped.spec.change = reforge_api::Change::Stopped;
    assert_eq!(elder(&record, &[&told, &stopped, &record]), Some("shop/a".to_owned()));
}

#[test]
fn a_record_that_came_later_is_judged_once() {
    use crate::incident::fixture::report;
    let (told, recorded) = (incident("a", "StateChange", 100).spec, incident("b", "CloudTrail", 100).spec);
    let (record, notice) = (report(Origin::CloudTrail), report(Origin::Config));
    assert!(has_record(&[notice.clone(), record.clone()]) && !has_record(std::slice::from_ref(&notice)));
    let mut status = IncidentStatus::default();
    assert!(has_unjudged_record(&status, &told, std::slice::from_ref(&record)));
    assert!(!has_unjudged_record(&status, &told, &[notice]), "it does not say who did it");
    assert!(!has_unjudged_record(&status, &recorded, std::slice::from_ref(&record)), "it was known who did it");
    assert!(!has_unjudged_record(&status, &told, &[record.clone(), record.clone()]), "nobody can tell which");
    let verdict = |record: &str| json!({"verdict": "Failure", "confidencePercent": 90, "by": "Rules", "record": record, "reason": "x"});
    for (judged, again) in [("r", false), ("another", true)] {
        status.classification = Some(serde_json::from_value(verdict(judged)).unwrap());
        assert_eq!(has_unjudged_record(&status, &told, std::slice::from_ref(&record)), again, "{judged}");
    }
}

#[test]
fn what_an_apply_of_ours_may_have_done_is_known_by_its_time_and_state() {
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
    let mut worker = incident("w", "CloudTrail", 900);
    worker.status = Some(status);
    let at = |me: &Incident, workspace: &WorkspaceRef| {
        asked(me, &[&worker], |index, row| own_build(index, row, workspace)).map(|(id, build)| {
            assert_eq!(build, Key::of_build("p:1"));
            id.to_string()
        })
    };
    let of =
        |origin: &str, seconds: i64, backend: &str| at(&incident("a", origin, seconds), &workspace(backend, "aws_x.a"));
    assert_eq!(of("StateChange", 1000, "b/k"), Some("shop/w".to_owned()));
    assert_eq!(of("StateChange", 1000, "b/other"), None);
    assert_eq!(of("StateChange", 2000, "b/k"), None);
    assert_eq!(of("Config", 1500, "b/k"), Some("shop/w".to_owned()));
    assert_eq!(of("CloudTrail", 1000, "b/k"), None, "a record says who did it");
    let elsewhere = at(&incident("a", "StateChange", 1000), &workspace("b/k", "aws_x.b"));
    assert_eq!(elsewhere, None, "it had nothing to do with the resource");
    worker.status.as_mut().and_then(|s| s.plan.as_mut()).expect("a plan").changes_total = 33;
    let at = |workspace: &WorkspaceRef| {
        asked(&incident("a", "StateChange", 1000), &[&worker], |index, row| own_build(index, row, workspace))
    };
    assert!(at(&workspace("b/k", "aws_x.b")).is_some(), "nobody can tell of a plan that is not shown whole");
}

#[test]
fn a_record_is_kept_however_many_other_reports_there_are() {
    let mut me = incident("a", "StateChange", 100);
    let reports: Vec<Incident> = (0..20).map(|i| incident(&format!("c{i:02}"), "Config", 101 + i)).collect();
    let mut all: Vec<&Incident> = reports.iter().collect();
    let (known, evidence_total) = evidence(&me, &all);
    assert_eq!((known.len(), evidence_total), (MAX_EVIDENCE, 20));
    me.status = Some(IncidentStatus { evidence: known, evidence_total, ..IncidentStatus::default() });
    let record = incident("r", "CloudTrail", 160);
    all.push(&record);
    let read =
        asked(&me, &all, |index, row| super::reports(index, row, &me.status.as_ref().expect("it stands").evidence).0);
    assert_eq!(read.iter().map(ToString::to_string).collect::<Vec<_>>(), ["shop/r"], "for others there is no room");
    let (found, total) = evidence(&me, &all);
    assert_eq!((found.len(), total), (MAX_EVIDENCE, 21));
    assert!(has_record(&found), "it says who did it");
}
