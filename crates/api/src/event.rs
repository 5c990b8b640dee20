//! What an Incident is about: an event as it was told, who made the call, and the resource.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::time::Time;

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
    /// The call's parameters as JSON text, secrets redacted, at most 8 KiB; `truncated` in it says that they are not whole, and
    /// then no expression is answered by them.
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
