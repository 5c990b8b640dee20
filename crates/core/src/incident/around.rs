//! What the other Incidents mean for one: who is at work, what was opened lately, what an apply has covered already. They come
//! from the index, and may be behind.

use std::collections::BTreeSet;

use reforge_api::{RecoveryPolicySpec, StepName, Time, WorkspaceRef};

use crate::index::{How, Index, Key, Row};
use crate::policy::limits::{Opened, storm_window};
use crate::policy::reserve::{Reservation, Reservations};
use crate::words::ids::Id;

/// The Incidents with a build in the same Terraform state that was at work at that time and has ended: whoever left a lock then.
pub fn at_work_here(index: &Index, backend: &str, at: Time) -> Vec<Id> {
    let here = index.of_backend(Key::of(&[backend]));
    let left = |row: &&Row| {
        row.builds().iter().any(|b| b.start.is_some_and(|start| start <= at) && b.end.is_some_and(|end| at <= end))
    };
    here.filter(left).map(|row| row.id.clone()).collect()
}

/// How old the event was when its Incident was created, in milliseconds, where that is longer than Incidents are kept.
pub fn late(created: Time, event: Time, kept: i64) -> Option<i64> {
    let age = created.millis_since(event);
    (age >= kept).then_some(age)
}

/// The Incidents of the policy, this one among them, that a storm's judgement sees: no duplicates, none from before somebody said
/// that it is over, and none of events that are older than Incidents are `kept`, in milliseconds: whoever goes through an archive
/// makes no storm. A storm looks back two windows at most.
pub fn opened(
    index: &Index,
    me: &Row,
    policy: &RecoveryPolicySpec,
    (storm_over, kept): (Option<Time>, i64),
    now: Time,
) -> Vec<Opened> {
    let since = now.plus_millis(-storm_window(&policy.limits).saturating_mul(2));
    let counts = |row: &&Row| {
        !row.is_duplicate
            && storm_over.is_none_or(|over| row.created > over)
            && late(row.created, row.time, kept).is_none()
    };
    let rows = index.of_policy_since(me.policy, since).filter(counts);
    rows.map(|row| Opened { at: row.created, actor: row.actor.clone() }).collect()
}

/// How many of the policy apply beside one, or have been cleared to: by the index, and by the places that are taken and that it
/// does not show as free.
pub fn applying(index: &Index, me: &Row, reserved: &Reservations) -> u32 {
    let name = me.id.to_string();
    let mut all: BTreeSet<String> = index.applying(me.policy).map(|row| row.id.to_string()).collect();
    all.extend(reserved.0.iter().filter(|r| place(index, r) != Place::Free).map(|r| r.incident.clone()));
    all.remove(&name);
    u32::try_from(all.len()).unwrap_or(u32::MAX)
}

/// What became of a place among the applies of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Its Incident applies.
    Taken,
    /// Its Incident has gone on without an apply, or is through with it.
    Free,
    /// The Incident is not known here, or still as it was when it was cleared: whoever cleared it may be about to write that.
    Unknown,
}

/// What became of a place, by the index.
pub fn place(index: &Index, reservation: &Reservation) -> Place {
    let row = Id::parse(&reservation.incident).and_then(|id| index.get(&id));
    match row {
        Some(row) if row.step == Some(StepName::Apply) => Place::Taken,
        Some(row) if row.version > reservation.version => Place::Free,
        _ => Place::Unknown,
    }
}

/// Whether another Incident of the same workspace was recovered by an apply that began after this event, and had the
/// same addresses.
pub fn covered(index: &Index, me: &Row, workspace: &WorkspaceRef) -> bool {
    let addresses: Vec<Key> = workspace.addresses.iter().map(|a| Key::of(&[a])).collect();
    index.of_backend(Key::of(&[&workspace.backend])).any(|other| {
        let recovered = other.ended.is_some_and(|e| e.how == How::Recovered);
        let Some(work) = other.work.as_ref().filter(|_| recovered && other.id != me.id) else { return false };
        let applied =
            work.builds.iter().any(|b| b.applies && b.succeeded && b.start.is_some_and(|start| start >= me.time));
        applied && addresses.iter().all(|a| work.addresses.contains(a))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::fixture;
    use crate::incident::view::PolicyState;
    use crate::index::Glimpse;
    use reforge_api::StepName;
    use serde_json::json;

    fn row(name: &str, created: &str, event: &str) -> Row {
        let glimpse: Glimpse = serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": "shop", "creationTimestamp": created},
            "spec": {"event": {"id": name, "time": event}, "policyRef": {"name": "p"}},
        }))
        .expect("it can be read");
        Row::of(&glimpse)
    }

    fn in_step(name: &str, version: u64, step: StepName) -> Row {
        let glimpse: Glimpse = serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": "shop", "resourceVersion": version.to_string()},
            "spec": {"policyRef": {"name": "p"}}, "status": {"step": {"attempt": 1, "name": format!("{step:?}")}},
        }))
        .expect("it can be read");
        Row::of(&glimpse)
    }

    fn cleared(name: &str, version: u64) -> Reservation {
        Reservation { incident: format!("shop/{name}"), version, at: Time(0), in_storm: false }
    }

    #[test]
    fn a_place_is_free_once_its_incident_has_gone_on_without_an_apply_and_not_before_that_is_known() {
        let mut index = Index::default();
        index.put(in_step("a", 8, StepName::Gate));
        assert_eq!(place(&index, &cleared("a", 8)), Place::Unknown, "it is about to be written");
        assert_eq!(place(&index, &cleared("a", 9)), Place::Unknown, "the index is behind");
        assert_eq!(place(&index, &cleared("a", 7)), Place::Free, "something else was written");
        assert_eq!(place(&index, &cleared("nobody-knows-it", 7)), Place::Unknown);
        for (version, step, expected) in [
            (9, StepName::Apply, Place::Taken),
            (10, StepName::Verify, Place::Free),
            (11, StepName::Ended, Place::Free),
        ] {
            index.put(in_step("a", version, step));
            assert_eq!(place(&index, &cleared("a", 8)), expected, "{step:?}");
        }
    }

    #[test]
    fn who_applies_and_who_was_cleared_to_count_once_each_and_nobody_counts_for_themselves() {
        let mut index = Index::default();
        for (name, step) in [("me", StepName::Gate), ("applies", StepName::Apply), ("over", StepName::Verify)] {
            index.put(in_step(name, 9, step));
        }
        let reserved = ["me", "applies", "over", "of-another-leader"].map(|name| cleared(name, 8));
        let me = in_step("me", 9, StepName::Gate);
        assert_eq!(applying(&index, &me, &Reservations(reserved.to_vec())), 2);
        assert_eq!(applying(&index, &me, &Reservations::default()), 1);
    }

    #[test]
    fn a_storm_sees_its_two_windows_and_nobody_who_goes_through_an_archive() {
        let mut index = Index::default();
        let me = row("me", "2026-03-01T12:00:00Z", "2026-03-01T11:59:00.000Z");
        for row in [
            me.clone(),
            row("lately", "2026-03-01T11:56:00Z", "2026-03-01T11:55:00.000Z"),
            row("replayed", "2026-03-01T11:59:00Z", "2026-01-01T00:00:00.000Z"),
            row("long-ago", "2026-03-01T11:00:00Z", "2026-03-01T11:00:00.000Z"),
        ] {
            index.put(row);
        }
        let PolicyState::Stands { spec: policy, .. } = fixture::view(StepName::Gate).policy else {
            panic!("it stands")
        };
        let now = me.created;
        let kept = 30 * 86_400_000;
        let opened = |over| opened(&index, &me, &policy, (over, kept), now).len();
        assert_eq!(opened(None), 2);
        assert_eq!(opened(Some(Time(now.0 - 60_000))), 1, "somebody said that it is over");
        assert_eq!(opened(Some(now)), 0, "this very moment");
    }

    /// One that was put back by an apply from 100 s to 200 s.
    fn worker(change: &dyn Fn(&mut serde_json::Value)) -> Row {
        let mut incident = json!({
            "apiVersion": "reforge.dev/v1alpha1", "kind": "Incident",
            "metadata": {"name": "worker", "namespace": "shop", "creationTimestamp": "1970-01-01T00:01:00Z"},
            "spec": {
                "event": {"id": "w", "time": "1970-01-01T00:01:00Z", "name": "DeleteTable", "source": "s",
                    "accountId": "1", "region": "r", "actor": {"type": "IAMUser"}},
                "resource": {"type": "dynamodb", "cloudFormationType": "AWS::DynamoDB::Table", "id": "orders"},
                "change": "Deleted", "policyRef": {"name": "p"},
            },
            "status": {
                "phase": "Recovered", "step": {"attempt": 1, "name": "Ended"},
                "timeline": {"endedAt": "1970-01-01T00:03:20Z"},
                "workspace": {"name": "w", "backend": "b/k", "addresses": ["t.a", "t.b"]},
                "recovery": {"builds": [{"kind": "Apply", "id": "apply:1", "status": "SUCCEEDED",
                    "start": "1970-01-01T00:01:40Z", "end": "1970-01-01T00:03:20Z"}]},
                "conditions": [{"type": "Recovered", "status": "True", "reason": "Verified", "message": "",
                    "lastTransitionTime": "1970-01-01T00:03:20Z"}],
            },
        });
        change(&mut incident);
        let incident: reforge_api::Incident = serde_json::from_value(incident).expect("an Incident");
        Row::from(&incident)
    }

    #[test]
    fn who_may_have_left_a_lock_had_a_build_in_that_state_at_that_time() {
        let mut index = Index::default();
        index.put(worker(&|_| {}));
        let found = |backend: &str, seconds: i64| at_work_here(&index, backend, Time(seconds * 1000)).len();
        assert_eq!([99, 100, 150, 200, 201].map(|at| found("b/k", at)), [0, 1, 1, 1, 0]);
        assert_eq!(found("b/other", 150), 0);
    }

    #[test]
    fn an_apply_that_began_after_the_event_and_put_the_same_addresses_back_has_covered_it() {
        let covers = |event: i64, addresses: &[&str], change: &dyn Fn(&mut serde_json::Value)| {
            let mut index = Index::default();
            index.put(worker(change));
            let time = Time(event * 1000).to_string();
            let me = row("me", "1970-01-01T00:02:00Z", &time);
            let workspace = WorkspaceRef {
                name: "w".into(),
                backend: "b/k".into(),
                addresses: addresses.iter().map(|a| (*a).to_owned()).collect(),
                addresses_unlisted: 0,
            };
            covered(&index, &me, &workspace)
        };
        assert!(covers(100, &["t.a"], &|_| {}));
        assert!(!covers(101, &["t.a"], &|_| {}), "it had begun before");
        assert!(!covers(100, &["t.a", "t.c"], &|_| {}), "it did not have all of them");
        let others: [&dyn Fn(&mut serde_json::Value); 5] = [
            &|i| i["metadata"]["name"] = "me".into(),
            &|i| i["status"]["workspace"]["backend"] = "b/other".into(),
            &|i| i["status"]["recovery"]["builds"][0]["kind"] = "Plan".into(),
            &|i| i["status"]["recovery"]["builds"][0]["status"] = "FAILED".into(),
            &|i| {
                i["status"]["phase"] = "Failed".into();
                i["status"]["conditions"][0] = json!({"type": "Stalled", "status": "True", "reason": "BuildFailed",
                    "message": "", "lastTransitionTime": "1970-01-01T00:03:20Z"});
            },
        ];
        for (i, other) in others.into_iter().enumerate() {
            assert!(!covers(100, &["t.a"], other), "{i}");
        }
    }
}
