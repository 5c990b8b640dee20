//! One Incident in the [index](super::Index): some hundred bytes, whatever the Incident holds. Texts that are only compared
//! are kept as digests.

use std::sync::Arc;

use reforge_api::{BuildKind, Change, Handling, Incident, IncidentStatus, Origin, StepName, Time, condition, reason};
use sha2::{Digest, Sha256};

use crate::policy::limits;
use crate::words::ids::{Id, uuid_of};

use super::glimpse::{Glimpse, Status, Workspace};

/// What a text is compared by: the first half of its SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key([u8; 16]);

impl Key {
    /// Of a text in several parts.
    pub fn of(parts: &[&str]) -> Self {
        let digest = Sha256::digest(parts.join("\n"));
        let mut key = [0; 16];
        key.copy_from_slice(&digest[..16]);
        Self(key)
    }

    /// Of a policy, by its namespace and name.
    pub fn of_policy(namespace: &str, name: &str) -> Self {
        Self::of(&[namespace, name])
    }

    /// Of a resource, in whatever region.
    pub fn of_resource(account: &str, r#type: &str, id: &str) -> Self {
        Self::of(&[account, r#type, id])
    }

    /// Of a build, by its id or its UUID.
    pub fn of_build(id: &str) -> Self {
        Self::of(&[uuid_of(id)])
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// What the others need to know of an Incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Which it is.
    pub id: Id,
    /// Its resourceVersion. Those of one kind grow (Kubernetes API concepts, "Resource versions").
    pub version: u64,
    /// When it was created.
    pub created: Time,
    /// Its policy.
    pub policy: Key,
    /// What it is for; None: something that this version does not know.
    pub handling: Option<Handling>,
    /// Who told of it; None: by a source that this version does not know.
    pub origin: Option<Origin>,
    /// What happened.
    pub change: Option<Change>,
    /// When it happened.
    pub time: Time,
    /// The event's id.
    pub event: Key,
    /// The resource.
    pub resource: Key,
    /// The region that the event happened in; all Incidents of one share it.
    pub region: Arc<str>,
    /// Who did it, as it is judged; [`limits::actor_key`]. All Incidents of one share it.
    pub actor: Arc<str>,
    /// The step that it is in; None: one that this version does not know.
    pub step: Option<StepName>,
    /// How it ended, once it has.
    pub ended: Option<Ended>,
    /// When it was planned last.
    pub planned: Option<Time>,
    /// Whether another one goes on in its place.
    pub is_duplicate: bool,
    /// What it did to a Terraform state; None: nothing yet.
    pub work: Option<Box<Work>>,
}

/// How an Incident ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// When; None: it does not say.
    pub at: Option<Time>,
    /// How.
    pub how: How,
}

/// The ways to end, as far as they matter to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The resource is back.
    Recovered,
    /// A human was needed.
    Failed,
    /// There was nothing to do, and the record of it is of use.
    Dismissed,
    /// There was nothing to do, and there is nothing to look up: a duplicate, a canary, something that Terraform does not own.
    Noise,
}

/// What an Incident does, or did, to a Terraform state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// The state; None: no workspace owns the resource.
    pub backend: Option<Key>,
    /// The addresses that are its resource.
    pub addresses: Box<[Key]>,
    /// The addresses that its last plan changes, as far as they are shown.
    pub changes: Box<[Key]>,
    /// Whether these are all.
    pub is_shown_whole: bool,
    /// Its builds.
    pub builds: Box<[Build]>,
    /// The build that it waits for, or waited for last.
    pub build: Option<Key>,
    /// Since when a build may have been started whose id is not stored yet.
    pub starting: Option<Time>,
}

/// A build of an Incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// Its UUID.
    pub uuid: Key,
    /// Whether it applies; else it plans.
    pub applies: bool,
    /// Whether it ended well.
    pub succeeded: bool,
    /// When it began.
    pub start: Option<Time>,
    /// When it ended.
    pub end: Option<Time>,
}

impl Row {
    /// Of an Incident as it was read.
    pub fn of(glimpse: &Glimpse) -> Self {
        let Glimpse { metadata, spec, status } = glimpse;
        let id = Id::of(glimpse);
        let event = &spec.event;
        Self {
            version: metadata.resource_version.as_deref().and_then(|v| v.parse().ok()).unwrap_or_default(),
            created: metadata.creation_timestamp.as_ref().map(|t| Time(t.0.as_millisecond())).unwrap_or_default(),
            policy: Key::of_policy(&id.namespace, &spec.policy_ref.name),
            handling: spec.handling,
            origin: event.origin,
            change: spec.change,
            time: event.time.unwrap_or_default(),
            event: Key::of(&[&event.id]),
            resource: Key::of_resource(&event.account_id, &spec.resource.r#type, &spec.resource.id),
            region: event.region.as_str().into(),
            actor: actor(glimpse),
            step: status.step.name,
            ended: ended(status, spec.handling),
            planned: status.timeline.planned_at,
            is_duplicate: status.duplicate_of.is_some(),
            work: Work::read(status).map(Box::new),
            id,
        }
    }

    /// Whether nothing more is done for it.
    pub fn is_over(&self) -> bool {
        self.ended.is_some()
    }

    /// Its builds.
    pub fn builds(&self) -> &[Build] {
        self.work.as_ref().map(|w| &w.builds[..]).unwrap_or_default()
    }
}

impl From<&Incident> for Row {
    fn from(incident: &Incident) -> Self {
        Self::of(&Glimpse::from(incident))
    }
}

/// Who did it: where a source told of it that has no actor, the one record that came later says.
fn actor(glimpse: &Glimpse) -> Arc<str> {
    let told = &glimpse.spec.event;
    let mut records = glimpse.status.evidence.iter().filter(|r| r.origin == Some(Origin::CloudTrail));
    let only = records.next().filter(|_| records.next().is_none());
    let later = only.filter(|_| told.origin.is_some_and(|origin| origin != Origin::CloudTrail));
    let actor = later.map_or(&told.actor, |report| &report.actor).clone().unwrap_or_default();
    limits::actor_key(&actor).into()
}

fn ended(status: &Status, handling: Option<Handling>) -> Option<Ended> {
    let is_noise = || {
        matches!(handling, Some(Handling::Alert | Handling::Canary))
            || [reason::DUPLICATE, reason::NOT_MANAGED].contains(&status.because())
    };
    let how = match status.step.name {
        Some(StepName::Ended) if is_noise() => How::Noise,
        Some(StepName::Ended) if status.holds(condition::RECOVERED) => How::Recovered,
        Some(StepName::Ended) if status.holds(condition::STALLED) => How::Failed,
        Some(StepName::Ended) => How::Dismissed,
        _ => return None,
    };
    Some(Ended { at: status.timeline.ended_at, how })
}

impl Work {
    /// Whether its last plan changes one of these. Of one that is not shown whole nobody can tell what it does not change.
    pub fn may_change(&self, addresses: &[Key]) -> bool {
        !self.is_shown_whole || self.changes.iter().any(|change| addresses.contains(change))
    }

    fn read(status: &Status) -> Option<Self> {
        let recovery = &status.recovery;
        let keys = |texts: &[String]| texts.iter().map(|text| Key::of(&[text])).collect();
        let builds = recovery.builds.iter().map(|b| Build {
            uuid: Key::of_build(&b.id),
            applies: b.kind != Some(BuildKind::Plan),
            succeeded: b.status == "SUCCEEDED",
            start: b.start,
            end: b.end,
        });
        let starting = recovery.intent.as_ref().filter(|i| i.tries > 0 && recovery.build.is_none());
        let Workspace { backend, addresses } = status.workspace.clone().unwrap_or_default();
        let work = Self {
            backend: (!backend.is_empty()).then(|| Key::of(&[&backend])),
            addresses: keys(&addresses),
            changes: status.plan.iter().flat_map(|p| &p.changes).map(|c| Key::of(&[&c.address])).collect(),
            is_shown_whole: status.plan.iter().all(|p| p.changes_total as usize <= p.changes.len()),
            builds: builds.collect(),
            build: recovery.build.as_ref().map(|b| Key::of_build(&b.id)),
            starting: starting.map(|i| i.since.unwrap_or_default()),
        };
        let is_some = work.backend.is_some() || !work.builds.is_empty() || work.starting.is_some();
        is_some.then_some(work)
    }
}

impl From<&IncidentStatus> for Work {
    fn from(status: &IncidentStatus) -> Self {
        let nothing = Self {
            backend: None,
            addresses: Box::default(),
            changes: Box::default(),
            is_shown_whole: true,
            builds: Box::default(),
            build: None,
            starting: None,
        };
        Self::read(&Status::from(status)).unwrap_or(nothing)
    }
}
