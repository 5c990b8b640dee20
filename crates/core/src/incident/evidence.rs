//! Whether two Incidents are about the same change, told by different sources; and whether a build of ours made it.

use kube::ResourceExt;
use reforge_api::{
    BuildKind, Evidence, Handling, Incident, IncidentSpec, IncidentStatus, Origin, Phase, StepName, Time, WorkspaceRef,
    condition, reason,
};

use crate::words::ids::Holder;

/// How long a record may come after what another source told, in seconds. CloudTrail delivers within 5 minutes on average
/// and gives no guarantee (CloudTrail User Guide, "How CloudTrail works"); this is three times that.
pub const RECORD_COMES: i64 = 900;
/// How far CloudTrail's whole seconds, EC2's and CodeBuild's clocks may be apart, in seconds.
const CLOCKS: i64 = 60;
/// How long a build may last whose end was never seen, in seconds: CodeBuild's own limit is 8 hours.
pub const LONGEST_BUILD: i64 = 28_800;
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
    let (records, others): (Vec<_>, Vec<_>) =
        known.into_iter().chain(fresh).partition(|e| e.origin == Origin::CloudTrail);
    (records.into_iter().chain(others).take(MAX_EVIDENCE).collect(), total.max(all))
}

/// Whether any record came.
pub fn has_record(evidence: &[Evidence]) -> bool {
    evidence.iter().any(|e| e.origin == Origin::CloudTrail)
}

/// The one record that came later, and says what a source without an actor could not.
pub fn later_record<'a>(spec: &IncidentSpec, evidence: &'a [Evidence]) -> Option<&'a Evidence> {
    Evidence::only_record(evidence).filter(|_| spec.event.origin != Origin::CloudTrail)
}

/// Whether a record has come that the verdict does not know of: it is judged, once.
pub fn has_unjudged_record(status: &IncidentStatus, spec: &IncidentSpec, evidence: &[Evidence]) -> bool {
    let known = status.classification.as_ref().and_then(|c| c.record.as_ref());
    later_record(spec, evidence).is_some_and(|record| known != Some(&record.id))
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
        s.plan.iter().any(|p| {
            // Of a plan that is not shown whole, nobody can tell from here what it did not touch.
            p.changes_total as usize > p.changes.len()
                || p.changes.iter().any(|c| workspace.addresses.contains(&c.address))
        })
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
mod tests;
