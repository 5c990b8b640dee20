//! What stands before an effect: who may not start anything now, who is at work, what is looked for first, what must still hold.

use reforge_api::{
    Condition, ConditionStatus, IncidentStatus, Intent, Recovery, RecoveryPolicySpec, StepName, Time, condition, reason,
};

/// For so long what was decided may be carried out, in seconds: the clock is not in the resourceVersion, and a replica can be
/// held up between a decision and its effect.
const RECENT: i64 = 60;
/// CodeBuild honours an idempotency token for five minutes; after four, what was started is looked up first.
const TOKEN_SECONDS: i64 = 240;

/// Whether a start of the wanted build may have been carried out: it was tried, and no build is known.
pub fn may_have_started(recovery: &Recovery) -> bool {
    recovery.build.is_none() && recovery.intent.as_ref().is_some_and(|i| i.tries > 0)
}

/// Whether nothing may be done for the Incident: it is on hold, or its policy is suspended. What runs already, or may, is
/// seen to its end.
pub fn is_held(status: &IncidentStatus, policy: &RecoveryPolicySpec, hold: Option<&str>) -> bool {
    let runs = match status.step.name {
        StepName::Plan | StepName::Apply => status.recovery.build.is_some() || may_have_started(&status.recovery),
        StepName::Verify => true,
        _ => false,
    };
    (policy.suspend || hold.is_some()) && !runs
}

/// Whether an Incident is about to do something in its workspace. One that waits, for a human or for a time, is not;
/// whether a build of its own still runs is looked at apart.
pub fn works(status: &IncidentStatus) -> bool {
    let says = |r#type: &str, why: Option<&str>| {
        let holds = |c: &&Condition| c.r#type == r#type && c.status == ConditionStatus::True;
        status.conditions.iter().filter(holds).any(|c| why.is_none_or(|why| c.reason == why))
    };
    let stalled = says(condition::STALLED, None);
    let recovery = &status.recovery;
    match status.step.name {
        // A start that may have been carried out holds the workspace, whatever else is said of the Incident.
        StepName::Plan | StepName::Apply if may_have_started(recovery) => true,
        StepName::Plan | StepName::Apply => {
            let pauses = recovery.next_attempt_time.is_some() || status.trouble.is_some();
            !stalled && (recovery.build.is_some() || !pauses)
        }
        StepName::Gate => !stalled && status.trouble.is_none() && !says(condition::RECONCILING, Some(reason::WAITING)),
        _ => false,
    }
}

/// Whether the decision to start the build is recent enough to be carried out: windows close, and approvals expire.
pub fn is_recent(intent: &Intent, now: Time) -> bool {
    intent.last_try_time.is_some_and(|at| now.millis_since(at) <= RECENT * 1000)
}

/// Whether a build is looked for before it is started: the token alone may no longer find it.
pub fn looks_first(intent: &Intent, now: Time) -> bool {
    intent.tries > 1 || now.millis_since(intent.since) > TOKEN_SECONDS * 1000
}

/// Whether the plan that is to be applied is committed to, under the policy that it was judged by.
pub fn still_stands(status: &IncidentStatus, policy_uid: &str, policy_generation: i64, suspended: bool) -> bool {
    status.plan.as_ref().is_some_and(|plan| {
        plan.policy_uid == policy_uid
            && plan.policy_generation == policy_generation
            && !suspended
            && status.recovery.committed_to.as_deref() == Some(plan.digest.as_str())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::fixture::{planned, policy, view};
    use reforge_api::BuildKind;

    #[test]
    fn what_was_tried_before_or_long_ago_is_looked_for_before_it_is_started() {
        let looks = |tries: u32, seconds: i64| {
            let since = Time(0);
            let intent = Intent { kind: BuildKind::Plan, targets: Vec::new(), since, tries, last_try_time: None };
            looks_first(&intent, Time(seconds * 1000))
        };
        assert!(!looks(1, 0) && !looks(1, 240), "the token alone finds it");
        assert!(looks(2, 0) && looks(1, 241));
    }

    #[test]
    fn a_plan_stands_while_it_is_committed_to_under_the_policy_that_it_was_judged_by() {
        let status = planned(StepName::Apply, &["t.a"]).status;
        assert!(still_stands(&status, "u", 1, false));
        assert!(!still_stands(&status, "another", 1, false));
        assert!(!still_stands(&status, "u", 2, false));
        assert!(!still_stands(&status, "u", 1, true), "it is suspended");
        let with = |committed: Option<&str>| {
            let mut status = status.clone();
            status.recovery.committed_to = committed.map(str::to_owned);
            still_stands(&status, "u", 1, false)
        };
        assert!(!with(None) && !with(Some("another")));
        assert!(!still_stands(&IncidentStatus::default(), "u", 1, false), "there is no plan");
    }

    #[test]
    fn on_hold_nothing_is_begun_and_what_was_applied_is_verified() {
        let held = |step: StepName| {
            let mut view = view(step);
            policy(&mut view).suspend = true;
            let spec = policy(&mut view).clone();
            is_held(&view.status, &spec, None)
        };
        assert!(
            [StepName::Locate, StepName::Classify, StepName::Plan, StepName::Gate, StepName::Apply].map(held)
                == [true; 5]
        );
        assert!(!held(StepName::Verify));
    }
}
