//! What has ended is kept for a while: for people who look things up, and because what is not known any more is new. An event
//! comes again, from a queue or from a look through CloudTrail, as long as they have it; were its Incident gone by then, it would
//! be opened once more.

use std::collections::BTreeSet;

use reforge_api::{Handling, Time};

use crate::index::{How, Index, Row};
use crate::words::ids::Id;

/// A sweep looks so far behind where the last one ended, and clocks differ, in milliseconds.
const OVERLAP: i64 = 600_000;
/// For so long CloudTrail can be looked through, in milliseconds, and a day more (CloudTrail User Guide, "Working with CloudTrail
/// event history": 90 days).
const LOOKED_UP: i64 = 91 * 86_400_000;

/// How long what has ended is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// In milliseconds, from its end.
    pub ended: i64,
    /// The same of what is of no use to anybody: canaries, alerts, what Terraform does not own. Duplicates are kept as long as
    /// what is of use: their elder may have failed by then, and what was not kept and is not late goes by itself.
    pub noise: i64,
    /// For how long the queues may bring an event again, in milliseconds.
    pub queues: i64,
    /// For how long limits look back, in milliseconds: two windows of a storm.
    pub limits: i64,
    /// How far the sweep has come that is furthest behind; None: none is made.
    pub swept: Option<Time>,
}

impl Retention {
    /// How long after its end an Incident is kept at least, in milliseconds.
    fn of(&self, how: How, is_duplicate: bool) -> i64 {
        match how {
            // It opens once more if its event comes again, and ends as before.
            How::Noise if !is_duplicate => self.noise.max(self.limits),
            How::Noise | How::Recovered | How::Failed | How::Dismissed => self.ended.max(self.queues).max(self.limits),
        }
    }

    fn is_due(&self, row: &Row, now: Time) -> bool {
        let Some(ended) = row.ended else { return false };
        let end = ended.at.unwrap_or(row.created);
        let is_swept = self.swept.is_none_or(|swept| row.time.plus_millis(OVERLAP) < swept);
        let is_out_of_reach = now.millis_since(row.time) > LOOKED_UP;
        (is_swept || is_out_of_reach) && now.millis_since(end) >= self.of(ended.how, row.is_duplicate)
    }

    /// The Incidents that have been kept for long enough, longest ago first, with the resourceVersions that this is known of;
    /// `most` at most, and none of those to be left. The last canary stays: by it the next one is known to be late.
    pub fn due(&self, index: &Index, now: Time, leave: &BTreeSet<Id>, most: usize) -> Vec<(Id, u64)> {
        let shortest = self.of(How::Noise, false).min(self.of(How::Dismissed, false));
        let old = index.ended_before(now.plus_millis(-shortest).plus_millis(1));
        let last = index.last_canary();
        let is_last = |row: &Row| row.handling == Some(Handling::Canary) && Some(row.time) == last;
        let due = old.filter(|row| self.is_due(row, now) && !is_last(row) && !leave.contains(&row.id));
        due.take(most).map(|row| (row.id.clone(), row.version)).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::index::Glimpse;

    const HOUR: i64 = 3_600_000;

    /// One that ended so many hours ago, of an event an hour before.
    fn put(index: &mut Index, name: &str, why: &str, hours_ago: i64) {
        let at = |hours: i64| Time(NOW.0 - hours * HOUR).to_string();
        let glimpse: Glimpse = serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": "shop", "resourceVersion": "7"},
            "spec": {"event": {"id": name, "time": at(hours_ago + 1)}, "policyRef": {"name": "p"},
                "handling": if why == "Canary" { "Canary" } else { "Recover" }},
            "status": {"duplicateOf": (why == "Duplicate").then_some("shop/elder"), "step": {"name": "Ended"}, "timeline": {"endedAt": at(hours_ago)},
                "conditions": [{"type": "Ready", "status": "True", "reason": why}]},
        }))
        .expect("it can be read");
        index.put(Row::of(&glimpse));
    }

    const NOW: Time = Time(10_000 * HOUR);
    const KEPT: Retention =
        Retention { ended: 720 * HOUR, noise: 24 * HOUR, queues: 672 * HOUR, limits: HOUR, swept: Some(NOW) };

    fn due(retention: &Retention) -> Vec<String> {
        let mut index = Index::default();
        for (name, why, hours_ago) in [
            ("recovered-long-ago", "Verified", 720),
            ("recovered", "Verified", 719),
            ("duplicate-of-yesterday", "Duplicate", 24),
            ("not-managed-now", "NotManaged", 23),
            ("not-managed", "NotManaged", 100),
        ] {
            put(&mut index, name, why, hours_ago);
        }
        let open: Glimpse =
            serde_json::from_value(json!({"metadata": {"name": "open", "namespace": "shop"}})).expect("it");
        index.put(Row::of(&open));
        retention.due(&index, NOW, &BTreeSet::new(), 100).into_iter().map(|(id, _)| id.name.to_string()).collect()
    }

    #[test]
    fn what_has_ended_goes_when_its_time_is_over_and_noise_goes_sooner() {
        assert_eq!(due(&KEPT), ["recovered-long-ago", "not-managed"]);
    }

    #[test]
    fn nothing_goes_that_a_queue_a_limit_or_a_sweep_may_still_ask_about() {
        let patient = Retention { ended: HOUR, queues: 720 * HOUR, ..KEPT };
        assert_eq!(due(&patient)[0], "recovered-long-ago", "for the queues' sake the other one stays");
        assert_eq!(due(&patient).len(), 2);
        let windows = Retention { limits: 721 * HOUR, ..KEPT };
        assert_eq!(due(&windows), [""; 0], "a storm is counted by them");
        let behind = Retention { swept: Some(Time(NOW.0 - 700 * HOUR)), ..KEPT };
        assert_eq!(
            due(&behind),
            ["recovered-long-ago"],
            "the sweep would find the others' events, and open them again"
        );
        assert_eq!(due(&Retention { swept: Some(Time(0)), ..KEPT }), [""; 0]);
        assert_eq!(due(&Retention { swept: None, ..KEPT }).len(), 2, "nobody sweeps");
    }

    #[test]
    fn it_is_deleted_as_it_was_seen_and_some_at_a_time() {
        let mut index = Index::default();
        for name in ["a", "b"] {
            put(&mut index, name, "Verified", 800);
        }
        assert_eq!(KEPT.due(&index, NOW, &BTreeSet::new(), 1).len(), 1);
        let due = KEPT.due(&index, NOW, &BTreeSet::new(), 9);
        assert_eq!(due.iter().map(|(_, version)| *version).collect::<Vec<_>>(), [7, 7]);
        let left = KEPT.due(&index, NOW, &BTreeSet::from([due[0].0.clone()]), 9);
        assert_eq!(left, due[1..], "what cannot be deleted holds nobody else up");
    }

    #[test]
    fn a_duplicate_stays_until_its_event_is_late_and_the_last_canary_stays() {
        let mut index = Index::default();
        put(&mut index, "duplicate", "Duplicate", 719);
        for (name, hours_ago) in [("canary-before", 200), ("canary", 100)] {
            put(&mut index, name, "Canary", hours_ago);
        }
        let named = |index: &Index| -> Vec<String> {
            KEPT.due(index, NOW, &BTreeSet::new(), 9).into_iter().map(|(id, _)| id.name.to_string()).collect()
        };
        assert_eq!(
            named(&index),
            ["canary-before"],
            "an archive brings its event again, and its elder may have failed"
        );
        put(&mut index, "duplicate-2", "Duplicate", 720);
        assert_eq!(named(&index), ["duplicate-2", "canary-before"]);
    }

    #[test]
    fn what_cloudtrail_does_not_have_any_more_is_not_kept_for_a_sweep_that_gets_nowhere() {
        let stuck = Retention { swept: Some(Time(0)), ..KEPT };
        let mut index = Index::default();
        put(&mut index, "old", "Verified", 92 * 24);
        put(&mut index, "young", "Verified", 89 * 24);
        let due: Vec<_> = stuck.due(&index, NOW, &BTreeSet::new(), 9).into_iter().map(|(id, _)| id).collect();
        assert_eq!(due.iter().map(|id| &*id.name).collect::<Vec<_>>(), ["old"]);
    }
}
