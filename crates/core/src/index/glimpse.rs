//! What is read of an Incident on its way from the apiserver into the [index](super::Index): what the others need to know of
//! it, and nothing else. Reading is tolerant: what is missing, or what only a newer version can read, is passed over field by
//! field, so that no single object stops a watch.

use std::borrow::Cow;

use kube::Resource;
use kube::core::{NamespaceResourceScope, ObjectMeta};
use reforge_api::{
    Actor, BuildKind, BuildRef, Change, Evidence, Handling, Incident, IncidentSpec, IncidentStatus, Origin, StepName,
    Time, condition,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// An Incident, as far as the others are concerned.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Glimpse {
    /// Its metadata.
    pub metadata: ObjectMeta,
    pub(super) spec: Spec,
    pub(super) status: Status,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Spec {
    pub event: EventGlimpse,
    pub resource: About,
    #[serde(deserialize_with = "known")]
    pub change: Option<Change>,
    pub policy_ref: Named,
    #[serde(default = "recover", deserialize_with = "known")]
    pub handling: Option<Handling>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct EventGlimpse {
    #[serde(default = "recorded", deserialize_with = "known")]
    pub origin: Option<Origin>,
    pub id: String,
    #[serde(deserialize_with = "known")]
    pub time: Option<Time>,
    pub account_id: String,
    pub region: String,
    #[serde(deserialize_with = "known")]
    pub actor: Option<Actor>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct About {
    pub r#type: String,
    pub id: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Named {
    pub name: String,
}

/// A status, as far as the others are concerned.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Status {
    pub step: Step,
    #[serde(deserialize_with = "known")]
    pub duplicate_of: Option<String>,
    pub conditions: Vec<Condition>,
    pub evidence: Vec<Report>,
    pub workspace: Option<Workspace>,
    pub plan: Option<Plan>,
    pub recovery: Recovery,
    pub timeline: Timeline,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Step {
    #[serde(deserialize_with = "known")]
    pub name: Option<StepName>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Condition {
    pub r#type: String,
    pub status: String,
    pub reason: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Report {
    #[serde(deserialize_with = "known")]
    pub origin: Option<Origin>,
    #[serde(deserialize_with = "known")]
    pub actor: Option<Actor>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Workspace {
    pub backend: String,
    pub addresses: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Plan {
    pub changes_total: u32,
    pub changes: Vec<Addressed>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Addressed {
    pub address: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Recovery {
    pub intent: Option<Intent>,
    pub build: Option<Build>,
    pub builds: Vec<Build>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Intent {
    #[serde(deserialize_with = "known")]
    pub since: Option<Time>,
    pub tries: u32,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Build {
    #[serde(deserialize_with = "known")]
    pub kind: Option<BuildKind>,
    pub id: String,
    pub status: String,
    #[serde(deserialize_with = "known")]
    pub start: Option<Time>,
    #[serde(deserialize_with = "known")]
    pub end: Option<Time>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Timeline {
    #[serde(deserialize_with = "known")]
    pub planned_at: Option<Time>,
    #[serde(deserialize_with = "known")]
    pub ended_at: Option<Time>,
}

/// What an Incident is for that does not say.
#[expect(clippy::unnecessary_wraps, reason = "serde's signature")]
fn recover() -> Option<Handling> {
    Some(Handling::Recover)
}

/// Who told of an event that does not say.
#[expect(clippy::unnecessary_wraps, reason = "serde's signature")]
fn recorded() -> Option<Origin> {
    Some(Origin::CloudTrail)
}

/// What this version can read of a field; else nothing.
fn known<'de, T: DeserializeOwned, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Value::deserialize(deserializer).map(|value| serde_json::from_value(value).ok())
}

impl Resource for Glimpse {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        Incident::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        Incident::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        Incident::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        Incident::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

impl From<&Incident> for Glimpse {
    fn from(incident: &Incident) -> Self {
        Self {
            metadata: incident.metadata.clone(),
            spec: Spec::from(&incident.spec),
            status: incident.status.as_ref().map(Status::from).unwrap_or_default(),
        }
    }
}

impl From<&IncidentSpec> for Spec {
    fn from(spec: &IncidentSpec) -> Self {
        let event = &spec.event;
        Self {
            event: EventGlimpse {
                origin: Some(event.origin),
                id: event.id.clone(),
                time: Some(event.time),
                account_id: event.account_id.clone(),
                region: event.region.clone(),
                actor: Some(event.actor.clone()),
            },
            resource: About { r#type: spec.resource.r#type.clone(), id: spec.resource.id.clone() },
            change: Some(spec.change),
            policy_ref: Named { name: spec.policy_ref.name.clone() },
            handling: Some(spec.handling),
        }
    }
}

impl From<&IncidentStatus> for Status {
    fn from(status: &IncidentStatus) -> Self {
        let recovery = &status.recovery;
        let said = status.conditions.iter().map(|c| Condition {
            r#type: c.r#type.clone(),
            status: format!("{:?}", c.status),
            reason: c.reason.clone(),
        });
        Self {
            step: Step { name: Some(status.step.name) },
            duplicate_of: status.duplicate_of.clone(),
            conditions: said.collect(),
            evidence: status.evidence.iter().map(Report::from).collect(),
            workspace: status
                .workspace
                .as_ref()
                .map(|w| Workspace { backend: w.backend.clone(), addresses: w.addresses.clone() }),
            plan: status.plan.as_ref().map(|p| Plan {
                changes_total: p.changes_total,
                changes: p.changes.iter().map(|c| Addressed { address: c.address.clone() }).collect(),
            }),
            recovery: Recovery {
                intent: recovery.intent.as_ref().map(|i| Intent { since: Some(i.since), tries: i.tries }),
                build: recovery.build.as_ref().map(Build::from),
                builds: recovery.builds.iter().map(Build::from).collect(),
            },
            timeline: Timeline { planned_at: status.timeline.planned_at, ended_at: status.timeline.ended_at },
        }
    }
}

impl From<&Evidence> for Report {
    fn from(report: &Evidence) -> Self {
        Self { origin: Some(report.origin), actor: Some(report.actor.clone()) }
    }
}

impl From<&BuildRef> for Build {
    fn from(build: &BuildRef) -> Self {
        Self {
            kind: Some(build.kind),
            id: build.id.clone(),
            status: build.status.clone(),
            start: build.start,
            end: build.end,
        }
    }
}

impl Status {
    /// Whether a condition holds.
    pub(super) fn holds(&self, r#type: &str) -> bool {
        self.conditions.iter().any(|c| c.r#type == r#type && c.status == "True")
    }

    /// The reason that Ready gives.
    pub(super) fn because(&self) -> &str {
        let ready = self.conditions.iter().find(|c| c.r#type == condition::READY);
        ready.map(|c| c.reason.as_str()).unwrap_or_default()
    }
}
