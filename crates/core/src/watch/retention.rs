//! What has ended is kept for a while: for people who look things up, and because what is not known any more is new. An event
//! comes again, from a queue or from a look through CloudTrail, as long as they have it; were its Incident gone by then, it would
//! be opened once more.

use reforge_api::Time;

use crate::index::{How, Id, Index, Row};

/// A sweep looks so far behind where the last one ended, and clocks differ, in milliseconds.
const OVERLAP: i64 = 600_000;

/// How long what has ended is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// In milliseconds, from its end.
    pub ended: i64,
    /// The same of what is of no use to anybody: duplicates, canaries, alerts, what Terraform does not own.
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
    fn of(&self, how: How) -> i64 {
        match how {
            // It opens once more if its event comes again, and ends as before.
            How::Noise => self.noise.max(self.limits),
            How::Recovered | How::Failed | How::Dismissed => self.ended.max(self.queues).max(self.limits),
        }
    }

    fn is_due(&self, row: &Row, now: Time) -> bool {
        let Some(ended) = row.ended else { return false };
        let end = ended.at.unwrap_or(row.created);
        let is_swept = self.swept.is_none_or(|swept| row.time.plus_millis(OVERLAP) < swept);
        is_swept && now.millis_since(end) >= self.of(ended.how)
    }

    /// The Incidents that have been kept for long enough, longest ago first, with the resourceVersions that this is known of;
    /// `most` at most.
    pub fn due(&self, index: &Index, now: Time, most: usize) -> Vec<(Id, u64)> {
        let shortest = self.of(How::Noise).min(self.of(How::Dismissed));
        let old = index.ended_before(now.plus_millis(-shortest).plus_millis(1));
        old.filter(|row| self.is_due(row, now)).take(most).map(|row| (row.id.clone(), row.version)).collect()
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
            "spec": {"event": {"id": name, "time": at(hours_ago + 1)}, "policyRef": {"name": "p"}},
            "status": {"step": {"name": "Ended"}, "timeline": {"endedAt": at(hours_ago)},
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
            ("duplicate", "Duplicate", 23),
            ("not-managed", "NotManaged", 100),
        ] {
            put(&mut index, name, why, hours_ago);
        }
        let open: Glimpse =
            serde_json::from_value(json!({"metadata": {"name": "open", "namespace": "shop"}})).expect("it");
        index.put(Row::of(&open));
        retention.due(&index, NOW, 100).into_iter().map(|(id, _)| id.name.to_string()).collect()
    }

    #[test]
    fn what_has_ended_goes_when_its_time_is_over_and_noise_goes_sooner() {
        assert_eq!(due(&KEPT), ["recovered-long-ago", "not-managed", "duplicate-of-yesterday"]);
    }

    #[test]
    fn nothing_goes_that_a_queue_a_limit_or_a_sweep_may_still_ask_about() {
        let patient = Retention { ended: HOUR, queues: 720 * HOUR, ..KEPT };
        assert_eq!(due(&patient)[0], "recovered-long-ago", "for the queues' sake the other one stays");
        assert_eq!(due(&patient).len(), 3);
        let windows = Retention { limits: 721 * HOUR, ..KEPT };
        assert_eq!(due(&windows), [""; 0], "a storm is counted by them");
        let behind = Retention { swept: Some(Time(NOW.0 - 700 * HOUR)), ..KEPT };
        assert_eq!(
            due(&behind),
            ["recovered-long-ago"],
            "the sweep would find the others' events, and open them again"
        );
        assert_eq!(due(&Retention { swept: Some(Time(0)), ..KEPT }), [""; 0]);
        assert_eq!(due(&Retention { swept: None, ..KEPT }).len(), 3, "nobody sweeps");
    }

    #[test]
    fn it_is_deleted_as_it_was_seen_and_some_at_a_time() {
        let mut index = Index::default();
        for name in ["a", "b"] {
            put(&mut index, name, "Verified", 800);
        }
        assert_eq!(KEPT.due(&index, NOW, 1).len(), 1);
        assert!(KEPT.due(&index, NOW, 9).iter().all(|(_, version)| *version == 7));
    }
}
