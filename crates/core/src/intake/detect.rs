//! Which Incidents a record opens, and why it opens none. Pure: record, catalogue, policies and grants go in.

use std::sync::Arc;

use kube::ResourceExt;
use reforge_api::{Change, Event, Handling, PolicyRef, RecoveryPolicy, Resource, Time};

use crate::catalog::{Catalog, Entry, Found};
use crate::index::own::Ours;
use crate::intake::candidate::Candidate;
use crate::intake::event::Record;
use crate::intake::notice::Notice;
use crate::intake::own::claimed_build;
use crate::intake::plumbing::Plumbing;
use crate::intake::unreadable::Unreadable;
use crate::policy::grants::Grants;
use crate::policy::select;
use crate::words::text::shorten;

/// The most Incidents that wait for one policy that cannot be used, about: whoever floods it fills no cluster.
const MAX_WAITING: usize = 100;

/// Why a record opens no Incident. Each is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DropReason {
    /// The call failed: nothing happened.
    FailedCall,
    /// The call only reads.
    ReadOnly,
    /// The catalogue does not have the event.
    NotInCatalogue,
    /// A build of ours did it.
    OwnAction,
    /// Nobody was granted the account or the region.
    ForeignAccount,
    /// No policy takes it.
    NoPolicy,
    /// It happened before the policy that would take it was created, and only a sweep found it.
    BeforePolicy,
    /// The policy that takes it cannot be used, and many Incidents wait for it already.
    TooManyWait,
    /// The record names no resource.
    NoId,
    /// What Reforge stands on was changed before an operator first started: the install was being made.
    OfTheInstall,
}

impl DropReason {
    /// One word for the counter.
    pub fn word(self) -> &'static str {
        match self {
            Self::FailedCall => "FailedCall",
            Self::ReadOnly => "ReadOnly",
            Self::NotInCatalogue => "NotInCatalogue",
            Self::OwnAction => "OwnAction",
            Self::ForeignAccount => "ForeignAccount",
            Self::NoPolicy => "NoPolicy",
            Self::TooManyWait => "TooManyWait",
            Self::BeforePolicy => "BeforePolicy",
            Self::NoId => "NoId",
            Self::OfTheInstall => "OfTheInstall",
        }
    }
}

/// What a record amounts to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Detection {
    /// These Incidents: one for each resource that a policy takes.
    Open(Vec<Candidate>),
    /// These Incidents; and ids that nobody can read, which go to the dead-letter queue with the message.
    OpenSome(Vec<Candidate>, Unreadable),
    /// None, for this reason.
    Drop(DropReason),
    /// Nobody can tell yet: a build acts that may be the one that an Incident is just starting.
    Later,
}

/// The way by which an event came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The queue brought it.
    Queue,
    /// It was looked up in CloudTrail, which has everything of the last 90 days.
    Sweep,
}

/// What detection depends on beside the record.
pub struct Surroundings<'a> {
    /// The way by which it came.
    pub way: Way,
    /// What is known of AWS's events.
    pub catalog: &'a Catalog,
    /// Every policy.
    pub policies: &'a [Arc<RecoveryPolicy>],
    /// Who may recover what.
    pub grants: &'a Grants,
    /// What Reforge itself stands on.
    pub plumbing: &'a Plumbing,
    /// The roles that recovery builds run under.
    pub recovery_roles: &'a [String],
    /// Whether a build, by its UUID, is one of ours that was at work at that time.
    pub is_own_build: &'a (dyn Fn(&str, Time) -> Ours + Sync),
    /// How many Incidents of a policy, by its namespace and name, have not ended.
    pub open_of: &'a (dyn Fn(&str, &str) -> usize + Sync),
}

/// Whether a record may open an Incident at all, whoever acts in it and whoever it concerns.
pub fn is_of_interest(record: &Record, catalog: &Catalog) -> bool {
    let event = &record.event;
    record.error_code.is_none()
        && !record.read_only
        && catalog.find(&event.source, &event.name, &record.detail).is_some()
}

/// Detects. An id that is not of its type's form is an error: somebody made the record up, or AWS changed it.
pub fn detect(record: &Record, around: &Surroundings<'_>) -> Result<Detection, Unreadable> {
    let event = &record.event;
    if record.error_code.is_some() {
        return Ok(Detection::Drop(DropReason::FailedCall));
    }
    if record.read_only {
        return Ok(Detection::Drop(DropReason::ReadOnly));
    }
    let Some(found) = around.catalog.find(&event.source, &event.name, &record.detail) else {
        return Ok(Detection::Drop(DropReason::NotInCatalogue));
    };
    let concerns_itself = |id: &&String| around.plumbing.handling(&found.entry.r#type, id, event).is_some();
    let (ours, others): (Vec<&String>, Vec<&String>) = found.ids.iter().partition(concerns_itself);
    let alerts: Vec<Candidate> = ours.iter().filter_map(|id| alert(found.entry, id, event, around)).collect();
    if alerts.is_empty() && !ours.is_empty() && others.is_empty() && found.invalid.is_empty() {
        return Ok(Detection::Drop(DropReason::OfTheInstall));
    }
    let unreadable = found.invalid.first().map(|id| Unreadable::Id(shorten(id, 256)));
    let taken = match taken(&others, unreadable.is_some(), &found, event, around) {
        Ok(taken) => taken,
        Err(Detection::Later) if !others.is_empty() => return Ok(Detection::Later),
        Err(instead) if alerts.is_empty() => return Ok(instead),
        Err(_) => Vec::new(),
    };
    let candidates = with_parameters(record, [alerts, taken].concat());
    match unreadable {
        Some(unreadable) if candidates.is_empty() && found.ids.is_empty() => Err(unreadable),
        Some(unreadable) => Ok(Detection::OpenSome(candidates, unreadable)),
        None if candidates.is_empty() => Ok(Detection::Drop(DropReason::NoPolicy)),
        None => Ok(Detection::Open(candidates)),
    }
}

/// The Incidents that policies take; or why none is even looked for.
fn taken(
    ids: &[&String],
    some_unreadable: bool,
    found: &Found<'_>,
    event: &Event,
    around: &Surroundings<'_>,
) -> Result<Vec<Candidate>, Detection> {
    if !around.grants.knows(&event.account_id, &event.region) {
        return Err(Detection::Drop(DropReason::ForeignAccount));
    }
    match is_own(event, around) {
        Ours::Yes => return Err(Detection::Drop(DropReason::OwnAction)),
        Ours::NotYetKnown => return Err(Detection::Later),
        Ours::No => {}
    }
    if ids.is_empty() && !some_unreadable {
        return Err(Detection::Drop(DropReason::NoId));
    }
    let judged = ids.iter().map(|id| candidate(found.entry, id, event, found.change, around));
    let (taken, dropped): (Vec<_>, Vec<_>) = judged.partition(Result::is_ok);
    // Of several reasons the one that somebody can do something about is told.
    match dropped.into_iter().filter_map(Result::err).max() {
        Some(reason) if taken.is_empty() && !some_unreadable => Err(Detection::Drop(reason)),
        _ => Ok(taken.into_iter().flatten().collect()),
    }
}

fn with_parameters(record: &Record, mut candidates: Vec<Candidate>) -> Vec<Candidate> {
    if !candidates.is_empty() {
        let parameters = record.parameters();
        for candidate in &mut candidates {
            candidate.event.request_parameters.clone_from(&parameters);
        }
    }
    candidates
}

/// Detects what another source than CloudTrail tells. Whether a build of ours did it is seen once the workspace is known.
pub fn detect_notice(notice: &Notice, around: &Surroundings<'_>) -> Result<Detection, Unreadable> {
    let Some(entry) = around.catalog.entry_of(&notice.cloud_formation_type) else {
        return Ok(Detection::Drop(DropReason::NotInCatalogue));
    };
    let Some(id) = notice.ids.iter().find_map(|id| around.catalog.valid_id(entry, id)) else {
        let said = notice.ids.first().map(String::as_str).unwrap_or_default();
        return Err(Unreadable::Id(shorten(said, 256)));
    };
    let event = &notice.event;
    if let Some(handling) = around.plumbing.handling(&entry.r#type, &id, event) {
        if around.plumbing.is_of_the_install(handling, event) {
            return Ok(Detection::Drop(DropReason::OfTheInstall));
        }
        let about = resource(entry, &id, event);
        return Ok(Detection::Open(vec![around.plumbing.candidate(about, event.clone(), notice.change, handling)]));
    }
    if !around.grants.knows(&event.account_id, &event.region) {
        return Ok(Detection::Drop(DropReason::ForeignAccount));
    }
    Ok(match candidate(entry, &id, event, notice.change, around) {
        Ok(candidate) => Detection::Open(vec![candidate]),
        Err(reason) => Detection::Drop(reason),
    })
}

/// The Incident that a policy takes; under one that cannot be used it waits until that is mended.
fn candidate(
    entry: &Entry,
    id: &str,
    event: &Event,
    change: Change,
    around: &Surroundings<'_>,
) -> Result<Candidate, DropReason> {
    let resource = resource(entry, id, event);
    let taken = select::select(around.policies, around.grants, event, &resource).ok_or(DropReason::NoPolicy)?;
    if around.way == Way::Sweep && select::created_after(taken.policy, event).is_some() {
        return Err(DropReason::BeforePolicy);
    }
    let (namespace, name) = (taken.policy.namespace().unwrap_or_default(), taken.policy.name_any());
    if !taken.usable && (around.open_of)(&namespace, &name) >= MAX_WAITING {
        return Err(DropReason::TooManyWait);
    }
    Ok(Candidate {
        namespace,
        policy: PolicyRef { name },
        event: event.clone(),
        resource,
        change,
        handling: Handling::Recover,
    })
}

/// The Incident that no policy takes, since Reforge itself is concerned; none for what made the install.
fn alert(entry: &Entry, id: &str, event: &Event, around: &Surroundings<'_>) -> Option<Candidate> {
    let handling = around.plumbing.handling(&entry.r#type, id, event)?;
    if around.plumbing.is_of_the_install(handling, event) {
        return None;
    }
    let change = entry.events.iter().find(|e| e.name == event.name)?.change;
    Some(around.plumbing.candidate(resource(entry, id, event), event.clone(), change, handling))
}

fn resource(entry: &Entry, id: &str, event: &Event) -> Resource {
    Resource {
        r#type: entry.r#type.clone(),
        cloud_formation_type: entry.cloud_formation_type.clone(),
        id: id.to_owned(),
        arn: entry.arn_of(&event.region, &event.account_id, id),
    }
}

/// A recovery role acting in a session that CodeBuild named after a build of ours. The role without such a build is
/// not ours: somebody else uses it.
fn is_own(event: &Event, around: &Surroundings<'_>) -> Ours {
    claimed_build(event, around.recovery_roles).map_or(Ours::No, |uuid| (around.is_own_build)(uuid, event.time))
}

#[cfg(test)]
mod tests;
