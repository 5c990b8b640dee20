//! The moves that [`super::decide`] makes, each written once: what a status looks like after it. Pure.

use crate::api::{
    BuildKind, BuildRef, ConditionStatus, IncidentStatus, Intent, Phase, StepName, Time, condition, duration, reason,
    set_condition,
};

/// The most builds that a status remembers.
const MAX_BUILDS: usize = 16;

/// How an Incident ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// AWS confirms that the resource is back.
    Recovered,
    /// A human is needed.
    Failed,
    /// There was nothing to do.
    Dismissed,
}

/// Sets one of the conditions that are for people.
pub fn say(status: &mut IncidentStatus, r#type: &str, holds: ConditionStatus, why: &str, message: &str, now: Time) {
    set_condition(&mut status.conditions, r#type, holds, why, message, now);
}

/// Work goes on, or waits for what the message names.
pub fn progress(status: &mut IncidentStatus, why: &str, message: &str, now: Time) {
    say(status, condition::READY, ConditionStatus::False, why, message, now);
    say(status, condition::RECONCILING, ConditionStatus::True, why, message, now);
    say(status, condition::STALLED, ConditionStatus::False, why, message, now);
    status.phase = phase_of(status);
}

/// Nothing will happen until somebody does what the message says.
pub fn stall(status: &mut IncidentStatus, why: &str, message: &str, now: Time) {
    say(status, condition::READY, ConditionStatus::False, why, message, now);
    say(status, condition::RECONCILING, ConditionStatus::False, why, message, now);
    say(status, condition::STALLED, ConditionStatus::True, why, message, now);
    status.phase = phase_of(status);
}

/// Ends the Incident; it stays ended.
pub fn end(status: &mut IncidentStatus, how: Ending, why: &str, message: &str, now: Time) {
    status.step.name = StepName::Ended;
    status.recovery.intent = None;
    status.recovery.next_attempt_time = None;
    status.timeline.ended_at = Some(now);
    match how {
        Ending::Failed => stall(status, why, message, now),
        Ending::Recovered | Ending::Dismissed => {
            say(status, condition::READY, ConditionStatus::True, why, message, now);
            say(status, condition::RECONCILING, ConditionStatus::False, why, message, now);
            say(status, condition::STALLED, ConditionStatus::False, why, message, now);
        }
    }
    if how == Ending::Recovered {
        say(status, condition::RECOVERED, ConditionStatus::True, why, message, now);
        let since = status.timeline.event_time.unwrap_or(now);
        status.timeline.time_to_recover = Some(duration(now.millis_since(since)));
    } else {
        say(status, condition::RECOVERED, ConditionStatus::False, why, message, now);
    }
    status.phase = phase_of(status);
}

/// Begins a new attempt: a plan for `targets`.
pub fn plan_again(status: &mut IncidentStatus, targets: Vec<String>, why: &str, message: &str, now: Time) {
    status.step.attempt += 1;
    status.step.name = StepName::Plan;
    want(status, BuildKind::Plan, targets, now);
    progress(status, why, message, now);
}

/// Counts a failed attempt, and tries again after a pause or gives up.
pub fn failed(status: &mut IncidentStatus, max_attempts: u32, why: &str, message: &str, now: Time) {
    status.recovery.failures += 1;
    let failures = status.recovery.failures;
    if failures >= max_attempts {
        let message = format!("{message}. All {failures} attempts that the policy allows failed; a human is needed");
        return end(status, Ending::Failed, reason::ATTEMPTS_EXHAUSTED, &message, now);
    }
    let pause = pause_seconds(failures);
    let message = format!("{message}. Attempt {} of {max_attempts} follows in {pause} s", failures + 1);
    plan_again(status, Vec::new(), why, &message, now);
    status.recovery.next_attempt_time = Some(now.plus_seconds(pause));
}

/// Wants a build: the intent is in the status before anything is started.
pub fn want(status: &mut IncidentStatus, kind: BuildKind, targets: Vec<String>, now: Time) {
    status.recovery.intent = Some(Intent { kind, targets, since: now, tries: 0 });
    status.recovery.build = None;
    status.recovery.next_attempt_time = None;
}

/// Records what is known of the build that runs.
pub fn record_build(status: &mut IncidentStatus, build: BuildRef) {
    let builds = &mut status.recovery.builds;
    match builds.iter_mut().find(|b| b.id == build.id) {
        Some(known) => known.clone_from(&build),
        None => builds.push(build.clone()),
    }
    let surplus = builds.len().saturating_sub(MAX_BUILDS);
    builds.drain(..surplus);
    status.recovery.build = Some(build);
}

/// The phase follows from the conditions and the step; it is never set otherwise.
pub fn phase_of(status: &IncidentStatus) -> Phase {
    let is = |r#type: &str, wanted: ConditionStatus| {
        status.conditions.iter().any(|c| c.r#type == r#type && c.status == wanted)
    };
    let asked =
        status.conditions.iter().any(|c| c.r#type == condition::APPROVED && c.reason == reason::APPROVAL_NEEDED);
    match status.step.name {
        StepName::Ended if is(condition::RECOVERED, ConditionStatus::True) => Phase::Recovered,
        StepName::Ended if is(condition::STALLED, ConditionStatus::True) => Phase::Failed,
        StepName::Ended => Phase::Dismissed,
        StepName::Gate if asked => Phase::AwaitingApproval,
        StepName::Apply | StepName::Verify => Phase::Recovering,
        _ if is(condition::CLASSIFIED, ConditionStatus::True) => Phase::Classified,
        _ => Phase::Detected,
    }
}

/// 10 s, doubled with each failure, 10 min at most.
fn pause_seconds(failures: u32) -> i64 {
    (10_i64 << failures.saturating_sub(1).min(6)).min(600)
}
