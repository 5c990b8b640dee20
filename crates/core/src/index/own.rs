//! A recovery's own calls: known by the build in whose session they are made, and by when it was at work.

use reforge_api::Time;

use super::row::{Key, Work};

/// How far CloudTrail's whole seconds and CodeBuild's clock may be apart, in seconds.
const CLOCKS: i64 = 5;

/// How long it may take until an Incident's status has the build that it started, in seconds.
const PATIENCE: i64 = 900;

/// Whether a build is one of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ours {
    /// An Incident started it.
    Yes,
    /// None did.
    No,
    /// None is known to have, but one is being started whose id is not stored yet.
    NotYetKnown,
}

impl Ours {
    /// The answer about an event, once `now` has come: a build whose id is not stored by then is none that an Incident waits
    /// for.
    #[must_use]
    pub fn by(self, now: Time, event: Time) -> Self {
        if self == Self::NotYetKnown && now > event.plus_seconds(PATIENCE) { Self::No } else { self }
    }
}

/// Whether a build, by its UUID, is one that an Incident started, and was at work at that time, by what the Incidents have
/// done. An Incident that has tried to start a build and not stored which may have started this one.
///
/// The time is the event's own, however late its message: who uses the session of a build that has ended is somebody else.
pub fn own_build<'a>(works: impl Iterator<Item = &'a Work>, uuid: &str, at: Time) -> Ours {
    let uuid = Key::of_build(uuid);
    let (mut known, mut starting) = (false, false);
    for work in works {
        if let Some(build) = work.builds.iter().find(|b| b.uuid == uuid) {
            if was_at_work(build.start, build.end, at) {
                return Ours::Yes;
            }
            known = true;
        }
        starting |= work.starting.is_some_and(|since| may_have_begun(since, at));
    }
    if starting && !known { Ours::NotYetKnown } else { Ours::No }
}

/// Whether a build was at work at that time; one that is not known to have ended is.
pub fn was_at_work(start: Option<Time>, end: Option<Time>, at: Time) -> bool {
    start.is_none_or(|start| at.plus_seconds(CLOCKS) >= start) && end.is_none_or(|end| at <= end.plus_seconds(CLOCKS))
}

/// Whether what was wanted since then may have been at work at that time.
pub fn may_have_begun(since: Time, at: Time) -> bool {
    at.plus_seconds(CLOCKS) >= since
}

#[cfg(test)]
mod tests {
    use super::*;
    use reforge_api::{BuildKind, BuildRef, IncidentStatus, Intent};

    fn by(status: &IncidentStatus, uuid: &str, seconds: i64) -> Ours {
        own_build([&Work::from(status)].into_iter(), uuid, Time(seconds * 1000))
    }

    #[test]
    fn the_session_of_a_build_is_ours_only_while_the_build_was_at_work() {
        let mut status = IncidentStatus::default();
        status.recovery.builds.push(BuildRef {
            kind: BuildKind::Apply,
            id: "apply:0d2e".into(),
            url: None,
            status: "SUCCEEDED".into(),
            start: Some(Time(100_400)),
            end: Some(Time(130_000)),
        });
        let at = |seconds: i64| by(&status, "0d2e", seconds);
        assert_eq!([at(100), at(120), at(131)], [Ours::Yes; 3], "records have whole seconds");
        assert_eq!([at(90), at(140)], [Ours::No; 2], "somebody else uses its session");
        let waiting = |since: i64| {
            let mut status = IncidentStatus::default();
            let since = Time(since * 1000);
            status.recovery.intent =
                Some(Intent { kind: BuildKind::Plan, targets: vec![], since, tries: 1, last_try_time: None });
            by(&status, "other", 100)
        };
        assert_eq!((waiting(95), waiting(200)), (Ours::NotYetKnown, Ours::No), "what is wanted later did not do it");
        status.recovery.builds[0].end = None;
        assert_eq!(by(&status, "0d2e", 140), Ours::Yes, "it is still at work");
    }
}
