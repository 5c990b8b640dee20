//! Change windows: whether a plan may be applied now, and if not, when. Pure: windows and an instant go in.

use jiff::civil::{Date, Time as TimeOfDay, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use reforge_api::{Day, Hours, Time, Window};

/// How far ahead an opening is looked for, in days: a week, and a day on either side for other time zones.
const AHEAD: i64 = 9;

/// What the windows say of an instant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Opening {
    /// Plans may be applied.
    Open,
    /// They may not, for this reason, before this instant; None: not within a week.
    Closed {
        /// Why.
        reason: String,
        /// When they may again.
        until: Option<Time>,
    },
}

/// Judges an instant. A window that cannot be read (its zone is unknown) denies: the careful side.
pub fn opening(windows: &[Window], now: Time) -> Opening {
    let Some(reason) = closed(windows, now) else { return Opening::Open };
    let mut edges: Vec<Time> = windows
        .iter()
        .filter_map(|w| w.allow.as_ref().or(w.deny.as_ref()))
        .flat_map(|hours| edges(hours, now).unwrap_or_default())
        .filter(|edge| *edge > now)
        .collect();
    edges.sort_unstable();
    Opening::Closed { reason, until: edges.into_iter().find(|edge| closed(windows, *edge).is_none()) }
}

/// Why a window cannot be used, if it cannot.
pub fn invalid(window: &Window) -> Option<String> {
    let hours = window.allow.as_ref().or(window.deny.as_ref())?;
    let zone = TimeZone::get(&hours.time_zone).err();
    zone.map(|_| format!("windows: {:?} is not a time zone of the IANA database, as Europe/Berlin is", hours.time_zone))
}

fn closed(windows: &[Window], at: Time) -> Option<String> {
    let within = |hours: &Hours| is_within(hours, at);
    for hours in windows.iter().filter_map(|w| w.deny.as_ref()) {
        match within(hours) {
            Some(false) => {}
            Some(true) => return Some(format!("the policy denies changes {}", describe(hours))),
            None => return Some(format!("the policy's window in {:?} cannot be read", hours.time_zone)),
        }
    }
    let allowed: Vec<&Hours> = windows.iter().filter_map(|w| w.allow.as_ref()).collect();
    if allowed.is_empty() || allowed.iter().any(|hours| within(hours) == Some(true)) {
        return None;
    }
    let all: Vec<String> = allowed.into_iter().map(describe).collect();
    Some(format!("the policy allows changes only {}", all.join(" or ")))
}

/// Whether the clocks on the wall are within the hours: where they show an hour twice, both times.
fn is_within(hours: &Hours, at: Time) -> Option<bool> {
    let (zone, from, to) = read(hours)?;
    let wall = Timestamp::from_millisecond(at.0).ok()?.to_zoned(zone).datetime();
    let begins = |on: Date| hours.days.is_empty() || hours.days.iter().any(|d| weekday(*d) == on.weekday());
    let (today, time) = (wall.date(), wall.time());
    Some(if from < to {
        begins(today) && from <= time && time < to
    } else {
        (begins(today) && from <= time) || (begins(today.yesterday().ok()?) && time < to)
    })
}

/// The instants at which the hours may begin or end: what the clocks show then, and where they are set, from the day before
/// `around` on.
fn edges(hours: &Hours, around: Time) -> Option<Vec<Time>> {
    let (zone, from, to) = read(hours)?;
    let around = Timestamp::from_millisecond(around.0).ok()?;
    let today = around.to_zoned(zone.clone()).date();
    let last = today.checked_add(AHEAD.days()).ok()?;
    let set = zone.following(around).map(|t| t.timestamp());
    let mut all: Vec<Timestamp> = set.take_while(|at| at.to_zoned(zone.clone()).date() <= last).collect();
    for ahead in -1..=AHEAD {
        let day = today.checked_add(ahead.days()).ok()?;
        for time in [from, to] {
            let shown = zone.to_ambiguous_timestamp(day.to_datetime(time));
            all.extend([shown.earlier().ok()?, shown.later().ok()?]);
        }
    }
    Some(all.into_iter().map(|at| Time(at.as_millisecond())).collect())
}

fn read(hours: &Hours) -> Option<(TimeZone, TimeOfDay, TimeOfDay)> {
    Some((TimeZone::get(&hours.time_zone).ok()?, time_of_day(&hours.from)?, time_of_day(&hours.to)?))
}

fn time_of_day(text: &str) -> Option<TimeOfDay> {
    let (hour, minute) = text.split_once(':')?;
    TimeOfDay::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}

fn weekday(day: Day) -> Weekday {
    match day {
        Day::Mon => Weekday::Monday,
        Day::Tue => Weekday::Tuesday,
        Day::Wed => Weekday::Wednesday,
        Day::Thu => Weekday::Thursday,
        Day::Fri => Weekday::Friday,
        Day::Sat => Weekday::Saturday,
        Day::Sun => Weekday::Sunday,
    }
}

fn describe(hours: &Hours) -> String {
    let days: Vec<String> = hours.days.iter().map(|d| format!("{d:?}")).collect();
    let days = if days.is_empty() { "daily".to_owned() } else { days.join(", ") };
    format!("{days} from {} to {} {}", hours.from, hours.to, hours.time_zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(days: &[Day], from: &str, to: &str, zone: &str) -> Hours {
        Hours { days: days.to_vec(), from: from.into(), to: to.into(), time_zone: zone.into() }
    }

    fn deny(days: &[Day], from: &str, to: &str, zone: &str) -> Window {
        Window { allow: None, deny: Some(hours(days, from, to, zone)) }
    }

    fn allow(days: &[Day], from: &str, to: &str, zone: &str) -> Window {
        Window { allow: Some(hours(days, from, to, zone)), deny: None }
    }

    fn at(windows: &[Window], now: &str) -> Result<(), Option<String>> {
        match opening(windows, Time::parse(now).unwrap()) {
            Opening::Open => Ok(()),
            Opening::Closed { until, .. } => Err(until.map(|t| t.to_string())),
        }
    }

    #[test]
    fn without_windows_it_is_always_open() {
        assert_eq!(at(&[], "2026-11-27T18:00:00Z"), Ok(()));
    }

    #[test]
    fn a_friday_evening_is_denied_until_its_end() {
        let friday = [deny(&[Day::Fri], "16:00", "23:00", "Europe/Berlin")];
        assert_eq!(at(&friday, "2026-11-27T14:59:59Z"), Ok(()));
        assert_eq!(at(&friday, "2026-11-27T15:00:00Z"), Err(Some("2026-11-27T22:00:00.000Z".into())));
        assert_eq!(at(&friday, "2026-11-27T22:00:00Z"), Ok(()), "the end is open again");
        assert_eq!(at(&friday, "2026-11-26T18:00:00Z"), Ok(()), "a Thursday");
    }

    #[test]
    fn hours_over_midnight_belong_to_the_day_they_begin_on() {
        let night = [deny(&[Day::Fri], "22:00", "06:00", "UTC")];
        assert_eq!(
            at(&night, "2026-11-28T05:59:00Z"),
            Err(Some("2026-11-28T06:00:00.000Z".into())),
            "Saturday morning"
        );
        assert_eq!(at(&night, "2026-11-27T05:59:00Z"), Ok(()), "Friday morning");
    }

    #[test]
    fn an_allowed_window_names_its_next_opening() {
        let office = [allow(&[Day::Mon, Day::Tue], "09:00", "17:00", "America/New_York")];
        assert_eq!(at(&office, "2026-11-24T14:00:00Z"), Ok(()), "Tuesday, nine in the morning");
        assert_eq!(at(&office, "2026-11-24T22:00:00Z"), Err(Some("2026-11-30T14:00:00.000Z".into())), "next Monday");
    }

    #[test]
    fn a_deny_goes_before_every_allow() {
        let both = [allow(&[], "00:00", "00:00", "UTC"), deny(&[], "10:00", "11:00", "UTC")];
        assert_eq!(at(&both, "2026-11-24T10:30:00Z"), Err(Some("2026-11-24T11:00:00.000Z".into())));
        assert_eq!(at(&both, "2026-11-24T12:00:00Z"), Ok(()));
    }

    #[test]
    fn daylight_saving_is_that_of_the_zone() {
        // On 2026-03-29 Berlin has no hour from two to three; on 2026-10-25 it has it twice.
        let night = [deny(&[], "01:30", "03:30", "Europe/Berlin")];
        assert_eq!(at(&night, "2026-03-29T00:45:00Z"), Err(Some("2026-03-29T01:30:00.000Z".into())), "an hour short");
        assert_eq!(at(&night, "2026-10-25T00:00:00Z"), Err(Some("2026-10-25T02:30:00.000Z".into())), "an hour long");
        let skipped = [allow(&[], "02:00", "03:00", "Europe/Berlin")];
        assert_eq!(
            at(&skipped, "2026-03-29T01:00:00Z"),
            Err(Some("2026-03-30T00:00:00.000Z".into())),
            "an empty window"
        );
    }

    #[test]
    fn hours_within_the_hour_that_comes_twice_come_twice() {
        for (zone, first, second) in [
            ("Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"),
            ("America/New_York", "2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"),
        ] {
            let hour = if zone == "Europe/Berlin" { "02" } else { "01" };
            let (from, to) = (format!("{hour}:15"), format!("{hour}:45"));
            let denied = [deny(&[Day::Sun], &from, &to, zone)];
            let end = |at: &str| Err(Some(at.replace(":30:00Z", ":45:00.000Z")));
            assert_eq!((at(&denied, first), at(&denied, second)), (end(first), end(second)), "{zone}");
            let between = second.replace(":30:", ":10:");
            assert_eq!(at(&denied, &between), Ok(()), "{zone}: ten past, the second time");
            let allowed = [allow(&[Day::Sun], &from, &to, zone)];
            assert_eq!((at(&allowed, first), at(&allowed, second)), (Ok(()), Ok(())), "{zone}");
            let opens = second.replace(":30:00Z", ":15:00.000Z");
            assert_eq!(at(&allowed, &between), Err(Some(opens)), "{zone}");
        }
    }

    #[test]
    fn hours_that_end_within_the_hour_that_comes_twice_go_on_when_it_comes_again() {
        let denied = [deny(&[], "01:30", "02:30", "Europe/Berlin")];
        assert_eq!(at(&denied, "2026-10-25T00:45:00Z"), Ok(()), "a quarter to three, the first time");
        assert_eq!(at(&denied, "2026-10-25T01:15:00Z"), Err(Some("2026-10-25T01:30:00.000Z".into())));
        let allowed = [allow(&[], "01:30", "02:30", "Europe/Berlin")];
        assert_eq!(
            at(&allowed, "2026-10-25T00:45:00Z"),
            Err(Some("2026-10-25T01:00:00.000Z".into())),
            "clocks are set"
        );
    }

    #[test]
    fn a_window_that_cannot_be_read_denies_and_is_named() {
        let odd = deny(&[], "10:00", "11:00", "Europe/Atlantis");
        assert_eq!(at(std::slice::from_ref(&odd), "2026-11-24T20:00:00Z"), Err(None));
        assert!(invalid(&odd).unwrap().contains("Atlantis"));
        assert_eq!(invalid(&deny(&[], "10:00", "11:00", "UTC")), None);
    }

    #[test]
    fn windows_that_leave_no_time_say_so() {
        assert_eq!(at(&[deny(&[], "00:00", "00:00", "UTC")], "2026-11-24T20:00:00Z"), Err(None));
    }
}
