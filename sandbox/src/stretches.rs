//! Where an Incident's time goes. Pure.
//!
//! Given the Incident's timeline and its builds, it cuts the time from the call to the end into named stretches. Nothing is counted
//! twice or left out: together they are the whole.

use jiff::Timestamp;
use serde_json::Value;

use crate::edge::BuildInfo;

/// One build of an Incident, as far as its times go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildTimes {
    /// Whether it applies a plan.
    pub is_apply: bool,
    /// When it was started.
    pub start: Timestamp,
    /// When it was over.
    pub end: Option<Timestamp>,
    /// The phases that are over, by `phaseType`, and when each was.
    pub phases: Vec<(String, Timestamp)>,
}

impl From<&BuildInfo> for BuildTimes {
    fn from(build: &BuildInfo) -> Self {
        Self {
            is_apply: build.overrides.iter().any(|(name, _)| name == "REFORGE_PLAN_DIGEST"),
            start: build.start,
            end: build.end,
            phases: build.phases.iter().filter_map(|phase| Some((phase.name.to_owned(), phase.end?))).collect(),
        }
    }
}

/// The stretches, in the order in which an Incident goes through them; those of a second plan or apply are added to the first's.
pub const STRETCHES: [&str; 14] = [
    "call, event delivered",
    "judged",
    "carried out by AWS",
    "plan asked for",
    "plan: queued",
    "plan: provisioning",
    "plan: source",
    "plan: init and plan",
    "gate, apply asked for",
    "apply: queued",
    "apply: provisioning",
    "apply: source",
    "apply: apply and look again",
    "verified with AWS",
];

const DETECTED: usize = 0;
const JUDGED: usize = 1;
const SETTLED: usize = 2;
const PLAN: usize = 3;
const APPLY: usize = 8;
const VERIFIED: usize = 13;

/// The phases of a build before its commands, in order.
const START: [&str; 3] = ["QUEUED", "PROVISIONING", "DOWNLOAD_SOURCE"];

/// Seconds by [`STRETCHES`], from `began`; `builds` are the Incident's, oldest first.
pub fn of(began: Timestamp, timeline: &Value, builds: &[BuildTimes]) -> [f64; STRETCHES.len()] {
    let at = |name: &str| timeline[name].as_str().and_then(|t| t.parse::<Timestamp>().ok());
    let mut marks = Vec::new();
    let mut mark = |stretch: usize, end: Option<Timestamp>| marks.extend(end.map(|end| (stretch, end)));
    mark(DETECTED, at("detectedAt"));
    mark(JUDGED, at("classifiedAt"));
    mark(SETTLED, at("settledAt"));
    for build in builds {
        let first = if build.is_apply { APPLY } else { PLAN };
        mark(first, Some(build.start));
        for (number, name) in START.into_iter().enumerate() {
            let phase = build.phases.iter().find(|(phase, _)| phase == name);
            mark(first + 1 + number, phase.map(|(_, end)| *end));
        }
        mark(first + 4, build.end);
    }
    mark(VERIFIED, at("endedAt"));

    let mut seconds = [0.0; STRETCHES.len()];
    let mut reached = began;
    for (stretch, end) in marks {
        if end > reached {
            seconds[stretch] += end.duration_since(reached).as_secs_f64();
            reached = end;
        }
    }
    seconds
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn build(is_apply: bool, start: i64, ends: [i64; 4]) -> BuildTimes {
        let phases = START.into_iter().zip(ends).map(|(name, end)| (name.to_owned(), second(end))).collect();
        BuildTimes { is_apply, start: second(start), end: Some(second(ends[3])), phases }
    }

    #[test]
    fn the_stretches_are_the_whole_with_a_second_plan_added_to_the_first() {
        let timeline = json!({
            "detectedAt": second(2).to_string(), "classifiedAt": second(3).to_string(),
            "settledAt": second(6).to_string(), "endedAt": second(100).to_string(),
        });
        let builds =
            [build(false, 7, [8, 38, 39, 50]), build(false, 51, [51, 61, 62, 70]), build(true, 72, [72, 82, 83, 98])];
        let found = of(second(0), &timeline, &builds);
        let expected = [2.0, 1.0, 3.0, 2.0, 1.0, 40.0, 2.0, 19.0, 2.0, 0.0, 10.0, 1.0, 15.0, 2.0];
        assert!(found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-9), "{found:?}");
        assert!((found.iter().sum::<f64>() - 100.0).abs() < 1e-9);
    }

    #[test]
    fn a_time_that_goes_back_counts_for_nothing() {
        let timeline = json!({"detectedAt": second(5).to_string(), "classifiedAt": second(4).to_string(), "endedAt": second(6).to_string()});
        let found = of(second(0), &timeline, &[]);
        let expected = |stretch| match stretch {
            DETECTED => 5.0,
            VERIFIED => 1.0,
            _ => 0.0,
        };
        assert!((0..STRETCHES.len()).all(|n| (found[n] - expected(n)).abs() < 1e-9), "{found:?}");
    }
}
