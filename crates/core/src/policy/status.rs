//! What a policy's status says: whether it is used, and whether the events that it matches are sent at all.

use reforge_api::{
    Condition, ConditionStatus, RecoveryPolicy, RecoveryPolicyStatus, Time, condition, reason, set_condition,
};

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

/// What is said of a policy that this version cannot read, beside whatever a newer one said of it; None: it stands there already.
/// Only what whoever can read it writes each time, so that nothing of it is left then.
pub fn unreadable(said: &[Condition], why: &str, now: Time) -> Option<Vec<Condition>> {
    let message = format!(
        "This version of Reforge cannot read the policy: {why}. What it may take waits in the queue; upgrade the operator, or take back what a newer version brought"
    );
    let told = [condition::READY, condition::STALLED];
    let mut conditions: Vec<Condition> = said.iter().filter(|c| told.contains(&c.r#type.as_str())).cloned().collect();
    for (r#type, holds) in [(condition::READY, ConditionStatus::False), (condition::STALLED, ConditionStatus::True)] {
        set_condition(&mut conditions, r#type, holds, reason::UNREADABLE, message.clone(), now);
    }
    let is_new = !conditions.iter().all(|c| said.contains(c));
    is_new.then_some(conditions)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::grants::Grant;
    use crate::policy::schedule::tests::policy;

    fn said(status: &RecoveryPolicyStatus, r#type: &str) -> Option<(ConditionStatus, String)> {
        let condition = status.conditions.iter().find(|c| c.r#type == r#type)?;
        Some((condition.status, format!("{}: {}", condition.reason, condition.message)))
    }

    #[test]
    fn a_policy_that_cannot_be_used_is_not_ready_and_stalled_until_somebody_mends_it() {
        let mut policy = policy();
        policy.metadata.generation = Some(3);
        let granted = Grants(vec![Grant::everything("shop".into())]);
        let (status, used) = status_of(&policy, &granted, None, Time(0));
        assert!(used);
        assert_eq!(status.observed_generation, 3);
        let is = |holds| Some((holds, "Succeeded: The policy is used".to_owned()));
        assert_eq!(said(&status, condition::READY), is(ConditionStatus::True));
        assert_eq!(said(&status, condition::STALLED), is(ConditionStatus::False));
        assert_eq!(said(&status, condition::EVENTS_DELIVERED), None, "nobody knows the rules");

        let (status, used) = status_of(&policy, &Grants::default(), None, Time(0));
        assert!(!used);
        let (ready, why) = said(&status, condition::READY).expect("it says");
        assert_eq!(ready, ConditionStatus::False);
        assert!(why.starts_with("NotGranted: namespace shop was granted nothing"), "{why}");
        assert_eq!(said(&status, condition::STALLED), Some((ConditionStatus::True, why)));
    }

    #[test]
    fn events_that_no_rule_sends_are_named_and_the_policy_is_used_all_the_same() {
        let granted = Grants(vec![Grant::everything("shop".into())]);
        let told = |missing: usize| {
            let missing: Vec<String> = (0..missing).map(|i| format!("e{i}")).collect();
            let (status, used) = status_of(&policy(), &granted, Some(&missing), Time(0));
            assert!(used);
            said(&status, condition::EVENTS_DELIVERED).expect("it says")
        };
        assert_eq!(told(0).0, ConditionStatus::True);
        let (delivered, five) = told(5);
        assert_eq!(delivered, ConditionStatus::False);
        assert!(five.contains("sends e0, e1, e2, e3, e4; give"), "{five}");
        assert!(told(7).1.contains("e4 and 2 more; give"));
    }

    #[test]
    fn what_is_said_of_an_unreadable_policy_is_said_once_and_of_two_conditions_alone() {
        let mut said = Vec::new();
        for r#type in [condition::READY, condition::EVENTS_DELIVERED] {
            set_condition(&mut said, r#type, ConditionStatus::True, reason::SUCCEEDED, "before", Time(1));
        }
        let first = unreadable(&said, "unknown variant", Time(2)).expect("it is new");
        let types: Vec<&str> = first.iter().map(|c| c.r#type.as_str()).collect();
        assert_eq!(types, [condition::READY, condition::STALLED]);
        let ready = &first[0];
        assert_eq!((ready.status, ready.last_transition_time), (ConditionStatus::False, Time(2)));
        assert!(ready.message.contains("unknown variant") && ready.message.contains("upgrade the operator"));
        assert_eq!(unreadable(&first, "unknown variant", Time(3)), None, "it stands there");
        let again = unreadable(&first, "missing field", Time(4)).expect("of another fault");
        assert_eq!(again[0].last_transition_time, Time(2), "it has not changed since");
    }
}
