//! Conditions by the Kubernetes API conventions and kstatus: `Ready`, `Reconciling`, `Stalled` for tools, the others
//! for people. Types and reasons are constants here and nowhere else.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::time::Time;

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Nobody knows yet.
    Unknown,
}

/// One aspect of the object's state, by the API conventions.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What the condition is about, e.g. Ready or Located.
    #[schemars(length(min = 1, max = 64))]
    pub r#type: String,
    /// True, False or Unknown.
    pub status: ConditionStatus,
    /// One stable word for why; programs may rely on it.
    #[schemars(length(min = 1, max = 64))]
    pub reason: String,
    /// The same for people, with the command that would move it on where there is one.
    #[schemars(length(max = 2048))]
    pub message: String,
    /// When the status last changed.
    pub last_transition_time: Time,
    /// The generation of the object that this was said of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// The types of conditions.
pub mod condition {
    /// The Incident has ended well, or the policy can be used.
    pub const READY: &str = "Ready";
    /// Work is going on, or waits for a time that it names.
    pub const RECONCILING: &str = "Reconciling";
    /// Nothing will happen until a human acts.
    pub const STALLED: &str = "Stalled";
    /// The inventory of a workspace says which Terraform addresses the resource has.
    pub const LOCATED: &str = "Located";
    /// A verdict was reached.
    pub const CLASSIFIED: &str = "Classified";
    /// A plan was made and judged.
    pub const PLANNED: &str = "Planned";
    /// The plan may be applied.
    pub const APPROVED: &str = "Approved";
    /// Of a policy: EventBridge's rules send the events that it matches.
    pub const EVENTS_DELIVERED: &str = "EventsDelivered";
    /// AWS confirms that the resource is back.
    pub const RECOVERED: &str = "Recovered";
}

/// The reasons in conditions, each stable.
pub mod reason {
    /// A step is being worked on.
    pub const PROGRESSING: &str = "Progressing";
    /// All is done.
    pub const SUCCEEDED: &str = "Succeeded";
    /// The inventory lists the resource.
    pub const IN_INVENTORY: &str = "InInventory";
    /// No inventory lists the resource: Terraform does not own it.
    pub const NOT_MANAGED: &str = "NotManaged";
    /// A workspace has not published an inventory, or it cannot be read.
    pub const INVENTORY_MISSING: &str = "InventoryMissing";
    /// The rules gave the verdict.
    pub const BY_RULES: &str = "ByRules";
    /// The model gave the verdict.
    pub const BY_BEDROCK: &str = "ByBedrock";
    /// Another Incident is about the same change.
    pub const DUPLICATE: &str = "Duplicate";
    /// What Reforge itself stands on was changed.
    pub const PLUMBING: &str = "Plumbing";
    /// A canary event has come through.
    pub const CANARY: &str = "Canary";
    /// A CodeBuild project is not as the install made it.
    pub const PROJECT_CHANGED: &str = "ProjectChanged";
    /// The verdict is Normal: nothing to recover.
    pub const NORMAL: &str = "Normal";
    /// A record that came later was judged.
    pub const BY_RECORD: &str = "ByRecord";
    /// AWS still carries the change out.
    pub const SETTLING: &str = "Settling";
    /// Another Incident recovers in the same workspace.
    pub const WORKSPACE_BUSY: &str = "WorkspaceBusy";
    /// The plan build runs.
    pub const PLANNING: &str = "Planning";
    /// The plan may go by itself.
    pub const CLEARED: &str = "Cleared";
    /// A human must approve.
    pub const APPROVAL_NEEDED: &str = "ApprovalNeeded";
    /// Nobody decided in time.
    pub const APPROVAL_EXPIRED: &str = "ApprovalExpired";
    /// The plan may be applied, but not now.
    pub const WAITING: &str = "Waiting";
    /// Everything, or this resource, actor or account, is on hold.
    pub const ON_HOLD: &str = "OnHold";
    /// A human approved.
    pub const APPROVED_BY_HUMAN: &str = "ApprovedByHuman";
    /// A human denied.
    pub const DENIED: &str = "Denied";
    /// The policy only observes.
    pub const OBSERVED: &str = "ObserveOnly";
    /// The gate refused the plan.
    pub const REFUSED: &str = "Refused";
    /// The plan is empty and nothing of ours covered it.
    pub const NOTHING_TO_RESTORE: &str = "NothingToRestore";
    /// What was changed is not in the Terraform.
    pub const NOT_COVERED: &str = "NotCoveredByTerraform";
    /// The apply build runs.
    pub const APPLYING: &str = "Applying";
    /// AWS is being asked whether the resource is back.
    pub const VERIFYING: &str = "Verifying";
    /// AWS says that the resource is back.
    pub const VERIFIED: &str = "Verified";
    /// AWS does not say that the resource is back.
    pub const VERIFICATION_FAILED: &str = "VerificationFailed";
    /// A build failed.
    pub const BUILD_FAILED: &str = "BuildFailed";
    /// A build took longer than its project allows.
    pub const BUILD_TIMED_OUT: &str = "BuildTimedOut";
    /// Somebody stopped a build.
    pub const BUILD_STOPPED: &str = "BuildStopped";
    /// Terraform's state lock is held.
    pub const STATE_LOCKED: &str = "StateLocked";
    /// The state moved between a plan and its apply.
    pub const PLAN_STALE: &str = "PlanStale";
    /// Somebody else applied in the workspace since the event.
    pub const STATE_MOVED: &str = "StateMoved";
    /// AWS wants fewer calls.
    pub const THROTTLED: &str = "Throttled";
    /// AWS or the apiserver refuses a call: a right is missing.
    pub const ACCESS_DENIED: &str = "AccessDenied";
    /// AWS has no such thing as was asked for.
    pub const NOT_FOUND: &str = "NotFound";
    /// A call was not accepted as it was made: its parameters, or the settings that they come from.
    pub const NOT_ACCEPTED: &str = "NotAccepted";
    /// Every attempt was used up.
    pub const ATTEMPTS_EXHAUSTED: &str = "AttemptsExhausted";
    /// The policy was deleted.
    pub const POLICY_GONE: &str = "PolicyGone";
    /// The policy is suspended.
    pub const SUSPENDED: &str = "Suspended";
    /// An AWS or Kubernetes call failed and will be tried again.
    pub const UNREACHABLE: &str = "Unreachable";
    /// No rule sends an event that the policy matches.
    pub const NO_RULE: &str = "NoRule";
    /// The policy says something that cannot be used.
    pub const INVALID: &str = "Invalid";
    /// The policy says something that only a newer version can read.
    pub const UNREADABLE: &str = "Unreadable";
    /// The policy names what its namespace was not granted.
    pub const NOT_GRANTED: &str = "NotGranted";
}

/// Sets a condition in `list`, keeping the transition time where the status did not change.
pub fn set_condition(
    list: &mut Vec<Condition>,
    r#type: &str,
    status: ConditionStatus,
    reason: &str,
    message: impl Into<String>,
    now: Time,
) {
    let mut message: String = message.into();
    if let Some((cut, _)) = message.char_indices().nth(2000) {
        message.truncate(cut);
        message.push('…');
    }
    let fresh = Condition {
        r#type: r#type.to_owned(),
        status,
        reason: reason.to_owned(),
        message,
        last_transition_time: now,
        observed_generation: None,
    };
    match list.iter_mut().find(|c| c.r#type == r#type) {
        Some(old) => {
            let since = if old.status == status { old.last_transition_time } else { now };
            *old = Condition { last_transition_time: since, ..fresh };
        }
        None => list.push(fresh),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_keeps_its_time_while_its_status_stays() {
        let mut list = Vec::new();
        set_condition(&mut list, condition::READY, ConditionStatus::False, reason::PROGRESSING, "a", Time(1));
        set_condition(&mut list, condition::READY, ConditionStatus::False, reason::PLANNING, "b", Time(2));
        assert_eq!((list.len(), list[0].last_transition_time, list[0].message.as_str()), (1, Time(1), "b"));
        set_condition(&mut list, condition::READY, ConditionStatus::True, reason::SUCCEEDED, "c", Time(3));
        assert_eq!(list[0].last_transition_time, Time(3));
    }
}
