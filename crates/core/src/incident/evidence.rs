//! Whether two Incidents are about the same change, told by different sources; and whether a build of ours made it.

use reforge_api::{Evidence, Handling, Incident, IncidentSpec, IncidentStatus, Origin, StepName, Time, WorkspaceRef};

use crate::index::{Build, Ended, How, Index, Key, Row};
use crate::words::ids::Id;

use super::fences::may_have_started;

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
fn is_same(a: &Row, b: &Row) -> bool {
    let (Some(x), Some(y)) = (a.origin, b.origin) else { return false };
    let apart = a.time.0.abs_diff(b.time.0);
    a.policy == b.policy
        && is_one_resource(a, b)
        && a.change == b.change
        && x != y
        && ![x, y].contains(&Origin::Drift)
        && apart <= RECORD_COMES.unsigned_abs() * 1000
}

/// The very same event, taken in two namespaces.
fn is_twice(a: &Row, b: &Row) -> bool {
    a.id.namespace != b.id.namespace && a.event == b.event && is_one_resource(a, b)
}

fn is_one_resource(a: &Row, b: &Row) -> bool {
    [a.handling, b.handling] == [Some(Handling::Recover); 2] && a.resource == b.resource && a.region == b.region
}

/// Whether an Incident can still give way to an older one: no build of it is under way, and no apply is cleared. An older one is
/// not always known first: of two that were created in the same second the name decides, and a watch that begins anew tells in
/// the order of names.
pub fn may_give_way(status: &IncidentStatus) -> bool {
    match status.step.name {
        StepName::Locate | StepName::Classify | StepName::Settle | StepName::Gate => true,
        StepName::Plan => status.recovery.build.is_none() && !may_have_started(&status.recovery),
        StepName::Apply | StepName::Verify | StepName::Ended => false,
    }
}

/// The older Incident about the same change, which goes on in place of this one. One that ended before this was reported,
/// or that stands for nothing, is none; and what one record has told of is no other record's change.
pub fn elder(index: &Index, me: &Row) -> Option<Id> {
    let age = |row: &Row| (row.created, row.id.clone());
    let older = index.of_resource(me.resource).filter(|o| o.id != me.id && age(o) < age(me));
    let is_record = |row: &Row| row.origin == Some(Origin::CloudTrail);
    let is_taken = |o: &Row| is_record(me) && older.clone().any(|r| is_record(r) && is_same(o, r));
    let elders = older.clone().filter(|o| is_twice(me, o) || (is_same(me, o) && !is_taken(o)));
    elders.filter(|o| stands(o, me.time)).min_by_key(|o| age(o)).map(|o| o.id.clone())
}

/// Whether an Incident speaks for a change that was reported at that time.
fn stands(row: &Row, at: Time) -> bool {
    let Some(ended) = row.ended else { return true };
    goes_until(row, ended, at) && !row.is_duplicate && ended.how != How::Failed
}

/// Whether what was looked at for it, and so what was put back, was what there was at that time.
fn goes_until(row: &Row, ended: Ended, at: Time) -> bool {
    ended.at.is_some_and(|end| end >= at) && row.planned.is_none_or(|planned| planned >= at)
}

/// Those that report the same change and are not known yet: which are to be read, as many as there is room for, and how many
/// reports there are in all. A record says the most: it is never the one that there is no room for.
pub fn reports(index: &Index, me: &Row, known: &[Evidence]) -> (Vec<Id>, usize) {
    let known_ids: Vec<Key> = known.iter().map(|k| Key::of(&[&k.id])).collect();
    // What was put back before this was reported was another change, by whoever made that.
    let is_now = |o: &&Row| o.ended.is_none_or(|ended| goes_until(o, ended, me.time));
    let others = index.of_resource(me.resource).filter(|o| o.id != me.id && is_same(me, o)).filter(is_now);
    let mut fresh: Vec<&Row> = others.filter(|o| !known_ids.contains(&o.event)).collect();
    fresh.sort_by(|a, b| (a.origin, a.time, &a.id).cmp(&(b.origin, b.time, &b.id)));
    let all = known.len() + fresh.len();
    let mut room = MAX_EVIDENCE.saturating_sub(known.len());
    let is_read = |row: &&Row| {
        let has_room = room > 0;
        room = room.saturating_sub(1);
        has_room || row.origin == Some(Origin::CloudTrail)
    };
    (fresh.into_iter().filter(is_read).take(MAX_EVIDENCE).map(|row| row.id.clone()).collect(), all)
}

/// What was known, and what these report; and how many reports there are.
pub fn evidence<'a>(
    status: &IncidentStatus,
    fresh: impl Iterator<Item = &'a Incident>,
    all: usize,
) -> (Vec<Evidence>, u32) {
    let fresh = fresh.map(|o| {
        let event = &o.spec.event;
        Evidence {
            time: event.time,
            origin: event.origin,
            id: event.id.clone(),
            name: event.name.clone(),
            source: event.source.clone(),
            actor: event.actor.clone(),
            incident: Id::of(o).to_string(),
        }
    });
    let total = status.evidence_total.max(u32::try_from(all).unwrap_or(u32::MAX));
    let (records, others): (Vec<_>, Vec<_>) =
        status.evidence.iter().cloned().chain(fresh).partition(|e| e.origin == Origin::CloudTrail);
    (records.into_iter().chain(others).take(MAX_EVIDENCE).collect(), total)
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

/// An apply of ours that was at work on the resource when something without an actor was told of: whose, and which.
pub fn own_build(index: &Index, me: &Row, workspace: &WorkspaceRef) -> Option<(Id, Key)> {
    let at = me.time;
    if !matches!(me.origin, Some(Origin::StateChange | Origin::Config)) {
        return None;
    }
    // AWS Config looks at what has become of a resource, minutes later.
    let after = if me.origin == Some(Origin::Config) { RECORD_COMES } else { CLOCKS };
    let was_at_work = |b: &Build| {
        let began = b.start.is_some_and(|start| at.plus_seconds(CLOCKS) >= start);
        let last = b.end.or(b.start).map(|end| end.plus_seconds(if b.end.is_some() { after } else { LONGEST_BUILD }));
        b.applies && began && last.is_some_and(|last| at <= last)
    };
    let addresses: Vec<Key> = workspace.addresses.iter().map(|a| Key::of(&[a])).collect();
    index.of_backend(Key::of(&[&workspace.backend])).find_map(|row| {
        let work = row.work.as_ref().filter(|w| w.may_change(&addresses))?;
        let build = work.builds.iter().find(|b| was_at_work(b))?;
        Some((row.id.clone(), build.uuid))
    })
}

#[cfg(test)]
mod tests;
