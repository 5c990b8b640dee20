//! A canary: whether one is to be written, or has not come back.

use reforge_api::{Actor, Change, Event, Handling, Origin, Resource, Time};

use crate::intake::candidate::Candidate;
use crate::intake::plumbing::{CANARY_LOST, CANARY_TYPE, Plumbing};

/// How far CloudTrail's whole seconds and the operator's clock may be apart, in seconds.
const CLOCKS: i64 = 5;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Write one.
    Write,
    /// The one of that time has not come back: tell people.
    SayLost(Time),
    /// Nothing yet.
    Wait,
}

/// `written` and `seen` are the times of the last canary that was written and of the last that came back. `every` and
/// `patience` are in milliseconds.
pub fn next(written: Option<Time>, seen: Option<Time>, now: Time, every: i64, patience: i64) -> Task {
    let Some(written) = written else { return Task::Write };
    let age = now.millis_since(written);
    let is_back = seen.is_some_and(|seen| seen.plus_seconds(CLOCKS) >= written);
    if age >= every {
        Task::Write
    } else if !is_back && age >= patience {
        Task::SayLost(written)
    } else {
        Task::Wait
    }
}

/// The alert that the canary of that time has not come back.
pub fn lost(plumbing: &Plumbing, parameter: &str, written: Time) -> Candidate {
    let event = Event {
        origin: Origin::Reforge,
        id: format!("canary-{}", written.0),
        time: written,
        name: CANARY_LOST.to_owned(),
        source: "reforge.dev".to_owned(),
        account_id: plumbing.account.clone(),
        region: plumbing.region.clone(),
        actor: Actor { r#type: "Unknown".to_owned(), ..Actor::default() },
        request_parameters: None,
    };
    let resource = Resource {
        r#type: CANARY_TYPE.to_owned(),
        cloud_formation_type: "AWS::SSM::Parameter".to_owned(),
        id: parameter.to_owned(),
        arn: None,
    };
    plumbing.candidate(resource, event, Change::Modified, Handling::Alert)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canary_is_written_daily_and_missed_when_it_does_not_come_back() {
        let at = |seconds: i64| Time(seconds * 1000);
        let next = |written: Option<i64>, seen: Option<i64>, now: i64| {
            super::next(written.map(at), seen.map(at), at(now), 86_400_000, 1_800_000)
        };
        assert_eq!(next(None, None, 0), Task::Write);
        assert_eq!(next(Some(0), None, 1799), Task::Wait);
        assert_eq!(next(Some(0), None, 1800), Task::SayLost(at(0)));
        assert_eq!(next(Some(0), Some(-5), 1800), Task::Wait, "records have whole seconds");
        assert_eq!(next(Some(0), Some(-100), 1800), Task::SayLost(at(0)), "that was the one before");
        assert_eq!(next(Some(0), Some(0), 86_400), Task::Write);
        assert_eq!(next(Some(0), None, 86_400), Task::Write, "a lost one is no reason to stop");
    }
}
