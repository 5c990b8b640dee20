//! What becomes of a call that does not go well: it is told once, and tried again after growing pauses that stand in the
//! status, so that nothing is asked and nothing is written in between, whoever leads and however often the Incident is woken.

use reforge_api::{FaultClass, IncidentStatus, Time, Trouble};

use crate::words::fault::Fault;

use super::fences::may_have_started;
use super::transition::{progress, spread};

/// The first pause and the longest, in milliseconds.
const PAUSES: (i64, i64) = (5_000, 600_000);
/// The longest while a build is under way, or may be: its workspace is kept until its end is seen.
const BUILDING: i64 = 60_000;
/// The first pause after a refusal: rights are given by people, and AWS takes seconds to let them count.
const DENIED: i64 = 60_000;

/// How long nothing is looked at yet, in milliseconds.
pub fn pause(status: &IncidentStatus, now: Time) -> Option<i64> {
    let left = status.trouble.as_ref()?.next_try_time.millis_since(now);
    // No pause is that long: the clock of whoever wrote it was ahead.
    (left > 0 && left <= PAUSES.1 * 6 / 5).then_some(left)
}

/// Tells of a fault; gives back how long until the next try, in milliseconds. `name` spreads the pauses of many.
pub fn tell(status: &mut IncidentStatus, fault: &Fault, name: &str, now: Time) -> i64 {
    let pause = note(status, fault.class, name, now);
    let next = now.plus_millis(pause);
    progress(status, fault.reason(), &format!("{fault}. It is tried again at {next}"), now);
    pause
}

/// Counts one more try that did not go well; gives back how long until the next.
pub fn note(status: &mut IncidentStatus, class: FaultClass, name: &str, now: Time) -> i64 {
    // An AWS under load refuses now in this way, now in that: the pauses grow all the same.
    let before = status.trouble.as_ref();
    let tries = before.map_or(0, |t| t.tries).saturating_add(1);
    let since = before.map_or(now, |t| t.since);
    let recovery = &status.recovery;
    let building = recovery.build.is_some() || may_have_started(recovery);
    let pause = pause_after(class, tries, name);
    let pause = if building { pause.min(BUILDING) } else { pause };
    status.trouble = Some(Trouble { class, tries, since, next_try_time: now.plus_millis(pause) });
    pause
}

/// Doubled with each try, the longest at most, and up to a fifth more, so that a thousand Incidents do not come back at once.
fn pause_after(class: FaultClass, tries: u32, name: &str) -> i64 {
    let (first, longest) = PAUSES;
    let first = if class == FaultClass::Denied { DENIED } else { first };
    let pause = (first << tries.saturating_sub(1).min(16)).min(longest);
    spread(pause, name, tries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use reforge_api::{BuildKind, Intent, condition, reason};

    fn fault(class: FaultClass) -> Fault {
        Fault::new("reading s3://b/inventory/shop.json", class, "AccessDenied: User: x is not authorized")
    }

    #[test]
    fn pauses_grow_to_ten_minutes_and_a_refusal_begins_with_one() {
        for (class, expected) in [
            (FaultClass::Transient, [5, 10, 20, 40, 80, 160, 320, 600, 600]),
            (FaultClass::Denied, [60, 120, 240, 480, 600, 600, 600, 600, 600]),
        ] {
            let (mut status, mut now) = (IncidentStatus::default(), Time(0));
            for least in expected {
                let pause = tell(&mut status, &fault(class), "a", now);
                assert!((least * 1000..=least * 1200).contains(&pause), "{pause} for {least} s");
                now = now.plus_millis(pause);
            }
            let trouble = status.trouble.expect("it is told");
            assert_eq!((trouble.tries, trouble.since, trouble.next_try_time), (9, Time(0), now));
        }
    }

    #[test]
    fn faults_that_take_turns_are_not_hurried_either() {
        let mut status = IncidentStatus::default();
        for _ in 0..5 {
            tell(&mut status, &fault(FaultClass::Throttled), "a", Time(0));
        }
        tell(&mut status, &fault(FaultClass::Denied), "a", Time(9));
        let trouble = status.trouble.expect("it is told");
        assert_eq!((trouble.class, trouble.tries, trouble.since), (FaultClass::Denied, 6, Time(0)));
    }

    #[test]
    fn while_a_build_may_be_under_way_nobody_waits_longer_than_a_minute() {
        let mut status = IncidentStatus::default();
        let targets = Vec::new();
        status.recovery.intent =
            Some(Intent { kind: BuildKind::Apply, targets, since: Time(0), tries: 1, last_try_time: None });
        let pauses = (0..9).map(|_| note(&mut status, FaultClass::Transient, "a", Time(0)));
        assert_eq!(pauses.max(), Some(BUILDING));
    }

    #[test]
    fn a_time_that_no_pause_reaches_is_no_pause() {
        let mut status = IncidentStatus::default();
        note(&mut status, FaultClass::Denied, "a", Time(3_600_000));
        assert_eq!(pause(&status, Time(0)), None, "the clock of whoever wrote it was an hour ahead");
        assert!(pause(&status, Time(3_600_000)).is_some());
        let longest = 720_000;
        status.trouble.as_mut().expect("it is told").next_try_time = Time(longest);
        assert_eq!(
            [-1, 0, longest - 1, longest].map(|now| pause(&status, Time(now))),
            [None, Some(longest), Some(1), None]
        );
    }

    #[test]
    fn who_looks_reads_what_is_refused_and_when_it_is_tried_again() {
        let mut status = IncidentStatus::default();
        tell(&mut status, &fault(FaultClass::Denied), "a", Time(0));
        let ready = status.conditions.iter().find(|c| c.r#type == condition::READY).expect("it says");
        assert_eq!(ready.reason, reason::ACCESS_DENIED);
        for part in
            ["reading s3://b/inventory/shop.json", "User: x is not authorized", "Give the role", "1970-01-01T00:01:0"]
        {
            assert!(ready.message.contains(part), "{part}: {}", ready.message);
        }
    }

    #[test]
    fn the_pauses_of_many_are_spread() {
        let pauses: std::collections::BTreeSet<i64> =
            (0..100).map(|i| pause_after(FaultClass::Transient, 8, &format!("incident-{i}"))).collect();
        assert!(pauses.len() > 50, "{pauses:?}");
    }
}
