//! How often AWS is asked while something is waited for: the longer it takes, the seldomer. What ends at once is seen at once,
//! and what takes minutes is seen at most a tenth of them, or 15 s, late.

use reforge_api::Time;

/// How long until something is tried again that is not there or does not answer.
pub const POLL_TROUBLE: i64 = 10_000;

const SHORTEST: i64 = 1_000;
const LONGEST: i64 = 15_000;

/// How long until it is looked again, in milliseconds, at what is waited for since then.
pub fn next_look(since: Time, now: Time) -> i64 {
    (now.millis_since(since) / 10).clamp(SHORTEST, LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_grow_from_one_second_to_fifteen_with_what_is_waited_for() {
        let after = |seconds: i64| next_look(Time(0), Time(seconds * 1000));
        assert_eq!([0, 10, 60, 150, 3600].map(after), [1_000, 1_000, 6_000, 15_000, 15_000]);
        assert_eq!(next_look(Time(5_000), Time(0)), 1_000, "a clock that was put back");
    }

    #[test]
    fn a_table_that_takes_five_minutes_is_asked_for_less_than_fifty_times() {
        let (mut now, mut looks) = (0, 0);
        while now < 300_000 {
            now += next_look(Time(0), Time(now));
            looks += 1;
        }
        assert!(looks < 50, "{looks} looks");
    }
}
