//! A recovery's own calls: known by the build in whose session they are made, and by when it was at work.

use reforge_api::{Event, IncidentStatus, Intent, Time};

use crate::words::ids::uuid_of;

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

/// The build, by its UUID, whose session a recovery role acts in, if it acts in one.
pub fn claimed_build<'a>(event: &'a Event, recovery_roles: &[String]) -> Option<&'a str> {
    let issuer = event.actor.issuer_arn.as_deref();
    let role = issuer.is_some_and(|arn| recovery_roles.iter().any(|role| role == arn));
    event.actor.session_name.as_deref().filter(|_| role)?.strip_prefix("AWSCodeBuild-")
}

/// Whether a build, by its UUID, is one that an Incident started, and was at work at that time, by what the Incidents'
/// statuses say. An Incident that has tried to start a build and not stored which may have started this one.
///
/// The time is the event's own, however late its message: who uses the session of a build that has ended is somebody else.
pub fn own_build<'a>(statuses: impl Iterator<Item = &'a IncidentStatus>, uuid: &str, at: Time) -> Ours {
    let mut answer = Ours::No;
    for status in statuses {
        let recovery = &status.recovery;
        if let Some(build) = recovery.builds.iter().find(|b| uuid_of(&b.id) == uuid) {
            let began = build.start.is_none_or(|start| at.plus_seconds(CLOCKS) >= start);
            let lasted = build.end.is_none_or(|end| at <= end.plus_seconds(CLOCKS));
            return if began && lasted { Ours::Yes } else { Ours::No };
        }
        let may_have_begun = |i: &Intent| i.tries > 0 && at.plus_seconds(CLOCKS) >= i.since;
        if recovery.build.is_none() && recovery.intent.as_ref().is_some_and(may_have_begun) {
            answer = Ours::NotYetKnown;
        }
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use reforge_api::{BuildKind, BuildRef};

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
        let at = |seconds: i64| own_build([&status].into_iter(), "0d2e", Time(seconds * 1000));
        assert_eq!([at(100), at(120), at(131)], [Ours::Yes; 3], "records have whole seconds");
        assert_eq!([at(90), at(140)], [Ours::No; 2], "somebody else uses its session");
        let waiting = |since: i64| {
            let mut status = IncidentStatus::default();
            let since = Time(since * 1000);
            status.recovery.intent =
                Some(Intent { kind: BuildKind::Plan, targets: vec![], since, tries: 1, last_try_time: None });
            own_build([&status].into_iter(), "other", Time(100_000))
        };
        assert_eq!((waiting(95), waiting(200)), (Ours::NotYetKnown, Ours::No), "what is wanted later did not do it");
        status.recovery.builds[0].end = None;
        assert_eq!(own_build([&status].into_iter(), "0d2e", Time(140_000)), Ours::Yes, "it is still at work");
    }
}
