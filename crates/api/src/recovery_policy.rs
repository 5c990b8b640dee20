//! `RecoveryPolicy`: which resources, which Terraform, whose approval. What GitOps manages.

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::conditions::Condition;
use crate::safeguards::{ApprovalPolicy, LimitsPolicy, PlanPolicy, Window};
use crate::time::Time;

/// Says which AWS resources Reforge puts back, from which Terraform, and who is asked first.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "reforge.dev",
    version = "v1alpha1",
    kind = "RecoveryPolicy",
    plural = "recoverypolicies",
    shortname = "rpol",
    category = "reforge",
    namespaced,
    status = "RecoveryPolicyStatus",
    derive = "PartialEq",
    printcolumn(name = "Mode", type_ = "string", json_path = ".spec.mode"),
    printcolumn(name = "Approval", type_ = "string", json_path = ".spec.approval.mode"),
    printcolumn(name = "Suspended", type_ = "boolean", json_path = ".spec.suspend"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].message",
        priority = 1
    )
)]
#[kube(validation = ("size(self.metadata.name) <= 63", "a RecoveryPolicy's name is a label of its Incidents: at most 63 characters"))]
#[serde(rename_all = "camelCase")]
pub struct RecoveryPolicySpec {
    /// Observe (the default) plans and says what it would have done; Enforce applies.
    #[serde(default)]
    pub mode: Mode,
    /// True: events are taken in, but nothing is planned or applied until it is false again.
    #[serde(default)]
    pub suspend: bool,
    /// The highest matching policy of a namespace takes the event; then the first by name.
    #[serde(default)]
    #[schemars(range(min = -1000, max = 1000))]
    pub priority: i32,
    /// Which events this policy takes; all that are given must hold.
    pub r#match: Match,
    /// How events are judged.
    #[serde(default)]
    pub classification: ClassificationPolicy,
    /// Which Terraform puts the resource back.
    pub recovery: RecoverySpec,
    /// What a plan may contain.
    #[serde(default)]
    pub plan: PlanPolicy,
    /// Whether a human is asked before a plan is applied. Without it, types that hold data ask and others do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalPolicy>,
    /// What holds automatic work back when there is much of it, or the same again and again.
    #[serde(default)]
    pub limits: LimitsPolicy,
    /// When plans may be applied; without any, always. A deny goes before every allow.
    #[serde(default)]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = kube::core::ListMerge::Atomic)]
    pub windows: Vec<Window>,
    /// Looks for drift on a schedule; without it, events alone count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<DriftPolicy>,
    /// How it is verified that the resource is back.
    #[serde(default)]
    pub verification: VerificationPolicy,
    /// Who is told what. Without it, the operator's own topic is told everything that matters.
    #[serde(default)]
    #[x_kube(merge_strategy = kube::core::ListMerge::Atomic)]
    #[schemars(length(max = 16))]
    pub notifications: Vec<Notification>,
}

/// Whether the policy acts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Mode {
    /// Plans, and says what it would have done.
    #[default]
    Observe,
    /// Applies what the gate clears.
    Enforce,
}

/// Which events a policy takes; all that are given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Match {
    /// Catalogue names (dynamodb) or CloudFormation types (AWS::DynamoDB::Table); one at least.
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 128)))]
    #[x_kube(
        merge_strategy = kube::core::ListMerge::Atomic,
        validation = ("self.all(t, t.matches('^([a-z0-9-]{1,63}|AWS::[A-Za-z0-9]+::[A-Za-z0-9]+)$'))", "each of match.resourceTypes is a catalogue name such as dynamodb, or a CloudFormation type such as AWS::DynamoDB::Table")
    )]
    pub resource_types: Vec<String>,
    /// Event names such as DeleteTable; empty: all that the catalogue has for the types.
    #[serde(default)]
    #[schemars(length(max = 64), inner(length(min = 1, max = 128)))]
    #[x_kube(merge_strategy = kube::core::ListMerge::Atomic)]
    pub events: Vec<String>,
    /// Globs on the id, with `*` and `?`; empty: every id.
    #[serde(default)]
    #[schemars(length(max = 64), inner(length(min = 1, max = 256)))]
    #[x_kube(
        merge_strategy = kube::core::ListMerge::Atomic,
        validation = ("self.all(g, g.matches('^[^\\\\s\\\\[\\\\]{}]+$'))", "each of match.resourceIds is a glob of plain characters, * and ?, without blanks or brackets")
    )]
    pub resource_ids: Vec<String>,
    /// Account ids of twelve digits; empty: every account that the namespace was granted.
    #[serde(default)]
    #[schemars(length(max = 64), inner(length(min = 12, max = 12)))]
    #[x_kube(
        merge_strategy = kube::core::ListMerge::Atomic,
        validation = ("self.all(a, a.matches('^[0-9]{12}$'))", "each of match.accounts is an AWS account id: twelve digits, in quotes")
    )]
    pub accounts: Vec<String>,
    /// AWS regions; empty: every region that the namespace was granted.
    #[serde(default)]
    #[schemars(length(max = 64), inner(length(min = 1, max = 32)))]
    #[x_kube(merge_strategy = kube::core::ListMerge::Atomic)]
    pub regions: Vec<String>,
}

/// How events are judged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClassificationPolicy {
    /// Rules, or Bedrock on top of the rules; without it, as the operator is set up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<ClassifierMode>,
    /// Critical (the default): a model alone never dismisses the loss of such a resource.
    #[serde(default)]
    pub criticality: Criticality,
    /// Issuer ARNs whose changes to resources that are not critical are expected.
    #[serde(default)]
    #[schemars(length(max = 64), inner(length(min = 1, max = 2048)))]
    #[x_kube(
        merge_strategy = kube::core::ListMerge::Atomic,
        validation = ("self.all(a, a.startsWith('arn:'))", "each of classification.expectedActors is the ARN of a role or a user, as in arn:aws:iam::111122223333:role/deploy")
    )]
    pub expected_actors: Vec<String>,
}

/// Who judges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub enum ClassifierMode {
    /// The built-in rules alone.
    #[default]
    Rules,
    /// The rules, then a model on Amazon Bedrock.
    Bedrock,
}

/// How much a resource matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Criticality {
    /// Its loss is never dismissed on a model's or an expected actor's word.
    #[default]
    Critical,
    /// Its loss may be expected work.
    Standard,
}

/// Which Terraform puts the resource back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecoverySpec {
    /// The Terraform states that may own the resource; their inventories say which does.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["name".into()]))]
    pub workspaces: Vec<Workspace>,
    /// How many failed attempts are made before people are told and nothing more is tried.
    #[serde(default = "default_max_attempts")]
    #[schemars(range(min = 1, max = 10))]
    pub max_attempts: u32,
    /// How long is waited between failed attempts.
    #[serde(default)]
    pub backoff: Backoff,
    /// What is tried when every attempt has failed.
    #[serde(default)]
    pub rollback: Rollback,
    /// Where the Terraform may take data from; given to every plan for a lost resource that held data.
    #[serde(default)]
    pub restore: Restore,
}

fn default_max_attempts() -> u32 {
    3
}

/// The pause between failed attempts: doubled with each, and up to a fifth longer, so that not all come at once.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Backoff {
    /// The first pause, as in 30s.
    #[serde(default = "default_initial")]
    #[schemars(length(min = 2, max = 8))]
    #[x_kube(validation = ("self.matches('^[1-9][0-9]{0,4}(s|m|h)$')", "recovery.backoff.initial is a whole number and a unit: 30s or 2m"))]
    pub initial: String,
    /// The longest pause, as in 10m.
    #[serde(default = "default_max")]
    #[schemars(length(min = 2, max = 8))]
    #[x_kube(validation = ("self.matches('^[1-9][0-9]{0,4}(s|m|h)$')", "recovery.backoff.max is a whole number and a unit: 90s, 10m or 1h"))]
    pub max: String,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { initial: default_initial(), max: default_max() }
    }
}

fn default_initial() -> String {
    "30s".to_owned()
}

fn default_max() -> String {
    "10m".to_owned()
}

/// What is tried when every attempt has failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rollback {
    /// None (the default), or LastSuccessful.
    #[serde(default)]
    pub mode: RollbackMode,
}

/// What is tried when every attempt has failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub enum RollbackMode {
    /// Nothing: a human is told.
    #[default]
    None,
    /// One attempt more, planned from the last source version that recovered well in the workspace, through the same gate.
    LastSuccessful,
}

/// Where the Terraform may take data from. Its root module declares `reforge_restore_time` and
/// `reforge_restore_snapshot` where it can.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Restore {
    /// A snapshot's name or ARN, as `reforge_restore_snapshot`. The second before the event is always offered, as
    /// `reforge_restore_time`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    #[x_kube(validation = ("self.matches('^[A-Za-z0-9:/_.-]+$')", "recovery.restore.snapshot is a snapshot's name or ARN"))]
    pub snapshot: Option<String>,
}

/// One Terraform state and the two CodeBuild projects that work on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Workspace {
    /// The workspace's name: what its projects carry as REFORGE_WORKSPACE.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = ("self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?$')", "a workspace's name is of lower-case letters, digits and dashes"))]
    pub name: String,
    /// The CodeBuild project that applies, with write rights.
    #[schemars(length(min = 2, max = 255))]
    pub project: String,
    /// The CodeBuild project that plans, with read rights.
    #[schemars(length(min = 2, max = 255))]
    pub plan_project: String,
    /// The commit to plan from; without it, what the project's source says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub source_version: Option<String>,
}

/// How it is verified that the resource is back.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerificationPolicy {
    /// How long AWS may take to show the resource in its shape, as in 90s, 5m or 1h.
    #[serde(default = "default_timeout")]
    #[schemars(length(min = 2, max = 8))]
    #[x_kube(validation = ("self.matches('^[1-9][0-9]{0,4}(s|m|h)$')", "verification.timeout is a whole number and a unit: 90s, 5m or 1h"))]
    pub timeout: String,
    /// CEL over `resource`, the properties that AWS Cloud Control gives for it, and `change`; each must hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(min = 1, max = 1024)))]
    #[x_kube(merge_strategy = kube::core::ListMerge::Atomic)]
    pub expect: Vec<String>,
}

impl Default for VerificationPolicy {
    fn default() -> Self {
        Self { timeout: default_timeout(), expect: Vec::new() }
    }
}

fn default_timeout() -> String {
    "5m".to_owned()
}

/// When a plan looks for drift: what differs from the Terraform that owns it, and no event told of. Nothing is applied by it;
/// what it finds opens Incidents, and a human is asked about each, since nobody knows who did it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DriftPolicy {
    /// Minute, hour, day of month, month, day of week, as in a CronJob: "0 6 * * *".
    #[schemars(length(min = 9, max = 128))]
    #[x_kube(validation = ("self.matches('^[^ ]+( [^ ]+){4}$')", "drift.schedule has five fields, as a CronJob's: \"0 6 * * *\""))]
    pub schedule: String,
    /// The time zone of the schedule, as in Europe/Berlin; without it, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = ("self.matches('^[A-Za-z0-9_+/-]+$')", "drift.timeZone is a name of the time zone database, as in Europe/Berlin"))]
    pub time_zone: Option<String>,
}

/// The last plan that looked for drift in a workspace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DriftStatus {
    /// The workspace's name.
    #[schemars(length(max = 63))]
    pub workspace: String,
    /// When it was scheduled for.
    pub last_schedule_time: Time,
    /// The build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub build: Option<String>,
    /// What came of it; none while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub result: Option<String>,
}

/// One receiver of messages.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Notification {
    /// An SNS topic.
    pub sns: SnsTarget,
    /// Which transitions are told; empty: all that matter.
    #[serde(default)]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = kube::core::ListMerge::Atomic)]
    pub moments: Vec<Moment>,
}

/// An SNS topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SnsTarget {
    /// The topic's ARN.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = ("self.matches('^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:.+$')", "notifications[].sns.topicArn is the ARN of an SNS topic"))]
    pub topic_arn: String,
}

/// A transition that people are told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Moment {
    /// A verdict was reached on an event that Terraform's resource is concerned by.
    Detected,
    /// A human is asked.
    AwaitingApproval,
    /// An apply was committed to.
    Recovering,
    /// The resource is back.
    Recovered,
    /// It is not, and a human is needed.
    Failed,
    /// Nothing was to be done.
    Dismissed,
}

/// Whether the policy can be used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecoveryPolicyStatus {
    /// The generation of the spec that this status was written for.
    #[serde(default)]
    pub observed_generation: i64,
    /// Ready as soon as spec and grant are good; Stalled with NotGranted otherwise.
    #[serde(default)]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["type".into()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
    /// The last plan that looked for drift, by workspace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = kube::core::ListMerge::Atomic)]
    #[schemars(length(max = 32))]
    pub drift: Vec<DriftStatus>,
}
