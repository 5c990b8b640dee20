//! What a policy's status says: whether it is used, and whether the events that it matches are sent at all.

use reforge_api::{ConditionStatus, RecoveryPolicy, RecoveryPolicyStatus, Time, condition, reason, set_condition};

use super::grants::Grants;
use super::select::validate;

/// The status with its conditions, and whether the policy can be used. `undelivered` are the events that it matches and no rule
/// sends; None: nobody knows the rules.
pub fn status_of(
    policy: &RecoveryPolicy,
    grants: &Grants,
    undelivered: Option<&[String]>,
    now: Time,
) -> (RecoveryPolicyStatus, bool) {
    let mut status = policy.status.clone().unwrap_or_default();
    status.observed_generation = policy.metadata.generation.unwrap_or_default();
    let (ready, stalled, why, message) = match validate(policy, grants) {
        Ok(()) => (ConditionStatus::True, ConditionStatus::False, reason::SUCCEEDED, "The policy is used".to_owned()),
        Err(unusable) => (
            ConditionStatus::False,
            ConditionStatus::True,
            unusable.reason(),
            format!("{unusable}; change the policy, or extend settings.grants of the operator"),
        ),
    };
    set_condition(&mut status.conditions, condition::READY, ready, why, message.clone(), now);
    set_condition(&mut status.conditions, condition::STALLED, stalled, why, message, now);
    if let Some((delivered, why, message)) = undelivered.map(delivery) {
        set_condition(&mut status.conditions, condition::EVENTS_DELIVERED, delivered, why, message, now);
    }
    (status, ready == ConditionStatus::True)
}

/// Whether the rules send what the policy matches. It does not make the policy unusable: a rule of somebody else's may.
fn delivery(missing: &[String]) -> (ConditionStatus, &'static str, String) {
    if missing.is_empty() {
        return (ConditionStatus::True, reason::SUCCEEDED, "Rules send every event that it matches".to_owned());
    }
    let shown = missing.iter().take(5).map(String::as_str).collect::<Vec<_>>().join(", ");
    let message = format!(
        "No rule of settings.eventPatterns sends {shown}{}; give the Terraform module what reforge event-pattern --policies prints",
        if missing.len() > 5 { format!(" and {} more", missing.len() - 5) } else { String::new() }
    );
    (ConditionStatus::False, reason::NO_RULE, message)
}
