//! Whether two Incidents are about the same change, told by different sources; and whether a build of ours made it. Pure.

use kube::ResourceExt;
use reforge_api::{
    BuildKind, Evidence, Handling, Incident, IncidentSpec, IncidentStatus, Origin, Phase, StepName, Time, WorkspaceRef,
    condition, reason,
};

use super::workspace::Holder;

/// How long a record may come after what another source told, in seconds. CloudTrail delivers within 5 minutes on average
/// and gives no guarantee (CloudTrail User Guide, "How CloudTrail works"); this is three times that.
pub const RECORD_COMES: i64 = 900;
/// How far CloudTrail's whole seconds, EC2's and CodeBuild's clocks may be apart, in seconds.
const CLOCKS: i64 = 60;
/// How long a build may last whose end was never seen, in seconds: CodeBuild's own limit is 8 hours.
const LONGEST_BUILD: i64 = 28_800;
/// The most reports that a status keeps.
const MAX_EVIDENCE: usize = 16;

/// Whether both are about one change. Two reports of one source are two changes; so are those that two policies take; and
/// drift is found long after whatever made it.
fn is_same(a: &Incident, b: &Incident) -> bool {
    let (x, y) = (&a.spec, &b.spec);
    let apart = x.event.time.0.abs_diff(y.event.time.0);
    a.namespace() == b.namespace()
        && x.policy_ref == y.policy_ref
        && is_one_resource(x, y)
        && x.change == y.change
        && x.event.origin != y.event.origin
        && ![x.event.origin, y.event.origin].contains(&Origin::Drift)
        && apart <= RECORD_COMES.unsigned_abs() * 1000
}

/// The very same event, taken in two namespaces.
fn is_twice(a: &Incident, b: &Incident) -> bool {
    a.namespace() != b.namespace() && a.spec.event.id == b.spec.event.id && is_one_resource(&a.spec, &b.spec)
}

fn is_one_resource(a: &IncidentSpec, b: &IncidentSpec) -> bool {
    a.handling == Handling::Recover
        && b.handling == Handling::Recover
        && (&a.resource.r#type, &a.resource.id) == (&b.resource.r#type, &b.resource.id)
        && (&a.event.account_id, &a.event.region) == (&b.event.account_id, &b.event.region)
}

/// The older Incident about the same change, which goes on in place of this one. One that ended before this was reported,
/// or that stands for nothing, is none; and what one record has told of is no other record's change.
pub fn elder<'a>(me: &Incident, others: impl Iterator<Item = &'a Incident> + Clone) -> Option<String> {
    let age = |i: &Incident| (i.creation_timestamp().map(|t| t.0), Holder::of(i).text());
    let older = others.filter(|o| o.uid() != me.uid() && age(o) < age(me));
    let is_record = |i: &Incident| i.spec.event.origin == Origin::CloudTrail;
    let is_taken = |o: &Incident| is_record(me) && older.clone().any(|r| is_record(r) && is_same(o, r));
    let mut elders: Vec<&Incident> = older
        .clone()
        .filter(|o| is_twice(me, o) || (is_same(me, o) && !is_taken(o)))
        .filter(|o| stands(o.status.as_ref(), me.spec.event.time))
        .collect();
    elders.sort_by_key(|o| age(o));
    elders.first().map(|o| Holder::of(o).text())
}

/// Whether an Incident speaks for a change that was reported at that time.
fn stands(status: Option<&IncidentStatus>, at: Time) -> bool {
    let Some(ended) = ended(status) else { return true };
    let because = ended.conditions.iter().find(|c| c.r#type == condition::READY).map(|c| c.reason.as_str());
    goes_until(ended, at) && because != Some(reason::DUPLICATE) && ended.phase != Phase::Failed
}

fn ended(status: Option<&IncidentStatus>) -> Option<&IncidentStatus> {
    status.filter(|s| s.step.name == StepName::Ended)
}

/// Whether what was looked at for it, and so what was put back, was what there was at that time.
fn goes_until(ended: &IncidentStatus, at: Time) -> bool {
    let line = &ended.timeline;
    line.ended_at.is_some_and(|end| end >= at) && line.planned_at.is_none_or(|planned| planned >= at)
}

/// What the others report of the same change, added to what is known; the first of them, and how many there are.
pub fn evidence<'a>(me: &Incident, others: impl Iterator<Item = &'a Incident>) -> (Vec<Evidence>, u32) {
    let known = me.status.as_ref().map(|s| s.evidence.clone()).unwrap_or_default();
    let total = me.status.as_ref().map_or(0, |s| s.evidence_total);
    // What was put back before this was reported was another change, by whoever made that.
    let at = me.spec.event.time;
    let is_now = |o: &&Incident| ended(o.status.as_ref()).is_none_or(|s| goes_until(s, at));
    let more = others.filter(|o| o.uid() != me.uid() && is_same(me, o)).filter(is_now).map(|o| {
        let event = &o.spec.event;
        Evidence {
            time: event.time,
            origin: event.origin,
            id: event.id.clone(),
            name: event.name.clone(),
            source: event.source.clone(),
            actor: event.actor.clone(),
            incident: Holder::of(o).text(),
        }
    });
    let mut fresh: Vec<Evidence> = more.filter(|e| !known.iter().any(|k| k.id == e.id)).collect();
    // A record says the most: it is never the one that there is no room for.
    fresh.sort_by(|a, b| (a.origin, a.time, &a.id).cmp(&(b.origin, b.time, &b.id)));
    let all = u32::try_from(known.len() + fresh.len()).unwrap_or(u32::MAX);
    (known.into_iter().chain(fresh).take(MAX_EVIDENCE).collect(), total.max(all))
}

/// Whether any record came.
pub fn has_record(evidence: &[Evidence]) -> bool {
    evidence.iter().any(|e| e.origin == Origin::CloudTrail)
}

/// An apply of ours that was at work on the resource when something without an actor was told of.
pub fn own_build<'a>(
    spec: &IncidentSpec,
    workspace: &WorkspaceRef,
    statuses: impl Iterator<Item = &'a IncidentStatus>,
) -> Option<String> {
    let at = spec.event.time;
    if matches!(spec.event.origin, Origin::CloudTrail | Origin::Drift) {
        return None;
    }
    // AWS Config looks at what has become of a resource, minutes later.
    let after = if spec.event.origin == Origin::Config { RECORD_COMES } else { CLOCKS };
    let touches = |s: &&IncidentStatus| {
        let mut changes = s.plan.iter().flat_map(|p| &p.changes);
        changes.any(|c| workspace.addresses.contains(&c.address))
    };
    let here = statuses.filter(|s| s.workspace.as_ref().is_some_and(|w| w.backend == workspace.backend));
    let here = here.filter(touches);
    let mut applies = here.flat_map(|s| &s.recovery.builds).filter(|b| b.kind == BuildKind::Apply);
    let at_work = applies.find(|b| {
        let began = b.start.is_some_and(|start| at.plus_seconds(CLOCKS) >= start);
        let last = b.end.or(b.start).map(|end| end.plus_seconds(if b.end.is_some() { after } else { LONGEST_BUILD }));
        began && last.is_some_and(|last| at <= last)
    });
    at_work.map(|b| b.id.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use reforge_api::{BuildRef, Condition, ConditionStatus};
    use serde_json::json;

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
        assert!(
            has_record(&found) && Evidence::only_record(&found).is_none(),
            "nobody can tell which of the two it was"
        );
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
    }
}
