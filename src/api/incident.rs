//! `Incident`: one change to one AWS resource, and all that became of it.

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::{Evidence, IncidentStatus, Time};

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

/// Who reported what happened.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
pub enum Origin {
    /// CloudTrail recorded the call, and who made it.
    #[default]
    CloudTrail,
    /// EC2 told of an instance's state; it does not know who changed it.
    StateChange,
    /// AWS Config saw the resource gone, changed, or against a rule; it does not know who did it.
    Config,
    /// A plan on a policy's schedule found it; nobody knows who did it.
    Drift,
    /// Reforge noticed it of itself.
    Reforge,
}

/// A CloudTrail event, reduced to what judging needs; or what another source told.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Who reported it. Only CloudTrail says who did it.
    #[serde(default)]
    pub origin: Origin,
    /// CloudTrail's `eventID`, or the id that the other source gave.
    #[schemars(length(min = 1, max = 128))]
    pub id: String,
    /// When the call was made, by CloudTrail; else when it was noticed.
    pub time: Time,
    /// The API call, without the API version that Lambda appends, e.g. DeleteFunction.
    #[schemars(length(min = 1, max = 128))]
    pub name: String,
    /// The service, e.g. lambda.amazonaws.com.
    #[schemars(length(min = 1, max = 128))]
    pub source: String,
    /// The AWS account that the event happened in, twelve digits.
    #[schemars(length(min = 12, max = 12))]
    pub account_id: String,
    /// The AWS region that the event happened in.
    #[schemars(length(min = 1, max = 32))]
    pub region: String,
    /// Who made the call.
    pub actor: Actor,
    /// The call's parameters as JSON text, secrets redacted, at most 8 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8192))]
    pub request_parameters: Option<String>,
}

/// Who made the call, as CloudTrail's `userIdentity` says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Actor {
    /// Root, IAMUser, AssumedRole, AWSService and so on; Unknown where the record has none.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub r#type: String,
    /// The caller's ARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub arn: Option<String>,
    /// The ARN of the role or user behind a session: what `expectedActors` is compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub issuer_arn: Option<String>,
    /// The name that the session was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub session_name: Option<String>,
    /// The AWS service that called on somebody's behalf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub invoked_by: Option<String>,
    /// Where the call came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub source_ip: Option<String>,
    /// What the caller's program calls itself; anyone can write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub user_agent: Option<String>,
    /// Whether the session was opened with a second factor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mfa: Option<bool>,
}

/// The resource that an event is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    /// The catalogue's name of the type, e.g. dynamodb.
    #[schemars(length(min = 1, max = 63))]
    pub r#type: String,
    /// The CloudFormation name of the type, e.g. AWS::DynamoDB::Table.
    #[schemars(length(min = 1, max = 128))]
    pub cloud_formation_type: String,
    /// The id as AWS knows it, normalised: a name, never an ARN.
    #[schemars(length(min = 1, max = 1024))]
    pub id: String,
    /// The ARN, where it follows from the id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub arn: Option<String>,
}

/// What happened to the resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Change {
    /// It was deleted or terminated.
    Deleted,
    /// It was stopped or disabled.
    Stopped,
    /// Its settings or contents were changed.
    Modified,
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
