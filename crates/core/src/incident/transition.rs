//! The moves that [`super::decide`] makes, each written once: what a status looks like after it.

use reforge_api::{
    BuildKind, BuildRef, ConditionStatus, IncidentStatus, Intent, Phase, RecoverySpec, RollbackMode, StepName, Time,
    condition, duration, duration_millis, reason, set_condition,
};
use sha2::{Digest, Sha256};

/// What the conditions say that have nothing to add: the whole sentence stands once.
const AS_READY: &str = "As Ready says";

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
    say(status, condition::RECONCILING, ConditionStatus::True, why, AS_READY, now);
    say(status, condition::STALLED, ConditionStatus::False, why, AS_READY, now);
    status.phase = phase_of(status);
}

/// Nothing will happen until somebody does what the message says.
pub fn stall(status: &mut IncidentStatus, why: &str, message: &str, now: Time) {
    say(status, condition::READY, ConditionStatus::False, why, message, now);
    say(status, condition::RECONCILING, ConditionStatus::False, why, AS_READY, now);
    say(status, condition::STALLED, ConditionStatus::True, why, AS_READY, now);
    status.phase = phase_of(status);
}

/// Ends the Incident; it stays ended.
pub fn end(status: &mut IncidentStatus, how: Ending, why: &str, message: &str, now: Time) {
    status.step.name = StepName::Ended;
    status.trouble = None;
    status.recovery.intent = None;
    status.recovery.next_attempt_time = None;
    status.timeline.ended_at = Some(now);
    match how {
        Ending::Failed => stall(status, why, message, now),
        Ending::Recovered | Ending::Dismissed => {
            say(status, condition::READY, ConditionStatus::True, why, message, now);
            say(status, condition::RECONCILING, ConditionStatus::False, why, AS_READY, now);
            say(status, condition::STALLED, ConditionStatus::False, why, AS_READY, now);
        }
    }
    if how == Ending::Recovered {
        say(status, condition::RECOVERED, ConditionStatus::True, why, AS_READY, now);
        let since = status.timeline.event_time.unwrap_or(now);
        status.timeline.time_to_recover = Some(duration(now.millis_since(since)));
    } else {
        say(status, condition::RECOVERED, ConditionStatus::False, why, AS_READY, now);
    }
    status.phase = phase_of(status);
}

/// Begins a new attempt: a plan for `targets`.
pub fn plan_again(status: &mut IncidentStatus, targets: Vec<String>, why: &str, message: &str, now: Time) {
    status.step.attempt += 1;
    status.step.name = StepName::Plan;
    status.trouble = None;
    status.recovery.committed_to = None;
    want(status, BuildKind::Plan, targets, now);
    progress(status, why, message, now);
}

/// What becomes of a failed attempt.
#[derive(Clone, Copy, Debug)]
pub struct Retries<'a> {
    /// What the policy says.
    pub policy: &'a RecoverySpec,
    /// The last source version that recovered well in the workspace, where one is known.
    pub last_successful: Option<&'a str>,
    /// The Incident's name: what spreads the pauses.
    pub name: &'a str,
}

/// Takes an apply that was not begun back to the gate of its attempt.
pub fn back_to_the_gate(status: &mut IncidentStatus) {
    status.step.name = StepName::Gate;
    status.trouble = None;
    status.recovery.committed_to = None;
    status.recovery.intent = None;
    status.recovery.next_attempt_time = None;
}

/// Counts a failed attempt; tries again after a pause, once more from what recovered well before, or gives up.
pub fn failed(status: &mut IncidentStatus, retries: &Retries<'_>, why: &str, message: &str, now: Time) {
    status.recovery.failures += 1;
    let (failures, max_attempts) = (status.recovery.failures, retries.policy.max_attempts);
    if failures < max_attempts {
        let pause = pause_seconds(retries, failures);
        let message = format!("{message}. Attempt {} of {max_attempts} follows in {pause} s", failures + 1);
        plan_again(status, Vec::new(), why, &message, now);
        status.recovery.next_attempt_time = Some(now.plus_seconds(pause));
        return;
    }
    if let Some(version) = rollback(status, retries) {
        let message = format!(
            "{message}. All {max_attempts} attempts failed; the policy's rollback plans from {version}, which recovered well before"
        );
        status.recovery.rolled_back_to = Some(version);
        return plan_again(status, Vec::new(), why, &message, now);
    }
    let message = format!("{message}. All {failures} attempts that the policy allows failed; a human is needed");
    end(status, Ending::Failed, reason::ATTEMPTS_EXHAUSTED, &message, now);
}

/// The source version to go back to: once, and only if it is known and another than the one that failed.
fn rollback(status: &IncidentStatus, retries: &Retries<'_>) -> Option<String> {
    if retries.policy.rollback.mode == RollbackMode::None || status.recovery.rolled_back_to.is_some() {
        return None;
    }
    let failed = status.plan.as_ref().map(|p| p.source_version.as_str());
    let is_another = |version: &&str| !version.is_empty() && Some(*version) != failed;
    retries.last_successful.filter(is_another).map(str::to_owned)
}

/// Wants a build: the intent is in the status before anything is started.
pub fn want(status: &mut IncidentStatus, kind: BuildKind, targets: Vec<String>, now: Time) {
    status.recovery.intent = Some(Intent { kind, targets, since: now, tries: 0, last_try_time: None });
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

/// The policy's first pause, doubled with each failure, its longest at most, and up to a fifth more.
fn pause_seconds(retries: &Retries<'_>, failures: u32) -> i64 {
    let seconds = |text: &str| duration_millis(text).unwrap_or(600_000) / 1000;
    let backoff = &retries.policy.backoff;
    let pause = seconds(&backoff.initial).saturating_mul(1 << failures.saturating_sub(1).min(16));
    let pause = pause.min(seconds(&backoff.max));
    spread(pause, retries.name, failures)
}

/// A pause and up to a fifth more: many do not come back at once, and each comes back at the same time whichever release asks.
pub fn spread(pause: i64, name: &str, count: u32) -> i64 {
    let digest = Sha256::digest(format!("{name}/{count}"));
    let share = i64::from(u16::from_be_bytes([digest[0], digest[1]])) % 1000;
    pause + pause * share / 5000
}

#[cfg(test)]
mod tests {
    use super::*;
    use reforge_api::{Backoff, Rollback};

    fn policy(rollback: RollbackMode) -> RecoverySpec {
        let backoff = Backoff { initial: "30s".into(), max: "2m".into() };
        RecoverySpec { max_attempts: 5, backoff, rollback: Rollback { mode: rollback }, ..RecoverySpec::default() }
    }

    fn fail(status: &mut IncidentStatus, policy: &RecoverySpec, name: &str) {
        let retries = Retries { policy, last_successful: Some("good"), name };
        failed(status, &retries, reason::BUILD_FAILED, "It failed", Time(0));
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_are_spread() {
        let policy = policy(RollbackMode::None);
        let pauses = |name: &str| {
            let mut status = IncidentStatus::default();
            let next = |_| {
                fail(&mut status, &policy, name);
                status.recovery.next_attempt_time.expect("a next attempt").0 / 1000
            };
            (0..4).map(next).collect::<Vec<_>>()
        };
        for (pause, least) in pauses("a").into_iter().zip([30, 60, 120, 120]) {
            assert!((least..=least * 6 / 5).contains(&pause), "{pause} for {least}");
        }
        assert_ne!(pauses("a"), pauses("b"), "not all come at once");
        let spread: Vec<i64> = (0..50).map(|i| spread(1000, &format!("i{i}"), 1)).collect();
        assert!(spread.iter().all(|p| (1000..=1200).contains(p)) && spread.iter().any(|p| *p > 1150), "{spread:?}");
        assert_eq!(pauses("a"), pauses("a"), "and a restart changes nothing");
    }

    #[test]
    fn after_the_last_attempt_it_rolls_back_once_where_the_policy_says_so() {
        let after_all = |mode| {
            let (policy, mut status) = (policy(mode), IncidentStatus::default());
            (0..5).for_each(|_| fail(&mut status, &policy, "a"));
            (policy, status)
        };
        let (_, status) = after_all(RollbackMode::None);
        assert_eq!((status.step.name, status.phase), (StepName::Ended, Phase::Failed));
        let (policy, mut status) = after_all(RollbackMode::LastSuccessful);
        assert_eq!((status.step.name, status.recovery.rolled_back_to.as_deref()), (StepName::Plan, Some("good")));
        fail(&mut status, &policy, "a");
        assert_eq!((status.step.name, status.phase), (StepName::Ended, Phase::Failed));
    }

    #[test]
    fn the_phase_follows_from_the_step_and_from_what_the_conditions_say() {
        let phase = |step: StepName, says: &[(&str, ConditionStatus, &str)]| {
            let mut status = IncidentStatus::default();
            status.step.name = step;
            for (r#type, holds, why) in says {
                say(&mut status, r#type, *holds, why, "", Time(0));
            }
            phase_of(&status)
        };
        let classified = (condition::CLASSIFIED, ConditionStatus::True, reason::BY_RULES);
        let asked = (condition::APPROVED, ConditionStatus::False, reason::APPROVAL_NEEDED);
        let stalled = (condition::STALLED, ConditionStatus::True, reason::APPROVAL_NEEDED);
        assert_eq!(phase(StepName::Locate, &[]), Phase::Detected);
        assert_eq!(phase(StepName::Settle, &[classified]), Phase::Classified);
        assert_eq!(phase(StepName::Gate, &[classified]), Phase::Classified);
        let judging = (condition::APPROVED, ConditionStatus::Unknown, reason::PROGRESSING);
        assert_eq!(phase(StepName::Gate, &[classified, judging]), Phase::Classified);
        assert_eq!(phase(StepName::Gate, &[classified, asked]), Phase::AwaitingApproval);
        assert_eq!(phase(StepName::Plan, &[classified, asked]), Phase::Classified);
        assert_eq!(phase(StepName::Gate, &[classified, stalled]), Phase::Classified, "people are not asked by that");
        assert_eq!(phase(StepName::Apply, &[classified]), Phase::Recovering);
        assert_eq!(phase(StepName::Verify, &[classified]), Phase::Recovering);
        let recovered = (condition::RECOVERED, ConditionStatus::True, reason::VERIFIED);
        assert_eq!(phase(StepName::Ended, &[recovered]), Phase::Recovered);
        assert_eq!(phase(StepName::Ended, &[stalled]), Phase::Failed);
        assert_eq!(phase(StepName::Ended, &[]), Phase::Dismissed);
    }

    #[test]
    fn a_version_that_is_not_known_is_none_to_go_back_to() {
        let policy = RecoverySpec { max_attempts: 1, ..policy(RollbackMode::LastSuccessful) };
        let retries = Retries { policy: &policy, last_successful: Some(""), name: "a" };
        let mut status = IncidentStatus::default();
        failed(&mut status, &retries, reason::BUILD_FAILED, "It failed", Time(0));
        assert_eq!((status.step.name, status.recovery.rolled_back_to), (StepName::Ended, None));
    }
}
