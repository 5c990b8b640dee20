//! Who has a place among the applies of a policy, and who draws on what a storm leaves to critical resources. Pure: who still
//! applies, and what the limits are, is for others to say.
//!
//! A place is taken when the gate clears, before that is written in the Incident, and is freed by looking at who has it: nobody
//! has to be trusted to give it back. Where another leader could take the same one, it is stored first, by compare-and-swap, in
//! a Lease of the policy. Elsewhere it is known to this leader alone.
//!
//! A workspace has one writer, whoever leads, by its own Lease. A policy that lists no more workspaces than it allows applies at
//! once needs no other: that is most, and they cost no write more.

use std::collections::BTreeSet;

use reforge_api::{RecoveryPolicySpec, Time};
use serde::{Deserialize, Serialize};

/// The most that are remembered. What `limits` can allow at once, a hundred applies and a quarter of the highest
/// `stormThreshold`, has room; beyond it a human is asked.
pub const MAX_RESERVATIONS: usize = 512;

/// A plan that was cleared.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reservation {
    /// The Incident, as namespace and name.
    pub incident: String,
    /// The resourceVersion of the Incident that was decided on: once it has another, it says itself whether it applies.
    pub version: u64,
    /// When.
    pub at: Time,
    /// Whether it draws on what a storm leaves to critical resources.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_storm: bool,
}

/// What a clear takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reserve {
    /// Whether it draws on what a storm leaves to critical resources.
    pub in_storm: bool,
    /// Whether another leader could take the same.
    pub is_stored: bool,
}

impl Reserve {
    /// Of a plan that this policy clears.
    pub fn of(policy: &RecoveryPolicySpec, in_storm: bool) -> Self {
        let writers = policy.recovery.workspaces.len();
        Self { in_storm, is_stored: in_storm || writers > policy.limits.max_concurrent as usize }
    }
}

/// The reservations of one policy; one for each Incident at most.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reservations(pub Vec<Reservation>);

impl Reservations {
    /// Adds one in place of the Incident's own before it; false: there is no room, and nothing is changed. Nothing is forgotten
    /// for it.
    pub fn add(&mut self, mut reservation: Reservation) -> bool {
        if let Some(own) = self.0.iter_mut().find(|r| r.incident == reservation.incident) {
            // What was drawn stays drawn.
            reservation.in_storm |= own.in_storm;
            *own = reservation;
            return true;
        }
        let has_room = !self.is_full();
        if has_room {
            self.0.push(reservation);
        }
        has_room
    }

    /// That of an Incident.
    pub fn of(&self, incident: &str) -> Option<&Reservation> {
        self.0.iter().find(|r| r.incident == incident)
    }

    /// Those of the other Incidents.
    pub fn beside(&self, me: &str) -> impl Iterator<Item = &Reservation> {
        self.0.iter().filter(move |r| r.incident != me)
    }

    /// Whether there is no room for one more.
    pub fn is_full(&self) -> bool {
        self.0.len() >= MAX_RESERVATIONS
    }

    /// Which other Incidents have drawn on what a storm leaves since a time.
    pub fn drawn_beside(&self, me: &str, since: Time) -> BTreeSet<&str> {
        self.beside(me).filter(|r| r.in_storm && r.at > since).map(|r| r.incident.as_str()).collect()
    }

    /// Forgets those whose apply `is_over`, but for what they have drawn since a time.
    pub fn forget(&mut self, since: Time, is_over: impl Fn(&Reservation) -> bool) {
        self.0.retain(|r| (r.in_storm && r.at > since) || !is_over(r));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reservation(incident: &str, at: i64, in_storm: bool) -> Reservation {
        Reservation { incident: incident.to_owned(), version: 7, at: Time(at), in_storm }
    }

    #[test]
    fn an_incident_has_one_place_and_what_it_drew_in_a_storm_stays_drawn() {
        let mut all = Reservations::default();
        assert!(all.add(reservation("n/a", 1, true)) && all.add(reservation("n/a", 5, false)));
        assert_eq!(all.0, [reservation("n/a", 5, true)]);
    }

    #[test]
    fn nothing_that_still_counts_is_forgotten_for_want_of_room() {
        let mut all = Reservations::default();
        assert!((0..MAX_RESERVATIONS).all(|i| all.add(reservation(&format!("n/{i}"), 1, false))));
        let before = all.clone();
        assert!(!all.add(reservation("n/more", 2, false)));
        assert_eq!(all, before);
        assert!(all.add(reservation("n/7", 2, false)), "who has a place keeps it");
        all.forget(Time(0), |r| r.incident == "n/8");
        assert!(all.add(reservation("n/more", 2, false)));
    }

    #[test]
    fn what_was_drawn_counts_for_the_window_whether_its_apply_is_over_or_not() {
        let mut all = Reservations(vec![reservation("n/old", 10, true), reservation("n/new", 20, true)]);
        assert_eq!(all.drawn_beside("n/me", Time(15)), BTreeSet::from(["n/new"]));
        assert!(all.drawn_beside("n/new", Time(15)).is_empty(), "nobody stands in their own way");
        all.forget(Time(15), |_| true);
        assert_eq!(all.0, [reservation("n/new", 20, true)]);
    }

    #[test]
    fn it_is_stored_where_there_are_more_writers_than_places_or_a_storm() {
        let workspace = |i: u32| serde_json::json!({"name": format!("w{i}"), "project": "a", "planProject": "p"});
        let stored = |workspaces: u32, in_storm| {
            let policy = serde_json::from_value(serde_json::json!({
                "match": {"resourceTypes": ["ssm"]}, "limits": {"maxConcurrent": 3},
                "recovery": {"workspaces": (0..workspaces).map(workspace).collect::<Vec<_>>()},
            }));
            Reserve::of(&policy.expect("a policy"), in_storm).is_stored
        };
        assert_eq!([stored(3, false), stored(4, false), stored(1, true)], [false, true, true]);
    }
}
