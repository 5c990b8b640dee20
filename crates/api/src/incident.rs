//! `Incident`: one change to one AWS resource, and all that became of it.

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::event::{Change, Event, Origin, Resource};
use crate::incident_status::{Evidence, IncidentStatus};

/// One change to one AWS resource, from the event to the recovery. Written by Reforge only; people add approvals.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "reforge.dev",
    version = "v1alpha1",
    kind = "Incident",
    plural = "incidents",
    shortname = "inc",
    category = "reforge",
    namespaced,
    status = "IncidentStatus",
    derive = "PartialEq",
    selectable = ".spec.resource.type",
    selectable = ".status.phase",
    printcolumn(name = "Type", type_ = "string", json_path = ".spec.resource.type"),
    printcolumn(name = "Resource", type_ = "string", json_path = ".spec.resource.id"),
    printcolumn(name = "Change", type_ = "string", json_path = ".spec.change"),
    printcolumn(name = "Verdict", type_ = "string", json_path = ".status.classification.verdict"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Policy", type_ = "string", json_path = ".spec.policyRef.name"),
    printcolumn(name = "Recovery", type_ = "string", json_path = ".status.timeline.timeToRecover"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Actor", type_ = "string", json_path = ".spec.event.actor.arn", priority = 1),
    printcolumn(name = "Build", type_ = "string", json_path = ".status.recovery.build.id", priority = 1),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].message",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
pub struct IncidentSpec {
    /// What CloudTrail recorded. Fields in here may have been written by an attacker.
    #[x_kube(validation = ("self == oldSelf", "an Incident's event cannot be changed"))]
    pub event: Event,
    /// The resource that the event is about.
    #[x_kube(validation = ("self == oldSelf", "an Incident's resource cannot be changed"))]
    pub resource: Resource,
    /// What happened to it.
    #[x_kube(validation = ("self == oldSelf", "an Incident's change cannot be changed"))]
    pub change: Change,
    /// The RecoveryPolicy, in this namespace, that took the event; none of this name where Reforge itself is concerned.
    #[x_kube(validation = ("self == oldSelf", "an Incident's policy cannot be changed"))]
    pub policy_ref: PolicyRef,
    /// What the Incident is for: Recover (the default), Alert or Canary.
    #[serde(default)]
    #[x_kube(validation = ("self == oldSelf", "an Incident's handling cannot be changed"))]
    pub handling: Handling,
    /// What people decided about the plan in `status.plan`; appended, never rewritten.
    #[serde(default)]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["by".into(), "changeDigest".into()]))]
    #[schemars(length(max = 64))]
    pub approvals: Vec<Approval>,
}

impl IncidentSpec {
    /// The spec as it is judged: what the one record that came later says of who did it, and by which call, goes before what
    /// a source knew that has no actor.
    #[must_use]
    pub fn with_evidence(&self, evidence: &[Evidence]) -> Self {
        let mut spec = self.clone();
        let record = Evidence::only_record(evidence);
        if let Some(record) = record.filter(|_| self.event.origin != Origin::CloudTrail) {
            spec.event.name.clone_from(&record.name);
            spec.event.source.clone_from(&record.source);
            spec.event.actor = record.actor.clone();
        }
        spec
    }
}

impl Incident {
    /// [`IncidentSpec::with_evidence`], with what the status has.
    pub fn judged_spec(&self) -> IncidentSpec {
        let evidence = self.status.as_ref().map(|s| s.evidence.as_slice()).unwrap_or_default();
        self.spec.with_evidence(evidence)
    }
}

/// What an Incident is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Handling {
    /// The resource is put back, as its policy says.
    #[default]
    Recover,
    /// Something that Reforge stands on was changed: people are told, and nothing is put back.
    Alert,
    /// An event of Reforge's own, which proves the way from CloudTrail to here.
    Canary,
}

/// A reference to a RecoveryPolicy in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
pub struct PolicyRef {
    /// The policy's name.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
}

/// One person's word on one plan.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// The Kubernetes user who decides; admission checks that it is the caller.
    #[schemars(length(min = 1, max = 256))]
    pub by: String,
    /// Approve or Deny.
    pub decision: Decision,
    /// What is decided on: `status.plan.changeDigest`.
    #[schemars(length(min = 1, max = 64))]
    pub change_digest: String,
    /// Why, for the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub reason: Option<String>,
}

/// What a person decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Decision {
    /// The plan may be applied.
    Approve,
    /// The plan must not be applied; this is final.
    Deny,
}
