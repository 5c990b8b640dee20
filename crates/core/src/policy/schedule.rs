//! Plans on a policy's schedule: what is due, and when the next one is. Pure: the policy, what was done before and the time go
//! in.

use kube::ResourceExt;
use reforge_api::{DriftPolicy, DriftStatus, RecoveryPolicy, Time};

/// How long until a running build is asked for again, in milliseconds.
const POLL: i64 = 5_000;
/// What is begun later than this after its time is made up for, in seconds.
const LATE: i64 = 600;
const DAY: i64 = 86_400;

/// Why a schedule cannot be read.
pub fn invalid(policy: &DriftPolicy) -> Option<String> {
    crontab(policy).err().map(|why| format!("drift.schedule {:?}: {why}", policy.schedule))
}

fn crontab(policy: &DriftPolicy) -> Result<cronexpr::Crontab, String> {
    let zone = policy.time_zone.as_deref().unwrap_or("UTC");
    cronexpr::parse_crontab(&format!("{} {zone}", policy.schedule)).map_err(|e| e.to_string())
}

fn next_after(crontab: &cronexpr::Crontab, time: Time) -> Option<Time> {
    let next = crontab.find_next(time.to_string().as_str()).ok()?;
    Some(Time(next.timestamp().as_millisecond()))
}

/// The last time of the schedule after `last` that has come; those before it are passed over.
fn due(crontab: &cronexpr::Crontab, last: Time, now: Time) -> Option<Time> {
    let come = |after: Time| next_after(crontab, after).filter(|t| *t <= now);
    // What was due before the last day is not gone through one by one, unless nothing was since.
    let mut due = come(last.max(now.plus_seconds(-DAY))).or_else(|| come(last))?;
    while let Some(later) = come(due) {
        due = later;
    }
    Some(due)
}

/// Notes for each workspace what is due now. Gives back when the next one is, in milliseconds from now.
pub fn schedule(policy: &RecoveryPolicy, drift: &mut Vec<DriftStatus>, now: Time) -> Option<i64> {
    let workspaces = &policy.spec.recovery.workspaces;
    drift.retain(|d| workspaces.iter().any(|w| w.name == d.workspace));
    let Some(crontab) = policy.spec.drift.as_ref().filter(|_| !policy.spec.suspend).and_then(|d| crontab(d).ok())
    else {
        drift.clear();
        return None;
    };
    let created = policy.creation_timestamp().map_or(now, |t| Time(t.0.as_millisecond()));
    for workspace in workspaces {
        let known = drift.iter_mut().find(|d| d.workspace == workspace.name);
        let last = known.as_ref().map_or(created, |d| d.last_schedule_time);
        let Some(at) = due(&crontab, last, now) else { continue };
        // What is made up for begins now, and not when nobody was there.
        let at = if now.millis_since(at) > LATE * 1000 { now } else { at };
        let fresh =
            DriftStatus { workspace: workspace.name.clone(), last_schedule_time: at, build: None, result: None };
        match known {
            // One plan at a time: what is due while it runs is passed over.
            Some(known) if known.result.is_none() => {}
            Some(known) => *known = fresh,
            None => drift.push(fresh),
        }
    }
    if drift.iter().any(|d| d.result.is_none()) {
        return Some(POLL);
    }
    next_after(&crontab, now).map(|t| t.millis_since(now).clamp(1, DAY * 1000))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;

    fn at(text: &str) -> Time {
        Time::parse(text).expect("a time")
    }

    fn daily() -> cronexpr::Crontab {
        crontab(&DriftPolicy { schedule: "0 6 * * *".into(), time_zone: None }).expect("a schedule")
    }

    #[test]
    fn what_was_missed_is_done_once() {
        let due = |last: &str, now: &str| due(&daily(), at(last), at(now)).map(|t| t.to_string());
        assert_eq!(due("2026-01-02T06:00:00Z", "2026-01-03T05:59:00Z"), None);
        assert_eq!(due("2026-01-02T06:00:00Z", "2026-01-03T06:00:00Z").as_deref(), Some("2026-01-03T06:00:00.000Z"));
        assert_eq!(due("2026-01-02T06:00:00Z", "2026-02-09T12:00:00Z").as_deref(), Some("2026-02-09T06:00:00.000Z"));
    }

    #[test]
    fn what_is_due_seldom_is_due_once_its_time_has_come() {
        let monday = crontab(&DriftPolicy { schedule: "0 6 * * 1".into(), time_zone: None }).expect("a schedule");
        let due = |last: &str, now: &str| due(&monday, at(last), at(now)).map(|t| t.to_string());
        let friday = "2026-01-16T12:00:00Z";
        assert_eq!(due("2025-12-01T00:00:00Z", friday).as_deref(), Some("2026-01-12T06:00:00.000Z"));
        assert_eq!(due("2026-01-12T06:00:00Z", friday), None);
    }

    #[test]
    fn what_is_made_up_for_begins_now() {
        let begun = |now: &str| {
            let mut drift = Vec::new();
            schedule(&policy(), &mut drift, at(now));
            drift.first().map(|d| d.last_schedule_time)
        };
        assert_eq!(begun("2026-01-01T06:10:00Z"), Some(at("2026-01-01T06:00:00Z")));
        assert_eq!(begun("2026-01-01T06:10:00.001Z"), Some(at("2026-01-01T06:10:00.001Z")), "nobody was there in time");
    }

    #[test]
    fn who_asks_is_told_when_it_is_due_next() {
        let next = |now: &str| schedule(&policy(), &mut Vec::new(), at(now));
        assert_eq!(next("2026-01-01T05:00:00Z"), Some(3_600_000));
        assert_eq!(next("2026-01-01T06:00:10Z"), Some(POLL), "a plan is under way");
        let mut yearly = policy();
        yearly.spec.drift = Some(DriftPolicy { schedule: "0 6 1 7 *".into(), time_zone: None });
        let looks = schedule(&yearly, &mut Vec::new(), at("2026-01-01T00:00:00Z"));
        assert_eq!(looks, Some(86_400_000), "it is looked again each day, since clocks are set");
    }

    #[test]
    fn a_schedule_has_the_time_zone_that_the_policy_says() {
        let berlin = DriftPolicy { schedule: "0 6 * * *".into(), time_zone: Some("Europe/Berlin".into()) };
        let next = next_after(&crontab(&berlin).expect("a schedule"), at("2026-07-01T00:00:00Z"));
        assert_eq!(next, Some(at("2026-07-01T04:00:00Z")));
        let nonsense = DriftPolicy { schedule: "every day".into(), time_zone: None };
        assert!(invalid(&nonsense).is_some_and(|why| why.contains("every day")));
    }

    /// A policy with a daily schedule, made on the first of January 2026.
    pub(crate) fn policy() -> RecoveryPolicy {
        let spec = json!({
            "match": {"resourceTypes": ["s3", "dynamodb"]}, "drift": {"schedule": "0 6 * * *"},
            "recovery": {"workspaces": [{"name": "shop", "project": "a", "planProject": "p"}]},
        });
        let mut policy = RecoveryPolicy::new("shop", serde_json::from_value(spec).expect("a spec"));
        policy.metadata.namespace = Some("shop".into());
        let created = at("2026-01-01T00:00:00Z").0;
        policy.metadata.creation_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(
            k8s_openapi::jiff::Timestamp::from_millisecond(created).expect("a time"),
        ));
        policy
    }

    #[test]
    fn one_plan_at_a_time_and_nothing_while_suspended() {
        let (mut policy, mut drift) = (policy(), Vec::new());
        assert!(schedule(&policy, &mut drift, at("2026-01-01T05:00:00Z")).is_some());
        assert!(drift.is_empty());
        schedule(&policy, &mut drift, at("2026-01-01T06:00:10Z"));
        assert_eq!(drift[0].last_schedule_time, at("2026-01-01T06:00:00Z"));
        drift[0].build = Some("p:1".into());
        schedule(&policy, &mut drift, at("2026-01-02T06:00:10Z"));
        assert_eq!(drift[0].build.as_deref(), Some("p:1"), "it runs yet");
        drift[0].result = Some("No drift".into());
        schedule(&policy, &mut drift, at("2026-01-02T06:00:10Z"));
        assert_eq!((drift[0].build.clone(), drift[0].last_schedule_time), (None, at("2026-01-02T06:00:00Z")));
        policy.spec.suspend = true;
        assert_eq!(schedule(&policy, &mut drift, at("2026-01-03T06:00:10Z")), None);
    }
}
