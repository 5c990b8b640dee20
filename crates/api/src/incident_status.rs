//! `Incident.status`: where it stands, what was found, decided and done, and when.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::conditions::Condition;
use crate::event::{Actor, Origin};
use crate::time::Time;

/// What became of the event so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct IncidentStatus {
    /// The generation of the spec that this status was written for.
    #[serde(default)]
    pub observed_generation: i64,
    /// Where the Incident stands, for people; programs use the conditions. New values may be added.
    #[serde(default)]
    pub phase: Phase,
    /// How far the work has come. It never goes back, except from an apply that was not begun to the gate of that attempt.
    #[serde(default)]
    pub step: StepRef,
    /// Conditions by the Kubernetes conventions: Ready, Reconciling, Stalled, Located, Classified, Planned, Approved, Recovered.
    #[serde(default)]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["type".into()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
    /// What else was told of the same change, by other sources: the first reports, each dismissed as a duplicate of this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = kube::core::ListMerge::Atomic)]
    #[schemars(length(max = 16))]
    pub evidence: Vec<Evidence>,
    /// How many reports there are in all.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub evidence_total: u32,
    /// The Incident, as namespace/name, that is about the same change and goes on in place of this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub duplicate_of: Option<String>,
    /// The Terraform workspace that owns the resource, as its inventory says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<WorkspaceRef>,
    /// The verdict and where it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classification: Option<Classification>,
    /// The plan that was judged last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    /// What people were asked, while they are asked about that plan or after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Asked>,
    /// What the gate said of that plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateRecord>,
    /// The builds, and what was committed to.
    #[serde(default)]
    pub recovery: Recovery,
    /// What AWS said when asked whether the resource is back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<Verification>,
    /// What keeps the Incident from going on, while a call to AWS or the apiserver does not go well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Trouble>,
    /// When each thing happened.
    #[serde(default)]
    pub timeline: Timeline,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// A call that does not go well, and when it is tried again: nothing is asked and nothing is written before.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Trouble {
    /// What kind of fault it is.
    pub class: FaultClass,
    /// How often in a row it did not go well.
    pub tries: u32,
    /// Since when.
    pub since: Time,
    /// When it is tried again.
    pub next_try_time: Time,
}

/// The kinds of fault, by what follows from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub enum FaultClass {
    /// Fewer calls are wanted.
    Throttled,
    /// The caller may not.
    Denied,
    /// There is no such thing.
    Absent,
    /// It may go well the next time.
    Transient,
    /// Reforge or its settings are at fault.
    Ours,
}

/// Another report of the same change.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// When it happened, by this report.
    pub time: Time,
    /// Who reported it.
    pub origin: Origin,
    /// The report's id.
    #[schemars(length(max = 128))]
    pub id: String,
    /// The API call, or what the source calls it.
    #[schemars(length(max = 128))]
    pub name: String,
    /// The service.
    #[schemars(length(max = 128))]
    pub source: String,
    /// Who did it, where the report says so.
    pub actor: Actor,
    /// The Incident that the report opened.
    #[schemars(length(max = 512))]
    pub incident: String,
}

impl Evidence {
    /// The record among the reports that says who did it, if one came. Where several did, nobody can tell which of the
    /// calls it was.
    pub fn only_record(reports: &[Self]) -> Option<&Self> {
        let mut records = reports.iter().filter(|e| e.origin == Origin::CloudTrail);
        records.next().filter(|_| records.next().is_none())
    }
}

/// Where an Incident stands, for people.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
pub enum Phase {
    /// The event was taken in.
    #[default]
    Detected,
    /// A verdict was reached; the plan is being made.
    Classified,
    /// A human is asked.
    AwaitingApproval,
    /// The plan is being applied and verified.
    Recovering,
    /// AWS confirms that the resource is back.
    Recovered,
    /// It did not come back, and nothing more will be tried without a human.
    Failed,
    /// There is nothing for Reforge to do.
    Dismissed,
}

/// The attempt and the step within it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub struct StepRef {
    /// Counts plans: planning again, for whatever reason, is a new attempt.
    pub attempt: u32,
    /// The step within the attempt.
    pub name: StepName,
}

/// The steps, in the order in which they are taken.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
pub enum StepName {
    /// Find the workspace and the addresses.
    #[default]
    Locate,
    /// Reach a verdict.
    Classify,
    /// Wait until AWS has carried the change out.
    Settle,
    /// Have the plan made.
    Plan,
    /// Judge the plan; wait for a human where the policy asks for one.
    Gate,
    /// Have that very plan applied.
    Apply,
    /// Ask AWS.
    Verify,
    /// Nothing more to do.
    Ended,
}

/// The Terraform workspace that owns the resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkspaceRef {
    /// The workspace's name in the policy.
    #[schemars(length(max = 63))]
    pub name: String,
    /// Bucket and key of the state: what the workspace's lease is keyed by.
    #[schemars(length(max = 1200))]
    pub backend: String,
    /// The Terraform addresses that are this resource, and what hangs on it: the first of them.
    #[x_kube(merge_strategy = kube::core::ListMerge::Atomic)]
    #[schemars(length(max = 32))]
    pub addresses: Vec<String>,
    /// How many further addresses there are that are not listed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub addresses_unlisted: u32,
}

/// A verdict and where it came from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Classification {
    /// Failure, Tampering or Normal.
    pub verdict: Verdict,
    /// How sure, 0 to 100.
    #[schemars(range(min = 0, max = 100))]
    pub confidence_percent: u8,
    /// Who said so.
    pub by: Judge,
    /// The model that was asked, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub model: Option<String>,
    /// The id of the report that was judged, where it is not the Incident's own event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub record: Option<String>,
    /// Why, in a sentence or two; says so when the model could not be used.
    #[schemars(length(max = 1024))]
    pub reason: String,
    /// Model tokens read, over all tries.
    #[serde(default)]
    pub input_tokens: u32,
    /// Model tokens written, over all tries.
    #[serde(default)]
    pub output_tokens: u32,
}

/// What an event amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Verdict {
    /// A resource is lost or stopped.
    Failure,
    /// A resource was changed by somebody who should not have.
    Tampering,
    /// Expected work.
    Normal,
}

/// Who reached the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Judge {
    /// The built-in rules.
    Rules,
    /// A model on Amazon Bedrock, within what the rules allow.
    Bedrock,
}

/// A plan that was made, without values.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The id of the plan build.
    #[schemars(length(max = 256))]
    pub build: String,
    /// SHA-256 of the plan's summary, which holds that of the plan: what an apply is bound to.
    #[schemars(length(min = 64, max = 64))]
    pub digest: String,
    /// What would be done, as a digest: what an approval is bound to. A new plan that would do the same has the same.
    #[schemars(length(min = 64, max = 64))]
    pub change_digest: String,
    /// The commit that was planned.
    #[schemars(length(max = 256))]
    pub source_version: String,
    /// The policy's generation when the plan was judged.
    pub policy_generation: i64,
    /// The policy's UID when the plan was judged.
    #[schemars(length(max = 64))]
    pub policy_uid: String,
    /// The addresses that the plan was limited to; empty: everything.
    #[serde(default)]
    #[x_kube(merge_strategy = kube::core::ListMerge::Atomic)]
    #[schemars(length(max = 32))]
    pub targets: Vec<String>,
    /// Whether the Terraform takes what it is offered to bring data back from.
    #[serde(default)]
    pub restores_data: bool,
    /// How many changes there are in all.
    pub changes_total: u32,
    /// The first changes.
    #[serde(default)]
    #[x_kube(merge_strategy = kube::core::ListMerge::Atomic)]
    #[schemars(length(max = 32))]
    pub changes: Vec<PlannedChange>,
    /// Addresses of changes that no cleared Incident explains.
    #[serde(default)]
    #[x_kube(merge_strategy = kube::core::ListMerge::Atomic)]
    #[schemars(length(max = 32))]
    pub unexplained: Vec<String>,
}

/// One change in a plan, without values.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlannedChange {
    /// The Terraform address.
    #[schemars(length(max = 1024))]
    pub address: String,
    /// The Terraform type.
    #[schemars(length(max = 128))]
    pub r#type: String,
    /// What Terraform would do: create, update, delete; a replacement has two.
    #[schemars(length(max = 4))]
    pub actions: Vec<String>,
    /// The names of the attributes that differ.
    #[serde(default)]
    #[x_kube(merge_strategy = kube::core::ListMerge::Atomic)]
    #[schemars(length(max = 64))]
    pub attributes: Vec<String>,
}

/// What people were asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Asked {
    /// What they decide on: `status.plan.changeDigest`.
    #[schemars(length(min = 64, max = 64))]
    pub change_digest: String,
    /// When they were first asked about it; None: not yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<Time>,
    /// When they were reminded, halfway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reminded_at: Option<Time>,
    /// When it is too late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// What is different from the plan that was asked about before, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub changed: Option<String>,
    /// When the operator first saw which decision: from then it counts, and for so long.
    #[serde(default)]
    #[x_kube(merge_strategy = kube::core::ListMerge::Atomic)]
    #[schemars(length(max = 64))]
    pub seen: Vec<SeenApproval>,
}

/// When the operator first saw a decision.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SeenApproval {
    /// Whose.
    #[schemars(length(max = 256))]
    pub by: String,
    /// On what.
    #[schemars(length(max = 64))]
    pub change_digest: String,
    /// When.
    pub at: Time,
}

/// What the gate said.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct GateRecord {
    /// Go, Ask, Wait, Expired, Denied, PlanAgain, Refuse, Nothing or ObserveOnly.
    #[schemars(length(max = 32))]
    pub decision: String,
    /// Why, as the engineer on call would want to read it.
    #[x_kube(merge_strategy = kube::core::ListMerge::Atomic)]
    #[schemars(length(max = 32))]
    pub reasons: Vec<String>,
}

/// The builds, and what was committed to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Recovery {
    /// The build that is wanted, written before it is started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<Intent>,
    /// The digest that an apply is committed to; recorded before the apply build is started, and forgotten with its attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 64, max = 64))]
    pub committed_to: Option<String>,
    /// The commit that the last apply that succeeded was of; empty where it is not known. None: no apply of this Incident has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub applied_version: Option<String>,
    /// The build that runs or ran last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<BuildRef>,
    /// Every build, oldest first: there are no more than two for each attempt.
    #[serde(default)]
    #[x_kube(merge_strategy = kube::core::ListMerge::Atomic)]
    #[schemars(length(max = 64))]
    pub builds: Vec<BuildRef>,
    /// How many attempts failed; compared with the policy's `recovery.maxAttempts`.
    #[serde(default)]
    pub failures: u32,
    /// When the next attempt is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt_time: Option<Time>,
    /// How the last build that failed did so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<BuildFailure>,
    /// The commit that the last attempt was planned from, in place of the present one, since that could not be applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub rolled_back_to: Option<String>,
}

/// How a build failed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BuildFailure {
    /// The build's id.
    #[schemars(length(max = 256))]
    pub build: String,
    /// Its own word for why, e.g. StateLocked or ApplyFailed; else CodeBuild's status.
    #[schemars(length(max = 64))]
    pub reason: String,
    /// What Terraform said last.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 2100))]
    pub said: String,
}

/// A build that is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Intent {
    /// Plan or Apply.
    pub kind: BuildKind,
    /// The addresses to plan for; empty: everything.
    #[serde(default)]
    #[x_kube(merge_strategy = kube::core::ListMerge::Atomic)]
    #[schemars(length(max = 32))]
    pub targets: Vec<String>,
    /// When it was first wanted.
    pub since: Time,
    /// How often the start was tried; counted before each try. One that has certainly started nothing is not counted.
    #[serde(default)]
    pub tries: u32,
    /// When the start was tried last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_try_time: Option<Time>,
}

/// What a build is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
pub enum BuildKind {
    /// Reads, and publishes a plan.
    Plan,
    /// Applies a plan.
    Apply,
}

/// One CodeBuild build.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BuildRef {
    /// Plan or Apply.
    pub kind: BuildKind,
    /// CodeBuild's id, `<project>:<uuid>`.
    #[schemars(length(max = 256))]
    pub id: String,
    /// Where its log can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub url: Option<String>,
    /// CodeBuild's status, e.g. IN_PROGRESS or SUCCEEDED.
    #[schemars(length(max = 32))]
    pub status: String,
    /// When it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Time>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Time>,
}

/// What AWS said when asked whether the resource is back.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// What was checked.
    #[x_kube(merge_strategy = kube::core::ListMerge::Atomic)]
    #[schemars(length(max = 16))]
    pub checks: Vec<Check>,
    /// The id that the resource has now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub new_id: Option<String>,
    /// The ARN that the resource has now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub new_arn: Option<String>,
    /// Whether the data is back: shape is not data.
    pub data: Data,
}

impl Verification {
    /// Whether every check passed; without any, nobody can tell.
    pub fn passed(&self) -> bool {
        !self.checks.is_empty() && self.checks.iter().all(|c| c.passed)
    }
}

/// One question to AWS and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// What was asked.
    #[schemars(length(max = 128))]
    pub name: String,
    /// Whether the answer is as it should be.
    pub passed: bool,
    /// The answer.
    #[schemars(length(max = 512))]
    pub detail: String,
}

/// Whether the resource's data is back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Data {
    /// The type holds no data beside its Terraform, or the data was never gone.
    Intact,
    /// The resource was created anew and is empty.
    Empty,
    /// Nobody can tell.
    Unknown,
}

/// When each thing happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Timeline {
    /// When the call was made, by CloudTrail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_time: Option<Time>,
    /// When the Incident was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detected_at: Option<Time>,
    /// When the verdict was reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classified_at: Option<Time>,
    /// When AWS had carried the change out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_at: Option<Time>,
    /// When the last plan was ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned_at: Option<Time>,
    /// When the plan was cleared, by policy or by a human.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_at: Option<Time>,
    /// When the last apply was committed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovering_at: Option<Time>,
    /// When the Incident ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Time>,
    /// From the event to the Incident, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub time_to_detect: Option<String>,
    /// From the event to the recovery, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub time_to_recover: Option<String>,
}
